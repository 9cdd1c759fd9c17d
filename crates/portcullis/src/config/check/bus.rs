//! Checks of `[[event-rule]]` and `[[target]]`.

use super::{Problem, at, leaves_in_clear, members, optional_account, under, unique, web_address};
use crate::config::bus::{RESPOND, RESPONDER, TOPIC_PREFIX, built_in};
use crate::config::problem::choose;
use crate::config::settings::{pattern, topics};
use crate::config::{Config, TargetKind};

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    targets(config, problems);
    unique(
        "an event rule",
        config
            .event_rule
            .iter()
            .enumerate()
            .map(|(index, rule)| (at!["event-rule", index, "name"], rule.name.as_str())),
        problems,
    );
    let known: Vec<String> = [RESPONDER.to_owned()]
        .into_iter()
        .chain(topics(config).map(|topic| format!("{TOPIC_PREFIX}{topic}")))
        .chain(config.target.iter().map(|target| target.name.clone()))
        .collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for (index, rule) in config.event_rule.iter().enumerate() {
        let base = at!["event-rule", index];
        let built_in = built_in(&rule.name);
        match &rule.pattern {
            Some(value) => {
                if let Err(wrong) = pattern(value) {
                    problems.push(Problem::error(
                        under(&base, "pattern"),
                        format!("not an event pattern: {wrong}"),
                    ));
                }
            }
            None if built_in.is_none() => problems.push(Problem::error(
                base.clone(),
                "an event rule needs a `pattern`, unless it has the name of a built-in one (tell, respond)",
            )),
            None => {}
        }
        match &rule.targets {
            Some(targets) if targets.is_empty() => problems.push(Problem::warning(
                under(&base, "targets"),
                "what matches goes nowhere",
            )),
            Some(targets) => {
                for (number, target) in targets.iter().enumerate() {
                    if !known.contains(&target.as_str()) {
                        problems.push(
                            Problem::error(
                                at!["event-rule", index, "targets", number],
                                format!("there is no target {target:?}"),
                            )
                            .hint(choose(target, &known)),
                        );
                    }
                }
            }
            None if built_in.is_none() => problems.push(Problem::error(
                base.clone(),
                "an event rule needs `targets`: `responder`, `topic:NAME`, or names of targets",
            )),
            None => {}
        }
        if built_in.is_some() && !rule.enabled {
            problems.push(Problem::warning(
                under(&base, "enabled"),
                match rule.name.as_str() {
                    RESPOND => "nothing is sent to the responder by the built-in rule",
                    _ => "nobody is told by the built-in rule",
                },
            ));
        }
    }
}

fn targets(config: &Config, problems: &mut Vec<Problem>) {
    unique(
        "a target",
        config
            .target
            .iter()
            .enumerate()
            .map(|(index, target)| (at!["target", index, "name"], target.name.as_str())),
        problems,
    );
    let sent_to = |name: &str| {
        let channel = config.delivery_channel.as_ref();
        let by_channel = channel.is_some_and(|channel| channel.topic.as_deref() == Some(name));
        by_channel
            || config
                .event_rule
                .iter()
                .flat_map(|rule| rule.targets.iter().flatten())
                .any(|target| target == name)
    };
    for (index, target) in config.target.iter().enumerate() {
        let base = at!["target", index];
        if target.name == RESPONDER || target.name.starts_with(TOPIC_PREFIX) {
            problems.push(Problem::error(
                under(&base, "name"),
                "this name means something else among the targets of an event rule",
            ));
        } else if !sent_to(&target.name) {
            problems.push(Problem::warning(
                base.clone(),
                format!("no event rule sends anything to {:?}", target.name),
            ));
        }
        let aws: &[&str] = &["sqs", "lambda", "event-bus", "sns"];
        members(
            &base,
            target.kind.as_str(),
            &[
                ("url", target.url.is_some(), &["webhook"]),
                (
                    "signing-keys",
                    !target.signing_keys.is_empty(),
                    &["webhook"],
                ),
                ("queue-url", target.queue_url.is_some(), &["sqs"]),
                ("function", target.function.is_some(), &["lambda"]),
                ("bus", target.bus.is_some(), &["event-bus"]),
                ("topic-arn", target.topic_arn.is_some(), &["sns"]),
                ("account", target.account.is_some(), aws),
                ("region", target.region.is_some(), aws),
                ("endpoint-url", target.endpoint_url.is_some(), aws),
                ("program", target.program.is_some(), &["command"]),
                ("arguments", !target.arguments.is_empty(), &["command"]),
            ],
            match target.kind {
                TargetKind::Webhook => Some("url"),
                TargetKind::Sqs => Some("queue-url"),
                TargetKind::Lambda => Some("function"),
                TargetKind::EventBus => None,
                TargetKind::Sns => Some("topic-arn"),
                TargetKind::Command => Some("program"),
            },
            problems,
        );
        optional_account(config, target.account.as_deref(), &base, problems);
        if let Some(url) = target.url.as_ref().and_then(|url| url.plain()) {
            if let Err(why) = web_address(url) {
                problems.push(Problem::error(under(&base, "url"), why));
            } else if leaves_in_clear(url) {
                problems.push(Problem::error(
                    under(&base, "url"),
                    "events would travel in clear to another machine; use https",
                ));
            }
        }
        for (member, url) in [
            ("queue-url", &target.queue_url),
            ("endpoint-url", &target.endpoint_url),
        ] {
            if let Some(Err(why)) = url.as_deref().map(web_address) {
                problems.push(Problem::error(under(&base, member), why));
            }
        }
        if target
            .program
            .as_ref()
            .is_some_and(|program| !program.is_absolute())
        {
            problems.push(Problem::error(
                under(&base, "program"),
                "a program is given by its absolute path; it is looked for nowhere",
            ));
        }
        if target.timeout.is_some_and(|timeout| timeout.is_zero()) {
            problems.push(Problem::error(
                under(&base, "timeout"),
                "nothing is done in no time",
            ));
        }
    }
}

/// The built-in patterns are patterns; whoever changes them learns it from this test.
#[cfg(test)]
mod tests {
    use compliance::pattern::EventPattern;

    use super::*;
    use crate::config::bus::TELL;

    #[test]
    fn the_built_in_patterns_can_be_read() {
        for name in [TELL, RESPOND] {
            let text = built_in(name).map(|(text, _)| text).unwrap_or_default();
            assert!(EventPattern::parse(text).is_ok(), "{name}");
        }
    }
}
