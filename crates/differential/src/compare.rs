//! The comparison: every configuration, every request, their answer and ours.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use policy::action::{AccessClass, ActionTable};
use policy::bucket::Acl;
use policy::public::{Verdict, Witness, judge};
use policy::request::Caller;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::configuration::Configuration;
use crate::decision::{Outcome, Situation, decide};
use crate::difference::{Difference, of, refusals_of};
use crate::probe::{self, PUBLIC_ADDRESS, Probe};
use crate::store::{NotInstalled, Store};

/// How many buckets are worked on at once.
const CONCURRENCY: usize = 8;

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Report {
    /// Configurations that the store holds.
    pub installed: usize,
    /// Answers that were compared.
    pub answers: usize,
    /// Answers that let the caller in.
    pub allowed: usize,
    /// Requests on which a statement that is not understood has a say.
    pub undecided: usize,
    /// Answers that a difference changes, by its name.
    pub differences: BTreeMap<&'static str, usize>,
    /// Configurations that the store refused, by the name of the refusal.
    pub refusals: BTreeMap<&'static str, usize>,
    /// Classes of access that the verdict calls open to unsigned callers, and that an answer showed.
    pub shown_open: usize,
    /// The same that a difference of the store hides: a request that was sent ought to be let in.
    pub hidden_open: usize,
    /// The same that only requests can show that cannot be sent here: over TLS, from a VPC, later, …
    pub out_of_reach_open: usize,
    /// What nothing explains, each for people.
    pub unexplained: Vec<String>,
}

impl Report {
    fn add(&mut self, other: Report) {
        self.installed += other.installed;
        self.answers += other.answers;
        self.allowed += other.allowed;
        self.undecided += other.undecided;
        self.shown_open += other.shown_open;
        for (name, count) in other.differences {
            *self.differences.entry(name).or_default() += count;
        }
        for (name, count) in other.refusals {
            *self.refusals.entry(name).or_default() += count;
        }
        self.hidden_open += other.hidden_open;
        self.out_of_reach_open += other.out_of_reach_open;
        self.unexplained.extend(other.unexplained);
    }

    /// The differences and refusals of the store that changed nothing.
    pub fn unused(&self, store: &Store) -> Vec<&'static str> {
        let differences = of(store.kind).iter().map(|d| d.name);
        let refusals = refusals_of(store.kind).iter().map(|r| r.name);
        differences
            .filter(|name| !self.differences.contains_key(name))
            .chain(refusals.filter(|name| !self.refusals.contains_key(name)))
            .collect()
    }

    /// What was done, for the log.
    pub fn summary(&self) -> String {
        let mut text = format!(
            "{} configurations, {} answers ({} let the caller in), {} requests undecided; \
             open to unsigned callers: {} shown, {} hidden by a difference, {} out of reach\n",
            self.installed,
            self.answers,
            self.allowed,
            self.undecided,
            self.shown_open,
            self.hidden_open,
            self.out_of_reach_open,
        );
        for (name, count) in self.differences.iter().chain(&self.refusals) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{count:>8}  {name}");
        }
        text
    }
}

/// Installs every configuration and asks everything.
///
/// # Errors
///
/// If a worker panicked.
pub async fn compare(
    store: &Arc<Store>,
    configurations: Vec<Configuration>,
) -> Result<Report, String> {
    let places = Arc::new(Semaphore::new(CONCURRENCY));
    let run = Timestamp::now().as_microsecond();
    let mut tasks = JoinSet::new();
    for (at, configuration) in configurations.into_iter().enumerate() {
        let store = Arc::clone(store);
        let places = Arc::clone(&places);
        tasks.spawn(async move {
            let _place = places.acquire().await;
            let name = format!("differential-{run}-{at}");
            let report = one(&store, &name, &configuration).await;
            store.remove(&name).await;
            report
        });
    }
    let mut report = Report::default();
    while let Some(one) = tasks.join_next().await {
        report.add(one.map_err(|error| error.to_string())?);
    }
    report.unexplained.sort();
    Ok(report)
}

