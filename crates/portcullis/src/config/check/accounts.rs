//! Checks of `[[account]]`, `[recorder]` and `[delivery-channel]`.

use super::{Problem, under};
use super::{at, is_loopback, leaves_in_clear, unique, web_address};
use crate::config::place::KeyPath;
use crate::config::problem::choose;
use crate::config::{Account, Config, Encryption, Period};

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    if config.account.is_empty() {
        problems.push(
            Problem::error(at!["account"], "no account is watched")
                .hint("add one: [[account]] with an `id`"),
        );
    }
    let ids = config.account.iter().enumerate();
    unique(
        "an account",
        ids.flat_map(|(index, account)| {
            let label = account.label.as_deref();
            let label = label
                .filter(|label| *label != account.id)
                .map(|label| (at!["account", index, "label"], label));
            [(at!["account", index, "id"], account.id.as_str())]
                .into_iter()
                .chain(label)
        }),
        problems,
    );
    for (index, account) in config.account.iter().enumerate() {
        let base = at!["account", index];
        one(account, &base, problems);
        let own = (account.sweep_interval, account.record_interval);
        intervals(&base, own.0, own.1, problems);
    }
    recorder(config, problems);
    channel(config, problems);
}

fn one(account: &Account, base: &KeyPath, problems: &mut Vec<Problem>) {
    let digits = account.id.len() == 12 && account.id.bytes().all(|b| b.is_ascii_digit());
    if account.endpoint_url.is_none() && !digits {
        problems.push(
            Problem::error(
                under(base, "id"),
                "an AWS account's id is its twelve digits",
            )
            .hint("for an S3-compatible store say its `endpoint-url`; then any name will do as id"),
        );
    }
    if account
        .id
        .contains(|c: char| c.is_whitespace() || c.is_control() || c == '*' || c == '?')
    {
        problems.push(Problem::error(
            under(base, "id"),
            "an id has no spaces, control characters, * or ?",
        ));
    }
    for (member, arn) in [
        ("role-arn", &account.role_arn),
        ("enforcement-role-arn", &account.enforcement_role_arn),
    ] {
        let Some(arn) = arn else { continue };
        let parts: Vec<&str> = arn.split(':').collect();
        let is_role = parts.len() == 6
            && parts[0] == "arn"
            && parts[2] == "iam"
            && parts[5].starts_with("role/");
        if !is_role {
            problems.push(Problem::error(
                under(base, member),
                "this is not the ARN of a role, which looks like arn:aws:iam::111122223333:role/NAME",
            ));
        } else if digits
            && parts[4] != account.id
            // Roles of other stores need not be of a numbered account (Ceph: arn:aws:iam:::role/NAME).
            && !(account.endpoint_url.is_some() && parts[4].is_empty())
        {
            problems.push(Problem::error(
                under(base, member),
                format!(
                    "this role is of account {}, not of {}",
                    parts[4], account.id
                ),
            ));
        }
    }
    if account.external_id.is_some()
        && account.role_arn.is_none()
        && account.enforcement_role_arn.is_none()
    {
        problems.push(Problem::error(
            under(base, "external-id"),
            "an external id needs a `role-arn` or an `enforcement-role-arn`",
        ));
    }
    keys(account, base, problems);
    if let Some(url) = &account.endpoint_url {
        if let Err(why) = web_address(url) {
            problems.push(Problem::error(under(base, "endpoint-url"), why));
        } else if leaves_in_clear(url) {
            problems.push(Problem::warning(
                under(base, "endpoint-url"),
                "what is read of the buckets, and what is written, travels in clear and can be \
                 changed on the way; use https",
            ));
        }
    }
    if account.call_timeout.is_zero() {
        problems.push(Problem::error(
            under(base, "call-timeout"),
            "no call is answered within no time; give a second or more",
        ));
    }
    if !(1..=20).contains(&account.call_attempts) {
        problems.push(Problem::error(
            under(base, "call-attempts"),
            "a call is tried from 1 to 20 times",
        ));
    }
    if account.calls_per_second == Some(0) {
        problems.push(Problem::error(
            under(base, "calls-per-second"),
            WITHOUT_A_CALL,
        ));
    }
}

fn keys(account: &Account, base: &KeyPath, problems: &mut Vec<Problem>) {
    let (id, secret) = (&account.access_key_id, &account.secret_access_key);
    match (id.is_some(), secret.is_some()) {
        (true, false) => problems.push(Problem::error(
            under(base, "access-key-id"),
            "an access key needs its `secret-access-key` as well",
        )),
        (false, true) => problems.push(Problem::error(
            under(base, "secret-access-key"),
            "an access key needs its `access-key-id` as well",
        )),
        _ => {}
    }
    if id.is_some() && account.profile.is_some() {
        problems.push(Problem::error(
            under(base, "profile"),
            "the credentials come from a profile or from an access key, not from both",
        ));
    }
    if account.session_token.is_some() && id.is_none() {
        problems.push(Problem::error(
            under(base, "session-token"),
            "a session token needs its access key",
        ));
    }
    if id.is_some() && account.endpoint_url.is_none() {
        problems.push(
            Problem::error(
                under(base, "access-key-id"),
                "an access key here is for an S3-compatible store (`endpoint-url`)",
            )
            .hint(
                "for AWS use a `profile`, a `role-arn`, or the standard chain: AWS_ACCESS_KEY_ID in \
                 the environment counts there",
            ),
        );
    }
}

