//! From the configuration file to the guard's own settings. Pure: what files and the environment hold is
//! handed in.

use compliance::delivery_channel::KeyPrefix;
use compliance::exceptions::{ExceptionEntry, Exceptions, ExceptionsError};
use compliance::notice::{
    Endpoint, Filter, Ladder, LadderStep, QuietHours, RetrySchedule,
    Subscription as GuardSubscription,
};
use compliance::pattern::{EventPattern, PatternError};
use compliance::remediation::RemediationOptions;
use compliance::rules::configured::RuleSet;
use guard::event_rules::{EventRule, EventRules, RuleTarget};
use guard::history::DeliveryChannel;
use guard::record::Recorder;
use guard::responder::{CircuitBreaker, EnforcementScope, LoopGuard, ResponderSettings};
use guard::run::RunSettings;
use guard::watch::{Intervals, Reminders, Settings};
use jiff::SignedDuration;
use policy::pattern::{Pattern, Reading};

use super::bus::{RESPOND, TELL, built_in};
use super::notice::DEFAULT_TOPIC;
use super::place::at;
use super::problem::Problem;
use super::value::{PatternValue, Wildcard};
use super::{Account, Config, DeliveryChannel as Channel, Scope, SecretRef, Subscription, Text};

/// Reads a secret. The error says why it cannot be read, never what it is.
pub(crate) type ReadSecret<'a> = &'a dyn Fn(&SecretRef) -> Result<String, String>;

/// The names of all topics.
pub(crate) fn topics(config: &Config) -> impl Iterator<Item = &str> {
    let configured = config.topic.iter().map(|topic| topic.name.as_str());
    [DEFAULT_TOPIC]
        .into_iter()
        .chain(configured.filter(|name| *name != DEFAULT_TOPIC))
}

/// A pattern as it can be matched.
pub(crate) fn pattern(value: &PatternValue) -> Result<EventPattern, PatternError> {
    match value {
        PatternValue::Table(table) => EventPattern::from_value(table),
        PatternValue::Text(text) => EventPattern::parse(text),
    }
}

/// The event rules that are switched on: the built-in ones as far as none of the same name replaces
/// them, then the others in their order.
pub(crate) fn event_rules(config: &Config) -> Result<EventRules, Problem> {
    let mut rules = Vec::new();
    for name in [TELL, RESPOND] {
        if config.event_rule.iter().all(|own| own.name != name) {
            rules.push(event_rule(config, name, None)?);
        }
    }
    for (index, own) in config.event_rule.iter().enumerate() {
        if own.enabled {
            rules.push(event_rule(config, &own.name, Some(index))?);
        }
    }
    Ok(EventRules::new(rules))
}

fn event_rule(config: &Config, name: &str, index: Option<usize>) -> Result<EventRule, Problem> {
    let own = index.and_then(|index| config.event_rule.get(index));
    let built_in = built_in(name);
    let place = at!["event-rule", index.unwrap_or(0)];
    let wrong = |wrong: PatternError| Problem::error(place.clone(), wrong.to_string());
    let pattern = match (own.and_then(|own| own.pattern.as_ref()), &built_in) {
        (Some(value), _) => pattern(value).map_err(wrong)?,
        (None, Some((text, _))) => EventPattern::parse(text).map_err(wrong)?,
        (None, None) => {
            return Err(Problem::error(place, "an event rule needs a `pattern`"));
        }
    };
    let targets = own
        .and_then(|own| own.targets.clone())
        .or(built_in.map(|(_, targets)| targets))
        .unwrap_or_default();
    Ok(EventRule {
        name: name.to_owned(),
        pattern,
        targets: targets
            .iter()
            .map(|target| RuleTarget::parse(target))
            .collect(),
    })
}

/// Where the responder may act, and what holds it back.
pub(crate) fn responder(config: &Config) -> ResponderSettings {
    let enforcement = &config.enforcement;
    ResponderSettings {
        scopes: enforcement
            .scope
            .iter()
            .map(|own| scope(config, own))
            .collect(),
        breaker: CircuitBreaker {
            buckets_per_hour: enforcement.breaker.buckets_per_hour,
            share_of_estate: enforcement.breaker.share,
            at_least: enforcement.breaker.at_least,
        },
        loop_guard: LoopGuard {
            times: enforcement.loop_guard.times,
            within: enforcement.loop_guard.within.0,
        },
    }
}