/// Whether a class that the verdict calls open to unsigned callers was seen to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    /// No request that was sent ought to be let in.
    Nowhere,
    /// One ought to be, but was not.
    OnPaper,
    /// One was let in.
    Answered,
}

async fn one(store: &Store, name: &str, configuration: &Configuration) -> Report {
    let mut report = Report::default();
    let now = Timestamp::now();
    let bucket = match configuration.bucket(name, now) {
        Ok(bucket) => bucket,
        Err(error) => {
            report.unexplained.push(error);
            return report;
        }
    };
    let verdict = judge(&bucket);
    let Some(policy_is_public) = verdict.aws_is_public else {
        report.undecided += 1;
        return report;
    };
    let policy = bucket.policy.present();
    let witnesses = sendable_witnesses(&verdict, name, store);
    let keys: Vec<String> = witnesses.iter().filter_map(|p| p.key.clone()).collect();
    if let Err(refused) = store.install(name, configuration, &keys).await {
        report.refused(store, configuration, &refused);
        return report;
    }
    report.installed = 1;
    let mut probes = probe::probes(policy, store.fixed_source());
    let last = probes
        .iter()
        .position(|probe| probe.changes_configuration)
        .unwrap_or(probes.len());
    probes.splice(last..last, witnesses);

    let situation = |probe: &Probe| Situation {
        request: probe.request(name, now),
        policy: policy.cloned(),
        bucket_acl: bucket.acl.present().cloned().unwrap_or_default(),
        object_acl: probe.object_acl(),
        block: configuration.block,
        policy_is_public,
        ownership: configuration.ownership,
        owner_only_enforced: true,
        more_by_bucket_acl: &[],
        deny_overrides_acls: true,
        refused_outright: false,
    };
    for witness in anonymous_witnesses(&verdict) {
        let mut situation = situation(&probes[0]);
        situation.request = witness.request.clone();
        situation.object_acl = Acl::default();
        if decide(&situation) != Outcome::Allowed {
            report.unexplained.push(format!(
                "{}: the witness {:?} is refused\n  {}",
                configuration.id,
                witness.request,
                shown_configuration(configuration),
            ));
        }
    }
    let mut shown = [Shown::Nowhere; 2];
    for probe in &probes {
        let observed = store.ask(name, probe).await;
        let situation = situation(probe);
        let documented = decide(&situation);
        report.answer(
            store,
            configuration,
            probe,
            &situation,
            documented,
            observed.as_ref(),
        );
        let class = class_of(probe);
        // The objects' own ACLs are outside the verdict about a bucket.
        if probe.object_acl().grants.is_empty() {
            let from_outside = decide(&from_public_address(situation));
            if from_outside == Outcome::Allowed && literal(&verdict, class) == Some(false) {
                report.unexplained.push(format!(
                    "{}: the verdict says that no unsigned request can {}, but {probe} is allowed\n  {}",
                    configuration.id,
                    class.as_str(),
                    shown_configuration(configuration),
                ));
            }
            let shown = &mut shown[usize::from(class == AccessClass::Write)];
            if observed == Ok(Outcome::Allowed) {
                *shown = Shown::Answered;
            } else if documented == Outcome::Allowed {
                *shown = (*shown).max(Shown::OnPaper);
            }
        }
    }
    for (class, shown) in [AccessClass::Read, AccessClass::Write]
        .into_iter()
        .zip(shown)
    {
        if literal(&verdict, class) != Some(true) {
            continue;
        }
        match shown {
            Shown::Answered => report.shown_open += 1,
            Shown::OnPaper => report.hidden_open += 1,
            Shown::Nowhere => report.out_of_reach_open += 1,
        }
    }
    report
}

impl Report {
    fn refused(&mut self, store: &Store, configuration: &Configuration, refused: &NotInstalled) {
        let known = refusals_of(store.kind)
            .iter()
            .find(|refusal| refusal.explains(configuration, refused));
        match known {
            Some(refusal) => *self.refusals.entry(refusal.name).or_default() += 1,
            None => self.unexplained.push(format!(
                "{}: not installed: {:?}: {}\n  {}",
                configuration.id,
                refused.step,
                refused.code,
                shown_configuration(configuration),
            )),
        }
    }

