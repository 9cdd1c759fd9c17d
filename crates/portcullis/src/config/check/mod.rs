//! What the types cannot tell: names that must be known or unique, members that belong together, and
//! settings that are risky.

mod accounts;
mod bus;
mod enforcement;
mod notices;
mod rules;
mod service;
mod sources;

use std::collections::BTreeMap;

pub(crate) use notices::address as mail_address;

use super::place::{KeyPath, at};
use super::problem::{Problem, choose};
use super::{Account, Config};

/// Everything that is wrong or risky.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    accounts::check(config, &mut problems);
    sources::check(config, &mut problems);
    rules::check(config, &mut problems);
    bus::check(config, &mut problems);
    enforcement::check(config, &mut problems);
    notices::check(config, &mut problems);
    service::check(config, &mut problems);
    problems
}

/// Names that stand twice. `names` come with their paths.
fn unique<'a>(
    what: &str,
    names: impl IntoIterator<Item = (KeyPath, &'a str)>,
    problems: &mut Vec<Problem>,
) {
    let mut seen: BTreeMap<&str, KeyPath> = BTreeMap::new();
    for (path, name) in names {
        if name.trim().is_empty() {
            problems.push(Problem::error(path, format!("{what} needs a name")));
        } else if let Some(first) = seen.get(name) {
            problems.push(Problem::error(
                path,
                format!("{what} is called {name:?} already, at {first}"),
            ));
        } else {
            seen.insert(name, path);
        }
    }
}

/// The account of this id or label, or a problem.
fn account<'a>(
    config: &'a Config,
    name: &str,
    path: KeyPath,
    problems: &mut Vec<Problem>,
) -> Option<&'a Account> {
    let found = config.account.iter().find(|own| own.is_called(name));
    if found.is_none() {
        let known: Vec<&str> = config.account.iter().map(Account::label).collect();
        problems.push(
            Problem::error(path, format!("there is no account {name:?}"))
                .hint(choose(name, &known)),
        );
    }
    found
}

/// Members that are given and belong to another kind, and the one that this kind needs.
fn members(
    base: &KeyPath,
    kind: &str,
    given: &[(&str, bool, &[&str])],
    needed: Option<&str>,
    problems: &mut Vec<Problem>,
) {
    for (member, is_given, kinds) in given {
        if *is_given && !kinds.contains(&kind) {
            problems.push(Problem::error(
                under(base, member),
                format!(
                    "`{member}` does not belong to kind = {kind:?}, only to {}",
                    kinds.join(", ")
                ),
            ));
        }
        if !is_given && needed == Some(*member) {
            problems.push(Problem::error(
                base.clone(),
                format!("kind = {kind:?} needs `{member}`"),
            ));
        }
    }
}

fn under(base: &KeyPath, member: &str) -> KeyPath {
    let mut path = base.clone();
    path.0.push(member.into());
    path
}

/// Why this is no web address to connect to, if it is none. `holder`: what may not be in it.
fn web_address(url: &str) -> Result<(), String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err("this is not a web address: it begins with https://".to_owned());
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !matches!(scheme, "http" | "https") || authority.is_empty() {
        return Err("this is not a web address: it begins with https://".to_owned());
    }
    if authority.contains('@') {
        return Err(
            "a user name or password must not stand in an address; give the whole address by \
             reference: `env:NAME` or `file:PATH`"
                .to_owned(),
        );
    }
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("a space or control character stands in this address".to_owned());
    }
    Ok(())
}

/// Whether a web address is in clear and leaves this machine.
fn leaves_in_clear(url: &str) -> bool {
    url.strip_prefix("http://").is_some_and(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !is_loopback(authority)
    })
}

/// Whether an authority, `host` or `host:port`, is this machine.
fn is_loopback(authority: &str) -> bool {
    if let Ok(address) = authority.parse::<std::net::SocketAddr>() {
        return address.ip().is_loopback();
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// An optional account by name.
fn optional_account(
    config: &Config,
    name: Option<&str>,
    base: &KeyPath,
    problems: &mut Vec<Problem>,
) {
    if let Some(name) = name {
        account(config, name, under(base, "account"), problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_elsewhere() {
        for here in [
            "127.0.0.1:80",
            "localhost",
            "localhost:8000",
            "[::1]:9000",
            "127.8.8.8",
        ] {
            assert!(is_loopback(here), "{here}");
            assert!(!leaves_in_clear(&format!("http://{here}/x")), "{here}");
        }
        for elsewhere in [
            "10.0.0.1:80",
            "example.com",
            "localhost.example.com",
            "[::2]:80",
            "",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
        assert!(leaves_in_clear("http://10.0.0.1:8000"));
        assert!(!leaves_in_clear("https://10.0.0.1:8000"));
    }
}