fn scope(config: &Config, own: &Scope) -> EnforcementScope {
    let patterns =
        |list: &[Wildcard]| -> Vec<Pattern> { list.iter().map(Wildcard::pattern).collect() };
    // As ids as well: the guard does not know labels. What fits no account stays and matches none;
    // an empty list would match all.
    let accounts = patterns(&own.accounts)
        .into_iter()
        .chain(
            accounts_called(config, &own.accounts)
                .map(|id| Pattern::new(id, Reading::Literal, false)),
        )
        .collect();
    EnforcementScope {
        name: own.name.clone(),
        accounts,
        regions: patterns(&own.regions),
        buckets: patterns(&own.buckets),
        tag: own.tag.as_ref().map(|tag| match tag.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (tag.clone(), None),
        }),
        enabled: own.enabled,
        options: RemediationOptions {
            acl: own.acl.into(),
            policy: own.policy.into(),
            objects: own.objects.into(),
        },
        grace: own.grace.0,
    }
}

/// The ids of the accounts whose id or label fits one of the patterns; without a pattern none, which
/// everywhere means all.
fn accounts_called<'a>(
    config: &'a Config,
    wanted: &'a [Wildcard],
) -> impl Iterator<Item = &'a str> {
    let patterns: Vec<Pattern> = wanted.iter().map(Wildcard::pattern).collect();
    config
        .account
        .iter()
        .filter(move |account| {
            patterns
                .iter()
                .any(|one| one.matches(&account.id) || one.matches(account.label()))
        })
        .map(|account| account.id.as_str())
}

/// What is recorded.
pub(crate) fn recorder(config: &Config) -> Recorder {
    let own = &config.recorder;
    let names = |list: &'_ [Wildcard]| list.iter().map(|one| one.0.clone()).collect::<Vec<_>>();
    let (buckets, excluded) = (names(&own.buckets), names(&own.exclude_buckets));
    let mut recorder = Recorder::everything()
        .with_buckets(buckets.iter().map(String::as_str))
        .without_buckets(excluded.iter().map(String::as_str))
        .with_sampled_objects(own.sample_objects);
    if let Some(types) = &own.types {
        recorder = recorder.with_types(types.iter().map(|one| one.0.to_owned()));
    }
    if let Some(parts) = &own.parts {
        recorder = recorder.with_parts(parts.iter().map(|one| one.0));
    }
    recorder
}

/// Who is told. An address that is a secret is read.
pub(crate) fn subscriptions(
    config: &Config,
    read: ReadSecret<'_>,
) -> Result<Vec<GuardSubscription>, Problem> {
    config
        .subscription
        .iter()
        .enumerate()
        .map(|(index, own)| {
            let address = text(&own.endpoint, read)
                .map_err(|why| Problem::error(at!["subscription", index, "endpoint"], why))?;
            Ok(subscription(own, &address))
        })
        .collect()
}

fn subscription(own: &Subscription, address: &str) -> GuardSubscription {
    GuardSubscription {
        id: own.id(),
        topic: own.topic.clone(),
        protocol: own.protocol.into(),
        endpoint: Endpoint::new(address),
        confirmed: own.confirmed || own.protocol != super::Protocol::Email,
        filter: Filter {
            accounts: own
                .filter
                .accounts
                .iter()
                .map(|one| one.0.clone())
                .collect(),
            severity: own.filter.severity.map(|severity| severity.0),
            kinds: own.filter.kinds.iter().map(|kind| kind.0).collect(),
        },
        digest: own.digest.map(|digest| digest.0),
        quiet_hours: own.quiet_hours.as_ref().map(|quiet| QuietHours {
            from: quiet.from.0,
            to: quiet.to.0,
            zone: quiet.zone.0.clone(),
            days: quiet.days.iter().map(|day| day.0).collect(),
            except: quiet.except.map(|severity| severity.0),
        }),
    }
}

/// A text that may be elsewhere.
pub(crate) fn text(text: &Text, read: ReadSecret<'_>) -> Result<String, String> {
    match text {
        Text::Plain(text) => Ok(text.clone()),
        Text::Secret(reference) => read(reference),
    }
}

/// Who is asked next.
pub(crate) fn ladder(config: &Config) -> Ladder {
    let own = &config.escalation;
    Ladder {
        steps: own
            .steps
            .iter()
            .map(|step| LadderStep {
                after: step.after.0,
                topics: step.topics.clone(),
            })
            .collect(),
        repeat_last: own.repeat_last.map(|pause| pause.0),
    }
}

