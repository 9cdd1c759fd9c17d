//! Checks of `[[source]]` and `[intake]`.

use intake::events::api_key_header;
use intake::server::network;

use super::accounts::listens;
use super::{Problem, at, leaves_in_clear, members, optional_account, under, unique, web_address};
use crate::config::{Config, SourceKind};

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    unique(
        "a source",
        config
            .source
            .iter()
            .enumerate()
            .map(|(index, source)| (at!["source", index, "name"], source.name.as_str())),
        problems,
    );
    for (index, source) in config.source.iter().enumerate() {
        let base = at!["source", index];
        let sqs: &[&str] = &["sqs"];
        members(
            &base,
            source.kind.as_str(),
            &[
                ("queue-url", source.queue_url.is_some(), sqs),
                ("region", source.region.is_some(), sqs),
                ("endpoint-url", source.endpoint_url.is_some(), sqs),
                ("socket", source.socket.is_some(), &["ops-log"]),
            ],
            Some(match source.kind {
                SourceKind::Sqs => "queue-url",
                SourceKind::OpsLog => "socket",
            }),
            problems,
        );
        optional_account(config, source.account.as_deref(), &base, problems);
        if source.account.is_none() && config.account.len() > 1 {
            problems.push(Problem::error(
                base.clone(),
                "several accounts are watched: say by `account` which of them this source belongs to",
            ));
        }
        for (member, url) in [
            ("queue-url", &source.queue_url),
            ("endpoint-url", &source.endpoint_url),
        ] {
            if let Some(Err(why)) = url.as_deref().map(web_address) {
                problems.push(Problem::error(under(&base, member), why));
            } else if url.as_deref().is_some_and(leaves_in_clear) {
                problems.push(Problem::warning(
                    under(&base, member),
                    "events travel in clear; use https",
                ));
            }
        }
        let account = config.account.iter().find(|account| {
            let name = source.account.as_deref();
            name.is_none_or(|name| account.is_called(name))
        });
        if source.kind == SourceKind::OpsLog
            && account.is_some_and(|account| account.endpoint_url.is_none())
        {
            problems.push(Problem::error(
                under(&base, "kind"),
                "an ops log is a Ceph gateway's, and the account is one of AWS",
            ));
        }
    }
    intake(config, problems);
    if config.source.is_empty() && config.intake.is_none() {
        problems.push(
            Problem::warning(
                at![],
                format!(
                    "no source of events: changes are found by sweeps alone, every {}",
                    config.recorder.sweep_interval
                ),
            )
            .hint("add a [[source]] or [intake] to see them within a second"),
        );
    }
}

fn intake(config: &Config, problems: &mut Vec<Problem>) {
    let Some(intake) = &config.intake else {
        return;
    };
    let base = at!["intake"];
    let links = config.server.token_secret.is_some();
    if intake.api_keys.is_empty() && intake.sns_topics.is_empty() && !links {
        problems.push(Problem::error(
            base.clone(),
            "nobody could send anything: give `api-keys` (EventBridge) or `sns-topics`, or for the links \
             of mails [server] `token-secret`",
        ));
    }
    for (index, arn) in intake.sns_topics.iter().enumerate() {
        let parts: Vec<&str> = arn.split(':').collect();
        if parts.len() != 6 || parts[0] != "arn" || parts[2] != "sns" {
            problems.push(Problem::error(
                at!["intake", "sns-topics", index],
                "this is not the ARN of an SNS topic",
            ));
        }
    }
    let tls = (&intake.tls_certificate, &intake.tls_key);
    match tls {
        (Some(_), None) => problems.push(Problem::error(
            under(&base, "tls-certificate"),
            "a certificate needs its `tls-key`",
        )),
        (None, Some(_)) => problems.push(Problem::error(
            under(&base, "tls-key"),
            "a key needs its `tls-certificate`",
        )),
        _ => {}
    }
    for (index, proxy) in intake.proxies.iter().enumerate() {
        let path = at!["intake", "proxies", index];
        match network(proxy) {
            None => problems.push(Problem::error(
                path,
                format!("{proxy:?} is neither an address nor a network such as 10.0.0.0/24"),
            )),
            Some(network) if network.prefix_len() == 0 => problems.push(Problem::error(
                path,
                "this is everybody, and API keys would travel in clear",
            )),
            Some(_) => {}
        }
    }
    if !intake.proxies.is_empty() && tls.0.is_some() {
        problems.push(Problem::warning(
            under(&base, "proxies"),
            "with a certificate everybody may connect, proxy or not",
        ));
    }
    if let Some(name) = &intake.api_key_header {
        if api_key_header(name).is_none() {
            problems.push(Problem::error(
                under(&base, "api-key-header"),
                format!("{name:?} is no header that can carry a key, such as x-api-key"),
            ));
        } else if intake.api_keys.is_empty() {
            problems.push(Problem::warning(
                under(&base, "api-key-header"),
                "there are no `api-keys`",
            ));
        }
    }
    let reached = listens(&intake.listen, under(&base, "listen"), problems);
    if reached == Some(true) && matches!(tls, (None, None)) && intake.proxies.is_empty() {
        problems.push(
            Problem::error(
                under(&base, "listen"),
                "others can connect to this address, and API keys would travel in clear",
            )
            .hint(
                "give `tls-certificate` and `tls-key`, listen on 127.0.0.1 behind a proxy, or name the \
                 `proxies` that speak TLS",
            ),
        );
    }
}
