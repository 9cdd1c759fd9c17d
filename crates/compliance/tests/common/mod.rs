//! A reading as a few lines of text, so that tests compare what people would.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests; each test file uses a part"
)]

pub(crate) mod estate;
pub(crate) mod notices;

use compliance::input::{self, Options, Reading};
use policy::bucket::{Grantee, PublicAccessBlock};
use policy::observed::{Observed, Unread};

pub(crate) fn options() -> Options {
    Options::at("2026-01-01T00:00:00Z".parse().expect("a time"))
}

pub(crate) fn read(text: &str) -> String {
    read_with(text, &options())
}

pub(crate) fn read_with(text: &str, options: &Options) -> String {
    match input::read(text.as_bytes(), "f", options) {
        Ok(reading) => render(&reading),
        Err(problem) => format!("error: {problem}\n"),
    }
}

/// `name account: policy=… acl=… bucket=… account=… organization=… ownership=…`, problems below.
/// Settings of Block Public Access are four letters, `A I P R`, or `-` where off.
pub(crate) fn render(reading: &Reading) -> String {
    let mut out = String::new();
    for input in &reading.buckets {
        let b = &input.bucket;
        let levels = &b.public_access_block;
        out += &b.name;
        if let Some(account) = &b.owner_account {
            out += &format!(" {account}");
        }
        out += &format!(
            ": policy={} acl={} bucket={} account={} organization={} ownership={}\n",
            observed(&b.policy, |p| format!("{} statements", p.statements.len())),
            observed(&b.acl, |acl| acl
                .grants
                .iter()
                .map(|g| {
                    let to = match &g.grantee {
                        Grantee::Group(uri) => uri.rsplit('/').next().unwrap_or(uri),
                        Grantee::CanonicalUser(id) | Grantee::Email(id) => id,
                    };
                    format!("{to}:{}", g.permission.as_str())
                })
                .collect::<Vec<_>>()
                .join(",")),
            observed(&levels.bucket, block),
            observed(&levels.account, block),
            observed(&levels.organization, block),
            observed(&b.ownership, |o| o.as_str().to_owned()),
        );
    }
    for problem in &reading.problems {
        out += &format!("problem: {problem}\n");
    }
    out
}

fn block(block: &PublicAccessBlock) -> String {
    [
        (block.block_public_acls, 'A'),
        (block.ignore_public_acls, 'I'),
        (block.block_public_policy, 'P'),
        (block.restrict_public_buckets, 'R'),
    ]
    .map(|(on, letter)| if on { letter } else { '-' })
    .into_iter()
    .collect()
}

fn observed<T>(observed: &Observed<T>, show: impl FnOnce(&T) -> String) -> String {
    match observed {
        Observed::Present(value) => format!("[{}]", show(value)),
        Observed::Absent => "none".to_owned(),
        Observed::Unknown(Unread::NotGiven) => "?".to_owned(),
        Observed::Unknown(Unread::SaidUnknown) => "unknown".to_owned(),
        Observed::Unknown(Unread::KnownLater { attribute }) => format!("later({attribute})"),
        Observed::Unknown(unread) => format!("unread({unread})"),
    }
}