    fn answer(
        &mut self,
        store: &Store,
        configuration: &Configuration,
        probe: &Probe,
        situation: &Situation,
        documented: Outcome,
        observed: Result<&Outcome, &String>,
    ) {
        let differences = of(store.kind);
        let modelled = with_differences(situation, differences, None);
        if documented == Outcome::Undecided || modelled == Outcome::Undecided {
            self.undecided += 1;
            return;
        }
        self.answers += 1;
        if observed == Ok(&Outcome::Allowed) {
            self.allowed += 1;
        }
        if observed != Ok(&modelled) {
            let observed = match observed {
                Ok(outcome) => format!("{outcome:?}"),
                Err(strange) => strange.clone(),
            };
            self.unexplained.push(format!(
                "{}: {probe}: documented {documented:?}, with the known differences {modelled:?}, \
                 answered {observed}\n  {}",
                configuration.id,
                shown_configuration(configuration),
            ));
            return;
        }
        for difference in differences {
            if with_differences(situation, differences, Some(difference.name)) != modelled {
                *self.differences.entry(difference.name).or_default() += 1;
            }
        }
    }
}

/// Our decision once the differences, but for one, have changed the situation.
fn with_differences(
    situation: &Situation,
    differences: &[Difference],
    but_for: Option<&str>,
) -> Outcome {
    let mut situation = situation.clone();
    for difference in differences {
        if Some(difference.name) != but_for {
            (difference.apply)(&mut situation);
        }
    }
    decide(&situation)
}

/// The same request from a public address, if it came from one that is not: the verdict is about
/// callers on the internet.
fn from_public_address(mut situation: Situation) -> Situation {
    let source = situation.request.context.get("aws:sourceip");
    let source = source.and_then(|values| values.first()?.parse::<IpAddr>().ok());
    let public = match source {
        Some(IpAddr::V4(a)) => !(a.is_private() || a.is_loopback() || a.is_multicast()),
        Some(IpAddr::V6(a)) => !(a.is_loopback() || a.is_multicast()),
        None => true,
    };
    if !public {
        let context = &mut situation.request.context;
        context.set("aws:SourceIp", vec![PUBLIC_ADDRESS.to_string()]);
    }
    situation
}

fn literal(verdict: &Verdict, class: AccessClass) -> Option<bool> {
    match class {
        AccessClass::Read => verdict.literal.anonymous_read,
        AccessClass::Write => verdict.literal.anonymous_write,
    }
}

fn class_of(probe: &Probe) -> AccessClass {
    let table = ActionTable::get();
    table
        .index_of(probe.action)
        .map_or(AccessClass::Read, |index| table.action(index).class())
}

/// The verdict's unsigned witnesses.
fn anonymous_witnesses(verdict: &Verdict) -> impl Iterator<Item = &Witness> {
    [&verdict.read, &verdict.write]
        .into_iter()
        .flat_map(|access| [&access.policy, &access.acl])
        .filter_map(|answer| answer.witness())
        .filter(|witness| witness.request.caller == Caller::Anonymous)
}

/// The same as requests that can be sent to this store.
fn sendable_witnesses(verdict: &Verdict, name: &str, store: &Store) -> Vec<Probe> {
    anonymous_witnesses(verdict)
        .filter(|witness| witness.from.is_none())
        .filter_map(|witness| Probe::of(&witness.request, name, store.fixed_source()))
        .collect()
}

fn shown_configuration(configuration: &Configuration) -> String {
    let grants: Vec<String> = configuration
        .grants
        .iter()
        .map(|grant| format!("{:?} {}", grant.grantee, grant.permission.as_str()))
        .collect();
    format!(
        "policy {}; grants [{}]; {:?}; {}",
        configuration
            .policy
            .as_ref()
            .map_or("none".to_owned(), ToString::to_string),
        grants.join(", "),
        configuration.block,
        configuration.ownership.as_str(),
    )
}
