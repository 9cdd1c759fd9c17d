//! Checks of topics, subscriptions, mail, escalation and retries.

use super::{Problem, at, leaves_in_clear, members, optional_account, under, unique, web_address};
use crate::config::notice::DEFAULT_TOPIC;
use crate::config::place::KeyPath;
use crate::config::problem::choose;
use crate::config::settings::topics;
use crate::config::{Config, Mail, Protocol, Security, Subscription};

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    unique(
        "a topic",
        config
            .topic
            .iter()
            .enumerate()
            .map(|(index, topic)| (at!["topic", index, "name"], topic.name.as_str())),
        problems,
    );
    let ids: Vec<String> = config.subscription.iter().map(Subscription::id).collect();
    unique(
        "a subscription",
        ids.iter().enumerate().map(|(index, id)| {
            let given = config.subscription[index].id.is_some();
            let path = at!["subscription", index];
            (if given { under(&path, "id") } else { path }, id.as_str())
        }),
        problems,
    );
    for (index, subscription) in config.subscription.iter().enumerate() {
        one(config, subscription, &at!["subscription", index], problems);
    }
    told(config, problems);
    if let Some(mail) = &config.mail {
        self::mail(mail, problems);
    }
    escalation(config, problems);
    reminders(config, problems);
    let retries = &config.retries;
    if retries.first.is_zero() || retries.longest < retries.first {
        problems.push(Problem::error(
            at!["retries"],
            "`first` is more than nothing, and `longest` is not shorter",
        ));
    }
}

/// Whether anybody hears of anything.
fn told(config: &Config, problems: &mut Vec<Problem>) {
    if config.subscription.is_empty() {
        problems.push(
            Problem::warning(
                at![],
                "nobody is told of anything: there is no [[subscription]]",
            )
            .hint("findings are shown by `portcullis findings list`"),
        );
        return;
    }
    let silent = |topic: &str| config.subscription.iter().all(|own| own.topic != topic);
    for (index, topic) in config.topic.iter().enumerate() {
        if silent(&topic.name) {
            problems.push(Problem::warning(
                at!["topic", index],
                format!("nobody has subscribed to topic {:?}", topic.name),
            ));
        }
    }
    let listed = config.topic.iter().any(|topic| topic.name == DEFAULT_TOPIC);
    if silent(DEFAULT_TOPIC) && !listed {
        problems.push(Problem::warning(
            at![],
            format!(
                "nobody has subscribed to topic {DEFAULT_TOPIC:?}, which the built-in event rule \
                 tells of everything"
            ),
        ));
    }
}

fn one(config: &Config, own: &Subscription, base: &KeyPath, problems: &mut Vec<Problem>) {
    let known: Vec<&str> = topics(config).collect();
    if !known.contains(&own.topic.as_str()) {
        problems.push(
            Problem::error(
                under(base, "topic"),
                format!("there is no topic {:?}", own.topic),
            )
            .hint(choose(&own.topic, &known)),
        );
    }
    let protocol = compliance::notice::Protocol::from(own.protocol).as_str();
    members(
        base,
        protocol,
        &[
            (
                "signing-keys",
                !own.signing_keys.is_empty(),
                &["webhook", "sns-webhook"],
            ),
            ("account", own.account.is_some(), &["sns"]),
            (
                "message",
                own.message != Default::default(),
                &["sns-webhook", "sns"],
            ),
        ],
        None,
        problems,
    );
    optional_account(config, own.account.as_deref(), base, problems);
    endpoint(config, own, base, problems);
    if own.digest.is_some_and(|digest| digest.0.as_secs() < 60) {
        problems.push(Problem::error(
            under(base, "digest"),
            "a digest collects for a minute or more; leave it out to be told at once",
        ));
    }
    if let Some(quiet) = &own.quiet_hours
        && quiet.from == quiet.to
        && quiet.days.is_empty()
    {
        problems.push(Problem::error(
            under(base, "quiet-hours"),
            "every hour of the week would be quiet",
        ));
    }
    for (index, wanted) in own.filter.accounts.iter().enumerate() {
        let pattern = wanted.pattern();
        let fits = config
            .account
            .iter()
            .any(|account| pattern.matches(&account.id) || pattern.matches(account.label()));
        if !fits {
            let mut path = under(&under(base, "filter"), "accounts");
            path.0.push(index.into());
            problems.push(Problem::error(
                path,
                format!("no account that is watched is called {:?}", wanted.0),
            ));
        }
    }
}

fn endpoint(config: &Config, own: &Subscription, base: &KeyPath, problems: &mut Vec<Problem>) {
    let path = || under(base, "endpoint");
    if own.protocol == Protocol::Email {
        if config.mail.is_none() {
            problems.push(
                Problem::error(base.clone(), "a mail needs a server that takes it")
                    .hint("add a [mail] section with `server` and `from`"),
            );
        }
        if !own.confirmed && config.server.base_url.is_none() {
            problems.push(
                Problem::warning(
                    base.clone(),
                    "without [server] `base-url` no mail can carry a link to confirm",
                )
                .hint(format!(
                    "once its receiver agrees: `portcullis subscriptions confirm {}`, or confirmed = true",
                    own.id()
                )),
            );
        }
    }
    let Some(text) = own.endpoint.plain() else {
        return;
    };
    match own.protocol {
        Protocol::Email => {
            if !is_mailbox(text) {
                problems.push(Problem::error(path(), "this is not a mail address"));
            }
        }
        Protocol::Slack | Protocol::Chat => problems.push(
            Problem::error(
                path(),
                "whoever has this address can write to the chat, so it does not stand in the file",
            )
            .hint("give it as `env:NAME` or `file:PATH`"),
        ),
        Protocol::Webhook | Protocol::SnsWebhook => {
            if let Err(why) = web_address(text) {
                problems.push(Problem::error(path(), why));
            } else if leaves_in_clear(text) {
                problems.push(Problem::error(
                    path(),
                    "notices would travel in clear to another machine; use https",
                ));
            }
        }
        Protocol::Sns => {
            let parts: Vec<&str> = text.split(':').collect();
            if parts.len() != 6 || parts[0] != "arn" || parts[2] != "sns" {
                problems.push(Problem::error(
                    path(),
                    "this is not the ARN of an SNS topic",
                ));
            }
        }
    }
}

