//! What a configuration means, in sentences: what is watched, where enforcement is on, who is told.

use std::fmt::Write;

use compliance::report::visible;
use guard::event_rules::RuleTarget;

use super::enforcement::{Acl, Objects, Policy};
use super::load::Loaded;
use super::problem::Level;
use super::service::DEFAULT_STORE;
use super::settings::{event_rules, topics};
use super::value::{Text, Wildcard};
use super::{Account, Config, Protocol, Scope, SourceKind, Subscription};

/// The summary that `portcullis config check` prints.
pub(super) fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let mut out = String::new();
    let warnings = loaded
        .warnings
        .iter()
        .filter(|p| p.level == Level::Warning)
        .count();
    let _ = writeln!(
        out,
        "{} is in order{}.\n",
        visible(&loaded.path.display().to_string()),
        match warnings {
            0 => String::new(),
            1 => ", with a warning".to_owned(),
            _ => format!(", with {warnings} warnings"),
        }
    );
    watched(config, &mut out);
    enforced(config, &mut out);
    let excepted = loaded.exceptions.iter().count();
    if excepted > 0 {
        let _ = writeln!(
            out,
            "Open on purpose: {excepted} exceptions (`portcullis exceptions list`).\n"
        );
    }
    sent(config, &mut out);
    told(config, &mut out);
    kept(config, &mut out);
    out
}

fn watched(config: &Config, out: &mut String) {
    let _ = writeln!(out, "Watched:");
    for account in &config.account {
        let place = match (&account.endpoint_url, &account.region) {
            (Some(url), _) => format!("at {}", visible(url)),
            (None, Some(region)) => format!("AWS, beginning in {}", visible(region)),
            (None, None) => "AWS".to_owned(),
        };
        let by = match (&account.role_arn, &account.profile, &account.access_key_id) {
            (Some(role), _, _) => format!("by role {}", visible(role)),
            (_, Some(profile), _) => format!("by profile {}", visible(profile)),
            (_, _, Some(_)) => "by an access key".to_owned(),
            _ => "by the standard credentials".to_owned(),
        };
        let _ = writeln!(
            out,
            "  {}{}: {place}, {by}",
            visible(account.label()),
            if account.label.is_some() {
                format!(" ({})", visible(&account.id))
            } else {
                String::new()
            }
        );
        if let Some(own) = intervals(account) {
            let _ = writeln!(out, "    {own}");
        }
    }
    let recorder = &config.recorder;
    let _ = writeln!(
        out,
        "  Buckets: {}{}; swept every {}, recorded in full every {}",
        if recorder.buckets.is_empty() {
            "all".to_owned()
        } else {
            list(&recorder.buckets)
        },
        if recorder.exclude_buckets.is_empty() {
            String::new()
        } else {
            format!(" but {}", list(&recorder.exclude_buckets))
        },
        recorder.sweep_interval,
        recorder.record_interval,
    );
    for source in &config.source {
        let from = match source.kind {
            SourceKind::Sqs => source.queue_url.as_deref().map(visible).unwrap_or_default(),
            SourceKind::OpsLog => source
                .socket
                .as_ref()
                .map(|path| visible(&path.display().to_string()).into_owned().into())
                .unwrap_or_default(),
        };
        let _ = writeln!(
            out,
            "  Events: {} ({}) from {from}",
            visible(&source.name),
            source.kind.as_str()
        );
    }
    if let Some(intake) = &config.intake {
        let _ = writeln!(out, "  Events: sent to {}", visible(&intake.listen));
    }
    if config.source.is_empty() && config.intake.is_none() {
        let _ = writeln!(out, "  Events: none");
    }
    out.push('\n');
}

