//! What the responder does about an open bucket: leave it, wait, hold back, or act by a plan.
//!
//! Pure: [`respond`] looks at what is known and says what is to be done now. Enforcement is off
//! until a scope covers the bucket; then an exception, a grace period, a stop of all enforcement, the
//! circuit breaker and the loop guard are looked at in this order.

use std::fmt;
use std::time::Duration;

use compliance::assessment::Assessment;
use compliance::item::ConfigurationItem;
use compliance::remediation::{Note, RemediationOptions, RemediationPlan, plan};
use jiff::{SignedDuration, Timestamp};
use policy::bucket::Bucket;
use policy::pattern::Pattern;

use crate::journal::{Change, same_changes};
use crate::remediate::changes;
use crate::state::{EnforcementStop, Exposure, Finding, FindingState};
use crate::tell::closes;
use crate::work::{backoff, later};

/// Where enforcement is on, and what it may do there.
#[derive(Clone, Debug)]
pub struct EnforcementScope {
    /// Its name in the configuration.
    pub name: String,
    /// Accounts; empty: all.
    pub accounts: Vec<Pattern>,
    /// Regions; empty: all.
    pub regions: Vec<Pattern>,
    /// Names of buckets; empty: all.
    pub buckets: Vec<Pattern>,
    /// A tag that the bucket must have: its key, and its value unless any will do.
    pub tag: Option<(String, Option<String>)>,
    /// `false` takes what it covers out of the scopes behind it.
    pub enabled: bool,
    /// What may be done.
    pub options: RemediationOptions,
    /// How long after it was seen a bucket stays open before it is closed, with a notice first.
    pub grace: SignedDuration,
}

impl EnforcementScope {
    /// Whether it covers a resource.
    pub fn covers(&self, item: &ConfigurationItem) -> bool {
        let one_of = |patterns: &[Pattern], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
        };
        let tagged = self.tag.as_ref().is_none_or(|(key, value)| {
            item.tags
                .get(key)
                .is_some_and(|is| value.as_ref().is_none_or(|wanted| wanted == is))
        });
        tagged
            && one_of(&self.accounts, &item.key.account)
            && one_of(&self.regions, &item.key.region)
            && one_of(&self.buckets, &item.key.resource_id)
    }
}

/// Stops enforcement in an account when it changes suspiciously much there: a wrong configuration of ours, or an
/// attack that uses us.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CircuitBreaker {
    /// More buckets changed in an hour than this.
    pub buckets_per_hour: u32,
    /// Or more than this share of the account's buckets (0 to 1), once `at_least` were changed.
    pub share_of_estate: f64,
    /// How many changes the share needs to count.
    pub at_least: u32,
}

impl Default for CircuitBreaker {
    fn default() -> CircuitBreaker {
        CircuitBreaker {
            buckets_per_hour: 50,
            share_of_estate: 0.2,
            at_least: 10,
        }
    }
}

/// Holds back where somebody opens again what was closed: two robots must not fight over a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopGuard {
    /// Closed so often …
    pub times: u32,
    /// … within this time.
    pub within: SignedDuration,
}

impl Default for LoopGuard {
    fn default() -> LoopGuard {
        LoopGuard {
            times: 3,
            within: SignedDuration::from_hours(1),
        }
    }
}

/// How the responder is set.
#[derive(Clone, Debug, Default)]
pub struct ResponderSettings {
    /// The scopes, in order: the first that covers a bucket decides.
    pub scopes: Vec<EnforcementScope>,
    /// The circuit breaker.
    pub breaker: CircuitBreaker,
    /// The loop guard.
    pub loop_guard: LoopGuard,
}

impl ResponderSettings {
    /// The scope by which a resource is closed, if enforcement is on for it.
    pub fn scope_of(&self, item: &ConfigurationItem) -> Option<&EnforcementScope> {
        let scope = self.scopes.iter().find(|scope| scope.covers(item));
        scope.filter(|scope| scope.enabled)
    }
}

/// What the responder did before.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Buckets of the account that were written to in the last hour, this one not counted.
    pub others_in_last_hour: u32,
    /// Buckets of the account; 0: it was not swept yet.
    pub estate: u64,
    /// When this bucket was written to, in order.
    pub on_bucket: Vec<Timestamp>,
    /// What failed on this bucket last, if nothing was done since.
    pub failed: Option<Failed>,
    /// The remediation of this bucket that was taken back last, and when, if none was made since.
    pub taken_back: Option<(String, Timestamp)>,
    /// Whether enforcement is stopped everywhere.
    pub stop: Option<EnforcementStop>,
    /// Whether it is stopped in the bucket's account.
    pub account_stop: Option<EnforcementStop>,
}