/// The exceptions of the file and of another one. An account's label stands for its id.
pub(crate) fn exceptions(
    config: &Config,
    further: Vec<ExceptionEntry>,
) -> Result<Exceptions, ExceptionsError> {
    let own = config.exception.iter().map(ExceptionEntry::from);
    let entries = own.chain(further).map(|mut entry| {
        let called = |name: &String| {
            config
                .account
                .iter()
                .find(|account| account.is_called(name))
        };
        if let Some(account) = entry.account.as_ref().and_then(called) {
            entry.account = Some(account.id.clone());
        }
        entry
    });
    Exceptions::new(entries.collect())
}

/// Where history and snapshots go.
fn delivery_channel(config: &Config) -> Result<Option<DeliveryChannel>, Problem> {
    let Some(channel) = &config.delivery_channel else {
        return Ok(None);
    };
    let prefix = channel.prefix.as_deref().unwrap_or_default();
    let prefix = KeyPrefix::parse(prefix)
        .map_err(|wrong| Problem::error(at!["delivery-channel", "prefix"], wrong.to_string()))?;
    Ok(Some(DeliveryChannel {
        prefix,
        history_every: Some(channel.history_interval.0),
        snapshot_every: Some(channel.snapshot_interval.0),
        announce: channel.topic.iter().cloned().collect(),
        ..DeliveryChannel::to(
            delivering_account(config, channel).map_or("", |own| own.id.as_str()),
            &channel.bucket,
        )
    }))
}

/// The account whose credentials put delivered files.
pub(crate) fn delivering_account<'a>(config: &'a Config, channel: &Channel) -> Option<&'a Account> {
    let named = channel.account.as_ref();
    let puts = |own: &&Account| named.is_none_or(|name| own.is_called(name));
    config.account.iter().find(puts)
}

/// The guard's settings.
pub(crate) fn settings(
    config: &Config,
    rules: RuleSet,
    exceptions: Exceptions,
    read: ReadSecret<'_>,
) -> Result<Settings, Problem> {
    let retries = &config.retries;
    Ok(Settings {
        rules,
        exceptions,
        tags_except: config.allow_tag_exceptions,
        responder: responder(config),
        event_rules: event_rules(config)?,
        subscriptions: subscriptions(config, read)?,
        ladder: ladder(config),
        retries: RetrySchedule {
            first: retries.first.0,
            longest: retries.longest.0,
            horizon: retries.give_up_after.0,
            at_least: retries.at_least,
        },
        base_url: config.server.base_url.clone(),
        recorder: recorder(config),
        reminders: Reminders {
            topics: config.reminders.topics.clone(),
            exceptions_end: config
                .reminders
                .exceptions_end
                .iter()
                .map(|own| own.0)
                .collect(),
            silent_after: config.reminders.silent_after.map(|own| own.0),
            sweeps_missed: config.reminders.sweeps_missed,
        },
        delivery_channel: delivery_channel(config)?,
        change_stream: config
            .delivery_channel
            .iter()
            .filter_map(|channel| channel.topic.clone())
            .collect(),
        sweep_every: config.recorder.sweep_interval.0,
        record_every: config.recorder.record_interval.0,
        intervals: config
            .account
            .iter()
            .map(|own| {
                let intervals = Intervals {
                    sweep: own.sweep_interval.map(|every| every.0),
                    record: own.record_interval.map(|every| every.0),
                };
                (own.id.clone(), intervals)
            })
            .collect(),
        sweep_concurrency: usize::from(config.recorder.concurrency),
        undecided_after: config.recorder.undecided_after.0,
    })
}

/// How the loops run.
pub(crate) fn run_settings(config: &Config, worker: String) -> RunSettings {
    let work = &config.work;
    RunSettings {
        worker: work.name.clone().unwrap_or(worker),
        lease: work.lease.unsigned(),
        poll: POLL,
        looks: usize::from(work.looks),
        deliveries: usize::from(work.deliveries),
        sweeps: usize::from(work.sweeps),
        keep_for: SignedDuration::from_secs(config.store.keep.0.as_secs()),
    }
}

/// How long a worker waits at most before it asks for work by itself; normally it is told.
const POLL: std::time::Duration = std::time::Duration::from_secs(2);
