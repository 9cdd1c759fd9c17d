//! Checks of `[store]`, `[server]`, `[work]` and the exceptions.

use compliance::exceptions::{ExceptionEntry, Exceptions, ExceptionsError};

use super::accounts::listens;
use super::{Problem, at, web_address};
use crate::config::{Config, Text};

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    store(config, problems);
    server(config, problems);
    let work = &config.work;
    for (member, number) in [
        ("looks", work.looks),
        ("deliveries", work.deliveries),
        ("sweeps", work.sweeps),
    ] {
        if number == 0 || number > 1024 {
            problems.push(Problem::error(
                at!["work", member],
                "from 1 to 1024 at the same time",
            ));
        }
    }
    // A third of it passes between two renewals.
    if work.lease.0.as_secs() < 2 {
        problems.push(Problem::error(
            at!["work", "lease"],
            "a lease of less than two seconds runs out while the work is still done",
        ));
    }
    exceptions(config, problems);
}

fn store(config: &Config, problems: &mut Vec<Problem>) {
    let store = &config.store;
    if store.path.is_some() && store.url.is_some() {
        problems.push(Problem::error(
            at!["store", "path"],
            "the store is a file (`path`) or a database server (`url`), not both",
        ));
    }
    if let Some(Text::Plain(url)) = &store.url {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"));
        match rest {
            None => problems.push(Problem::error(
                at!["store", "url"],
                "this is not the address of a PostgreSQL database: postgres://USER@HOST/NAME",
            )),
            Some(rest) => {
                let authority = rest.split(['/', '?']).next().unwrap_or_default();
                let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
                if user.contains(':') || url.contains("password=") {
                    problems.push(
                        Problem::error(at!["store", "url"], "a password stands in this address")
                            .hint("give the whole address as `env:NAME` or `file:PATH`"),
                    );
                }
            }
        }
    }
    if store.timeout.is_zero() {
        problems.push(Problem::error(
            at!["store", "timeout"],
            "no call is answered within no time; give a second or more",
        ));
    }
    if store.keep.0.as_secs() < 86_400 {
        problems.push(Problem::error(
            at!["store", "keep"],
            "less than a day would lose what is still being worked on",
        ));
    } else if store.keep.0.as_secs() < 30 * 86_400 {
        problems.push(Problem::warning(
            at!["store", "keep"],
            "history of less than a month answers few questions of an audit",
        ));
    }
}

fn server(config: &Config, problems: &mut Vec<Problem>) {
    let server = &config.server;
    if !server.listen.is_empty()
        && listens(&server.listen, at!["server", "listen"], problems) == Some(true)
    {
        problems.push(Problem::warning(
            at!["server", "listen"],
            "others can connect to this address, and metrics, which name accounts, need no password",
        ));
    }
    if let Some(url) = &server.base_url {
        if let Err(why) = web_address(url) {
            problems.push(Problem::error(at!["server", "base-url"], why));
        } else if url.ends_with('/') {
            problems.push(Problem::error(
                at!["server", "base-url"],
                "the address where links begin has no slash at its end",
            ));
        }
        if config.intake.is_none() {
            problems.push(
                Problem::warning(
                    at!["server", "base-url"],
                    "nothing serves the links that begin here: there is no [intake]",
                )
                .hint("[intake] `listen` serves them, on 127.0.0.1 behind a proxy or with a certificate"),
            );
        }
        if server.token_secret.is_none() {
            problems.push(
                Problem::error(
                    at!["server", "base-url"],
                    "links in mails are signed, which needs a `token-secret`",
                )
                .hint("make one: head -c 32 /dev/urandom | base64 > /etc/portcullis/token.secret"),
            );
        }
    }
}

/// The exceptions of the file itself; those of another file are checked where that is read.
fn exceptions(config: &Config, problems: &mut Vec<Problem>) {
    let entries: Vec<ExceptionEntry> = config.exception.iter().map(ExceptionEntry::from).collect();
    if let Err(wrong) = Exceptions::new(entries) {
        problems.push(match &wrong {
            ExceptionsError::Member { id, member, .. } => {
                // The last of this id is the one that stands twice.
                let index = config.exception.iter().rposition(|own| own.id == *id);
                let text = wrong.to_string();
                Problem::error(at!["exception", index.unwrap_or(0), *member], text)
            }
            ExceptionsError::Syntax(text) => Problem::error(at!["exception"], text.clone()),
        });
    }
    for (index, exception) in config.exception.iter().enumerate() {
        if let Some(account) = &exception.account {
            let known = config.account.iter().any(|own| own.is_called(account));
            if !known {
                super::account(
                    config,
                    account,
                    at!["exception", index, "account"],
                    problems,
                );
            }
        }
        if exception.bucket.trim_matches('*').is_empty() && !exception.bucket.is_empty() {
            problems.push(Problem::warning(
                at!["exception", index, "bucket"],
                "this excepts every bucket that is open in this very way",
            ));
        }
    }
    if config.allow_tag_exceptions {
        problems.push(Problem::warning(
            at!["allow-tag-exceptions"],
            "whoever may tag a bucket (s3:PutBucketTagging) may then keep it open",
        ));
    }
}