/// A remediation that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What it was to change.
    pub changes: Vec<Change>,
    /// How often the same failed in a row.
    pub times: u32,
    /// When it failed last.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// So often the same is tried with growing pauses …
const TRIES: u32 = 14;
/// … which end here …
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// … and then no more before this.
const RESIGNED_FOR: Duration = Duration::from_secs(24 * 3600);

/// How long after a remediation failed so often it is tried again.
pub(crate) fn pause(times: u32) -> Duration {
    match times {
        TRIES.. => RESIGNED_FOR,
        _ => backoff(times, Duration::from_secs(1), LONGEST_PAUSE),
    }
}

/// What is to be done now.
#[derive(Clone, Debug)]
pub enum Response {
    /// Nothing; people are told by what the findings are.
    Leave(Leave),
    /// Close it at this moment, unless something changes.
    Wait {
        /// When.
        until: Timestamp,
    },
    /// It would be closed, and something speaks against it. People are told.
    Hold {
        /// What.
        why: Hold,
        /// When to look whether it still does.
        again_at: Option<Timestamp>,
    },
    /// Carry out this plan.
    Act(Box<RemediationPlan>),
}

/// Why nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Nothing is open that an event rule sent to the responder.
    NothingSent,
    /// Enforcement is not switched on for the bucket.
    EnforcementOff,
    /// What is open is open on purpose.
    Excepted,
    /// The options allow nothing that would change it: a policy that is only told of.
    NothingAllowed,
}

/// What speaks against an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// All enforcement is stopped.
    Stopped(EnforcementStop),
    /// It is stopped in this account.
    AccountStopped {
        /// The account.
        account: String,
        /// By whom, and why.
        stop: EnforcementStop,
    },
    /// Too many buckets were changed: enforcement is to be stopped in the account.
    CircuitBreaker {
        /// The account.
        account: String,
        /// Buckets changed in an hour, with this one.
        changed: u32,
        /// Buckets of the account.
        estate: u64,
    },
    /// It was closed so often and opened again.
    Loop {
        /// How often, within the loop guard's time.
        times: u32,
    },
    /// The same failed before, and is not tried again yet.
    Failing {
        /// How often.
        times: u32,
        /// Why, the last time.
        why: String,
    },
    /// It is another bucket than the plan was made for each time, or whether enforcement is stopped is
    /// not known each time. It is tried again.
    Unsteady {
        /// Which of both.
        why: String,
    },
    /// Somebody took back the last remediation of it.
    TakenBack {
        /// Which.
        id: String,
        /// When.
        at: Timestamp,
    },
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::Stopped(stop) => write!(
                f,
                "all enforcement was stopped by {} at {} ({}); `portcullis enforcement start` lets it go on",
                stop.by, stop.at, stop.reason
            ),
            Hold::AccountStopped { account, stop } => write!(
                f,
                "enforcement in account {account} was stopped by {} at {} ({}); `portcullis enforcement start --account {account}` lets it go on",
                stop.by, stop.at, stop.reason
            ),
            Hold::CircuitBreaker {
                account,
                changed,
                estate,
            } => {
                write!(f, "the circuit breaker: {changed} ")?;
                if *estate > 0 {
                    write!(f, "of {estate} ")?;
                }
                write!(
                    f,
                    "buckets would have been changed within an hour; enforcement in account {account} is stopped until `portcullis enforcement start --account {account}`"
                )
            }
            Hold::Loop { times } => write!(
                f,
                "it was closed {times} times and opened again each time; find out who or what opens it"
            ),
            Hold::Failing { times, why } if *times >= TRIES => write!(
                f,
                "it failed {times} times, the last time so: {why}; it is tried again in a day, or when what opens the bucket changes"
            ),
            // The failure itself was told in these words: that it is waited is no news.
            Hold::Failing { why, .. } => f.write_str(why),
            Hold::Unsteady { why } => {
                write!(f, "it could not be closed yet, and is tried again: {why}")
            }
            Hold::TakenBack { id, at } => write!(
                f,
                "remediation {id} was taken back at {at}; close it by hand or make an exception for it"
            ),
        }
    }
}