const WITHOUT_A_CALL: &str = "without a call nothing is watched; leave it out, or give 1 or more";

/// How often an account, or each, is gone through.
fn intervals(
    base: &KeyPath,
    sweep: Option<Period>,
    record: Option<Period>,
    problems: &mut Vec<Problem>,
) {
    for (member, period, least) in [
        ("sweep-interval", sweep, 10),
        ("record-interval", record, 60),
    ] {
        if period.is_some_and(|period| period.0.as_secs() < least) {
            problems.push(Problem::error(
                under(base, member),
                format!("less than {least} seconds would ask without a pause"),
            ));
        }
    }
    if sweep.is_some_and(|sweep| sweep.0.as_secs() > 86_400) {
        problems.push(Problem::warning(
            under(base, "sweep-interval"),
            "a change that no event tells of stays unseen for more than a day",
        ));
    }
}

fn recorder(config: &Config, problems: &mut Vec<Problem>) {
    let recorder = &config.recorder;
    let (sweep, record) = (recorder.sweep_interval, recorder.record_interval);
    intervals(&at!["recorder"], Some(sweep), Some(record), problems);
    if recorder.calls_per_second == Some(0) {
        problems.push(Problem::error(
            at!["recorder", "calls-per-second"],
            WITHOUT_A_CALL,
        ));
    }
    if recorder.concurrency == 0 || recorder.concurrency > 1024 {
        problems.push(Problem::error(
            at!["recorder", "concurrency"],
            "from 1 to 1024 buckets are asked about at the same time",
        ));
    }
    if let Some(types) = &recorder.types
        && !types.iter().any(|one| one.0 == compliance::item::BUCKET)
    {
        problems.push(Problem::warning(
            at!["recorder", "types"],
            "buckets are not recorded, so none is watched",
        ));
    }
    for (index, excluded) in recorder.exclude_buckets.iter().enumerate() {
        if excluded.0.trim_matches('*').is_empty() {
            problems.push(Problem::warning(
                at!["recorder", "exclude-buckets", index],
                "this leaves out every bucket, so none is watched",
            ));
        }
    }
}

fn channel(config: &Config, problems: &mut Vec<Problem>) {
    let Some(channel) = &config.delivery_channel else {
        return;
    };
    let base = at!["delivery-channel"];
    super::optional_account(config, channel.account.as_deref(), &base, problems);
    if channel.bucket.trim().is_empty() {
        problems.push(Problem::error(
            under(&base, "bucket"),
            "a bucket has a name",
        ));
    }
    if channel
        .expected_bucket_owner
        .as_ref()
        .is_some_and(|owner| owner.len() != 12 || !owner.bytes().all(|b| b.is_ascii_digit()))
    {
        problems.push(Problem::error(
            under(&base, "expected-bucket-owner"),
            "an AWS account's id is its twelve digits",
        ));
    }
    match (channel.encryption, &channel.kms_key_id) {
        (Some(Encryption::Kms), None) => problems.push(Problem::error(
            under(&base, "encryption"),
            "`aws:kms` needs the `kms-key-id`",
        )),
        (None | Some(Encryption::Aes256), Some(_)) => problems.push(Problem::error(
            under(&base, "kms-key-id"),
            "a key of KMS needs `encryption = \"aws:kms\"`",
        )),
        _ => {}
    }
    for (member, period) in [
        ("snapshot-interval", channel.snapshot_interval),
        ("history-interval", channel.history_interval),
    ] {
        if period.0.as_secs() < 60 {
            problems.push(Problem::error(
                under(&base, member),
                "less than a minute would deliver without a pause",
            ));
        }
    }
    if let Some(topic) = &channel.topic {
        let known: Vec<&str> = config.target.iter().map(|t| t.name.as_str()).collect();
        if !known.contains(&topic.as_str()) {
            problems.push(
                Problem::error(
                    under(&base, "topic"),
                    format!("there is no target {topic:?}"),
                )
                .hint(choose(topic, &known)),
            );
        }
    }
}

/// Whether an address to listen on is one, and whether others can reach it.
pub(super) fn listens(text: &str, path: KeyPath, problems: &mut Vec<Problem>) -> Option<bool> {
    let port = text
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse::<u16>().ok());
    let host_given = text
        .rsplit_once(':')
        .is_some_and(|(host, _)| !host.is_empty());
    if port.is_none() || !host_given {
        problems.push(Problem::error(
            path,
            "an address to listen on is a host and a port, such as 127.0.0.1:9464",
        ));
        return None;
    }
    Some(!is_loopback(text))
}