/// What is otherwise with an account than with the rest.
fn intervals(account: &Account) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(every) = account.sweep_interval {
        parts.push(format!("swept every {every}"));
    }
    if let Some(every) = account.record_interval {
        parts.push(format!("recorded in full every {every}"));
    }
    if let Some(most) = account.calls_per_second {
        parts.push(format!("at most {most} calls a second"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn list(names: &[Wildcard]) -> String {
    let names: Vec<_> = names.iter().map(|one| visible(&one.0)).collect();
    names.join(", ")
}

fn enforced(config: &Config, out: &mut String) {
    let scopes = &config.enforcement.scope;
    if !scopes.iter().any(|scope| scope.enabled) {
        let _ = writeln!(out, "Enforcement: off. Nothing is ever changed.\n");
        return;
    }
    let _ = writeln!(out, "Enforcement, the first that covers a bucket decides:");
    for scope in scopes {
        let _ = writeln!(
            out,
            "  {}: {} {}",
            visible(&scope.name),
            if scope.enabled { "ON for" } else { "off for" },
            covered(scope),
        );
        if !scope.enabled {
            continue;
        }
        let acl = match scope.acl {
            Acl::Strip => "public grants are removed from the ACL",
            Acl::Private => "a public ACL is overwritten with `private`",
        };
        let policy = match scope.policy {
            Policy::Notify => "a public policy is left, and people are told",
            Policy::Block => "a public policy is cut off by the bucket's Block Public Access",
            Policy::RemoveStatement => "public statements are removed from the policy",
        };
        let objects = match scope.objects {
            Objects::Report => "public objects are told of",
            Objects::IgnorePublicAcls => "public ACLs of objects are ignored",
        };
        let _ = writeln!(out, "    {acl}; {policy}; {objects}");
        let _ = writeln!(
            out,
            "    {}",
            if scope.grace.is_zero() {
                "at once".to_owned()
            } else {
                format!("after {}, with a notice first", scope.grace)
            }
        );
    }
    let breaker = &config.enforcement.breaker;
    let _ = writeln!(
        out,
        "  Stops by itself beyond {} buckets an hour, or {} % of an account ({} at least)\n",
        breaker.buckets_per_hour,
        (breaker.share * 100.0).round(),
        breaker.at_least
    );
}

fn covered(scope: &Scope) -> String {
    let mut parts = Vec::new();
    if !scope.buckets.is_empty() {
        parts.push(format!("buckets {}", list(&scope.buckets)));
    }
    if let Some(tag) = &scope.tag {
        parts.push(format!("the tag {}", visible(tag)));
    }
    if !scope.accounts.is_empty() {
        parts.push(format!("accounts {}", list(&scope.accounts)));
    }
    if !scope.regions.is_empty() {
        parts.push(format!("regions {}", list(&scope.regions)));
    }
    if parts.is_empty() {
        "every bucket".to_owned()
    } else {
        parts.join(", ")
    }
}

fn sent(config: &Config, out: &mut String) {
    let _ = writeln!(out, "Compliance changes:");
    // The patterns were checked when the file was read.
    if let Ok(rules) = event_rules(config) {
        for rule in rules.rules() {
            let targets: Vec<String> = rule
                .targets
                .iter()
                .map(|target| match target {
                    RuleTarget::Responder => "the responder".to_owned(),
                    RuleTarget::Topic(topic) => format!("topic {}", visible(topic)),
                    RuleTarget::Target(name) => visible(name).into_owned(),
                })
                .collect();
            let _ = writeln!(
                out,
                "  event rule {} sends to {}",
                visible(&rule.name),
                targets.join(", ")
            );
        }
    }
    out.push('\n');
}

fn told(config: &Config, out: &mut String) {
    let _ = writeln!(out, "Told:");
    if config.subscription.is_empty() {
        let _ = writeln!(out, "  nobody");
    }
    for topic in topics(config) {
        let described = config.topic.iter().find(|own| own.name == topic);
        if let Some(description) = described.and_then(|own| own.description.as_deref()) {
            let _ = writeln!(
                out,
                "  topic {} is for: {}",
                visible(topic),
                visible(description)
            );
        }
        for own in config.subscription.iter().filter(|own| own.topic == topic) {
            let _ = writeln!(out, "  topic {}: {}", visible(topic), receiver(own));
        }
    }
    let mut waited = String::new();
    for step in &config.escalation.steps {
        let topics: Vec<_> = step.topics.iter().map(|topic| visible(topic)).collect();
        let _ = write!(waited, ", after {} topic {}", step.after, topics.join(", "));
    }
    if !waited.is_empty() {
        let _ = writeln!(out, "  if nobody acknowledges{waited}");
    }
    out.push('\n');
}

fn receiver(own: &Subscription) -> String {
    let protocol = compliance::notice::Protocol::from(own.protocol).as_str();
    let to = match &own.endpoint {
        Text::Plain(text) => compliance::notice::Endpoint::new(text.as_str()).to_string(),
        Text::Secret(reference) => format!("the address in {}", visible(&reference.to_string())),
    };
    let mut text = format!("{to} by {protocol} ({})", visible(&own.id()));
    if let Some(severity) = own.filter.severity {
        text.push_str(&format!(", {} or more severe", severity.0.as_str()));
    }
    if let Some(digest) = own.digest {
        text.push_str(&format!(", together every {digest}"));
    }
    if own.quiet_hours.is_some() {
        text.push_str(", not in quiet hours");
    }
    if own.protocol == Protocol::Email && !own.confirmed {
        text.push_str("; has to confirm first");
    }
    text
}

fn kept(config: &Config, out: &mut String) {
    let store = &config.store;
    let place = match (&store.url, &store.path) {
        (Some(_), _) => "a PostgreSQL database".to_owned(),
        (None, Some(path)) => visible(&path.display().to_string()).into_owned(),
        (None, None) => DEFAULT_STORE.to_owned(),
    };
    let _ = writeln!(out, "Kept: in {place}, for {}.", store.keep);
    if let Some(channel) = &config.delivery_channel {
        let _ = writeln!(
            out,
            "Delivered: history and snapshots to bucket {}.",
            visible(&channel.bucket)
        );
    }
}