/// Whether it can be a mailbox. The mail server has the last word.
fn is_mailbox(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && text.len() <= 254
            && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c))
    })
}

/// The address in `Name <address>`, or the whole.
pub(crate) fn address(sender: &str) -> &str {
    match sender
        .trim()
        .strip_suffix('>')
        .and_then(|rest| rest.rsplit_once('<'))
    {
        Some((_, address)) => address,
        None => sender.trim(),
    }
}

fn mail(mail: &Mail, problems: &mut Vec<Problem>) {
    for (member, text) in [
        ("from", Some(&mail.from)),
        ("reply-to", mail.reply_to.as_ref()),
    ] {
        if text.is_some_and(|text| !is_mailbox(address(text))) {
            problems.push(Problem::error(
                at!["mail", member],
                "this is neither a mail address nor `Name <address>`",
            ));
        }
    }
    if mail.server.is_empty() || mail.server.contains(['/', '@', ' ']) {
        problems.push(
            Problem::error(at!["mail", "server"], "a server is a name or an address, nothing else")
                .hint("the port goes to `port`, TLS to `security`, the login to `username` and `password`"),
        );
    }
    match (&mail.username, &mail.password) {
        (Some(_), None) => problems.push(Problem::error(
            at!["mail", "username"],
            "a login needs a `password` as well",
        )),
        (None, Some(_)) => problems.push(Problem::error(
            at!["mail", "password"],
            "a login needs a `username` as well",
        )),
        _ => {}
    }
    if mail.security == Security::None && !super::is_loopback(&mail.server) {
        problems.push(Problem::error(
            at!["mail", "security"],
            "notices must not travel in clear to another machine: use \"starttls\" or \"implicit\"",
        ));
    }
    if mail.timeout.is_zero() {
        problems.push(Problem::error(
            at!["mail", "timeout"],
            "nothing is sent in no time",
        ));
    }
}

fn reminders(config: &Config, problems: &mut Vec<Problem>) {
    let known: Vec<&str> = topics(config).collect();
    let reminders = &config.reminders;
    for (index, topic) in reminders.topics.iter().enumerate() {
        if !known.contains(&topic.as_str()) {
            problems.push(
                Problem::error(
                    at!["reminders", "topics", index],
                    format!("there is no topic {topic:?}"),
                )
                .hint(choose(topic, &known)),
            );
        }
    }
    if reminders.topics.is_empty() {
        problems.push(Problem::warning(
            at!["reminders", "topics"],
            "nobody is told when an account is not watched any more",
        ));
    }
    for (index, before) in reminders.exceptions_end.iter().enumerate() {
        if before.is_zero() {
            problems.push(Problem::error(
                at!["reminders", "exceptions-end", index],
                "that is when it has ended, of which people are told anyhow",
            ));
        }
    }
    if reminders
        .silent_after
        .is_some_and(|most| most.0.as_secs() < 300)
    {
        problems.push(Problem::error(
            at!["reminders", "silent-after"],
            "it is looked every five minutes; give 5m or more",
        ));
    }
    if reminders.sweeps_missed == 0 {
        problems.push(Problem::error(
            at!["reminders", "sweeps-missed"],
            "a sweep that has not come to its end yet is not missed; give 1 or more",
        ));
    }
}

fn escalation(config: &Config, problems: &mut Vec<Problem>) {
    let known: Vec<&str> = topics(config).collect();
    for (index, step) in config.escalation.steps.iter().enumerate() {
        for (number, topic) in step.topics.iter().enumerate() {
            if !known.contains(&topic.as_str()) {
                problems.push(
                    Problem::error(
                        at!["escalation", "steps", index, "topics", number],
                        format!("there is no topic {topic:?}"),
                    )
                    .hint(choose(topic, &known)),
                );
            }
        }
        if step.topics.is_empty() {
            problems.push(Problem::error(
                at!["escalation", "steps", index, "topics"],
                "this step tells nobody",
            ));
        }
        if step.after.is_zero() {
            problems.push(Problem::error(
                at!["escalation", "steps", index, "after"],
                "the contact before needs some time to answer",
            ));
        }
    }
    if let Some(pause) = config.escalation.repeat_last {
        if config.escalation.steps.is_empty() {
            problems.push(Problem::error(
                at!["escalation", "repeat-last"],
                "there is no step to repeat",
            ));
        }
        if pause.0.as_secs() < 60 {
            problems.push(Problem::error(
                at!["escalation", "repeat-last"],
                "a repetition within a minute is a flood",
            ));
        }
    }
}