/// A bucket that may have to be closed.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// Its item.
    pub item: &'a ConfigurationItem,
    /// Its configuration under the name that ARNs give it.
    pub bucket: &'a Bucket,
    /// Its verdict.
    pub assessment: &'a Assessment,
    /// Its findings.
    pub findings: &'a [Finding],
    /// Its exposures.
    pub exposures: &'a [Exposure],
}

/// Says what to do about a bucket.
pub fn respond(
    open: &Open<'_>,
    past: &Past,
    settings: &ResponderSettings,
    now: Timestamp,
) -> Response {
    let Open {
        item,
        bucket,
        assessment,
        findings,
        exposures,
    } = *open;
    let sent: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.state.is_present() && finding.respond)
        .collect();
    if sent.is_empty() {
        return Response::Leave(Leave::NothingSent);
    }
    let excepted = |finding: &&Finding| matches!(finding.state, FindingState::Excepted { .. });
    if assessment.exception.is_some() || sent.iter().all(excepted) {
        return Response::Leave(Leave::Excepted);
    }
    let Some(scope) = settings.scope_of(item) else {
        return Response::Leave(Leave::EnforcementOff);
    };
    let plan = plan(bucket, &assessment.verdict, &scope.options);
    if plan.steps.is_empty() {
        return Response::Leave(Leave::NothingAllowed);
    }
    if let Some(stop) = &past.stop {
        // What lets it go on asks for another look.
        return Response::Hold {
            why: Hold::Stopped(stop.clone()),
            again_at: None,
        };
    }
    if let Some(stop) = &past.account_stop {
        return Response::Hold {
            why: Hold::AccountStopped {
                account: item.key.account.clone(),
                stop: stop.clone(),
            },
            again_at: None,
        };
    }
    if let Some((id, at)) = &past.taken_back {
        return Response::Hold {
            why: Hold::TakenBack {
                id: id.clone(),
                at: *at,
            },
            again_at: None,
        };
    }
    // What the plan leaves open may have been told for long: the grace is that of what it closes.
    let mut closed: Vec<&Finding> = sent.clone();
    closed.retain(|finding| closes(&plan, &finding.cause));
    let graced = if closed.is_empty() { &sent } else { &closed };
    let seen_at = graced
        .iter()
        .filter_map(|finding| {
            exposures
                .iter()
                .filter(|exposure| exposure.finding_id == finding.id && exposure.to.is_none())
                .map(|exposure| exposure.detected_at)
                .min()
        })
        .min();
    if let Some(until) = seen_at.and_then(|at| at.checked_add(scope.grace).ok())
        && now < until
    {
        return Response::Wait { until };
    }
    let recent: Vec<Timestamp> = past
        .on_bucket
        .iter()
        .filter(|at| now.duration_since(**at) < settings.loop_guard.within)
        .copied()
        .collect();
    if u32::try_from(recent.len()).unwrap_or(u32::MAX) >= settings.loop_guard.times {
        return Response::Hold {
            why: Hold::Loop {
                times: settings.loop_guard.times,
            },
            again_at: recent
                .iter()
                .min()
                .and_then(|oldest| oldest.checked_add(settings.loop_guard.within).ok()),
        };
    }
    if let Some(failed) = &past.failed
        && same_changes(&failed.changes, &changes(&plan))
        && let until = later(failed.at, pause(failed.times))
        && now < until
    {
        return Response::Hold {
            why: Hold::Failing {
                times: failed.times,
                why: failed.why.clone(),
            },
            again_at: Some(until),
        };
    }
    let changed = past.others_in_last_hour.saturating_add(1);
    let breaker = &settings.breaker;
    // Before the first sweep nobody knows how many buckets there are, and no share of them.
    let share =
        past.estate > 0 && f64::from(changed) > breaker.share_of_estate * past.estate as f64;
    if changed > breaker.buckets_per_hour || (share && changed > breaker.at_least) {
        return Response::Hold {
            why: Hold::CircuitBreaker {
                account: item.key.account.clone(),
                changed,
                estate: past.estate,
            },
            again_at: None,
        };
    }
    Response::Act(Box::new(plan))
}

/// Whether a plan leaves something open that people have to close.
pub fn leaves_something(plan: &RemediationPlan) -> bool {
    !plan.closes()
        || plan.notes.iter().any(|note| {
            matches!(
                note,
                Note::PolicyLeft { .. } | Note::AccessPointLeft { .. } | Note::Undecided { .. }
            )
        })
}
