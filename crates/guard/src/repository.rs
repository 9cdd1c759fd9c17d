//! What the loops need of a store of their own: jobs, what is known, and one transaction a look.
//!
//! Everything is idempotent, and what one call does it does whole or not at all: a process may be
//! killed between any two calls, and several may work on one store.

use std::future::Future;
use std::time::Duration;

use compliance::item::{ConfigurationItem, ResourceKey};
use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use crate::journal::Record;
use crate::state::{
    BusEvent, Commit, Coverage, EnforcementStop, EvaluationRecord, EventRecord, Exposure, Finding,
    FindingUpdate, Finish, Job, JobKind, NewJob, NoticeRecord, ResourceRecord, SubscriptionState,
};

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
pub enum RepositoryError {
    /// Somebody else committed about the resource meanwhile: look again.
    #[error("{0} was changed by another worker meanwhile")]
    Conflict(ResourceKey),
    /// The lease ran out, and somebody else may have the job: what was done for it is not committed.
    #[error("the lease of the job ran out")]
    LeaseLost,
    /// The database cannot be reached now, is busy, or is full: worth repeating.
    #[error("the store is not available: {detail}")]
    Unavailable {
        /// What happened.
        detail: String,
    },
    /// What stands in the store cannot be understood, or the statement is wrong: repeating does not
    /// help.
    #[error("the store: {detail}")]
    Broken {
        /// What, and where.
        detail: String,
    },
}

/// How many of the events were new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Stored now.
    pub new: usize,
    /// Known before.
    pub duplicate: usize,
}

/// Which findings.
#[derive(Clone, Debug, Default)]
pub struct FindingFilter {
    /// Only these states ([`crate::state::FindingState::name`]); empty: all.
    pub states: Vec<String>,
    /// Only of this account.
    pub account: Option<String>,
    /// Only of this resource id.
    pub resource_id: Option<String>,
    /// At most so many, the last opened first.
    pub limit: u32,
}

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only about this account.
    pub account: Option<String>,
    /// Only about this resource id.
    pub resource_id: Option<String>,
    /// Only those that came at this moment or later.
    pub since: Option<Timestamp>,
    /// Only what comes after this one in the list: when the last of the page before arrived, and its
    /// id.
    pub after: Option<(Timestamp, String)>,
    /// At most so many, the last arrived first.
    pub limit: u32,
}

/// How many of what there are: a dashboard's first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Resources that are not deleted, by type.
    pub resources: Vec<(String, u64)>,
    /// Evaluations by rule name and compliance type, of resources that are not deleted.
    pub compliance: Vec<(String, String, u64)>,
    /// Findings by state.
    pub findings: Vec<(String, u64)>,
    /// Exposures that have not ended.
    pub exposures_open: u64,
    /// Jobs that wait, by kind.
    pub jobs_waiting: Vec<(String, u64)>,
    /// Dead letters, by kind.
    pub jobs_dead: Vec<(String, u64)>,
    /// When the oldest job that is due was due.
    pub oldest_due: Option<Timestamp>,
}

/// The guard's store.
pub trait Repository: Send + Sync + 'static {
    /// Stores events that are not known yet, and asks for the work that they make, in one
    /// transaction. `jobs` holds for each event the jobs that it makes; those of duplicates are not
    /// asked for.
    fn accept(
        &self,
        events: &[(EventRecord, Vec<NewJob>)],
    ) -> impl Future<Output = Result<Accepted, RepositoryError>> + Send;

    /// Asks for work. A job of the same key that waits or runs is asked for again: the earlier due
    /// time counts, kind and payload are joined ([`NewJob::joined_to`]), and one that runs will run
    /// again.
    fn request(
        &self,
        jobs: &[NewJob],
        now: Timestamp,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// Takes up to `limit` jobs of these kinds that are due and held by nobody (or whose lease ran
    /// out), the earliest first. No two callers get the same job.
    fn claim(
        &self,
        kinds: &[JobKind],
        worker: &str,
        lease: Duration,
        now: Timestamp,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Job>, RepositoryError>> + Send;

    /// Holds a job longer. [`RepositoryError::LeaseLost`] if somebody else has it.
    fn renew(
        &self,
        job: &Job,
        lease: Duration,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// Ends a job.
    fn finish(
        &self,
        job: &Job,
        finish: Finish,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// When the next job of these kinds can be taken up: when it is due or, while somebody holds it,
    /// when the lease runs out.
    fn next_due(
        &self,
        kinds: &[JobKind],
    ) -> impl Future<Output = Result<Option<Timestamp>, RepositoryError>> + Send;

    /// Ready when another worker (of this process or not) has asked for work since the call before;
    /// may be ready without cause, and a store that cannot tell is never ready.
    fn work_asked_for(&self) -> impl Future<Output = ()> + Send;

    /// What is known of a resource, whatever its region.
    fn resource(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
    ) -> impl Future<Output = Result<Option<ResourceRecord>, RepositoryError>> + Send;

    /// Ids of the resources of an account that are not deleted, after `after` in their order.
    fn resource_ids(
        &self,
        account: &str,
        resource_type: &str,
        after: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<String>, RepositoryError>> + Send;

    /// Events about a resource whose effect was not seen yet, in the order of their time, the first
    /// `limit` of them.
    fn unseen_events(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<EventRecord>, RepositoryError>> + Send;

    /// Commits what a look made, and ends the job with it if one is named.
    fn commit(
        &self,
        commit: &Commit,
        job: Option<(&Job, Finish)>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// Writes what people and time changed about findings (acknowledged, escalated), with the notices and
    /// work that this makes, and ends the job with it if one is named. The versions of the findings'
    /// resources go up, so that a look that was decided on what was before is made again.
    ///
    /// [`RepositoryError::Conflict`], and nothing is written, if a finding is not as it was read any more
    /// ([`FindingUpdate::is_about`]) or is not there.
    fn update_findings(
        &self,
        updates: &[FindingUpdate],
        notices: &[NoticeRecord],
        jobs: &[NewJob],
        job: Option<(&Job, Finish)>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// One finding.
    fn finding(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<Finding>, RepositoryError>> + Send;

    /// Findings, the last opened first.
    fn findings(
        &self,
        filter: &FindingFilter,
    ) -> impl Future<Output = Result<Vec<Finding>, RepositoryError>> + Send;

    /// Exposures of a finding, the last first.
    fn exposures(
        &self,
        finding_id: &str,
    ) -> impl Future<Output = Result<Vec<Exposure>, RepositoryError>> + Send;

    /// Items of a resource, the newest first.
    fn history(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<ConfigurationItem>, RepositoryError>> + Send;

    /// What rules said of a resource whenever that changed, the newest first.
    fn evaluation_history(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<EvaluationRecord>, RepositoryError>> + Send;

    /// The newest item of every resource that is not deleted, and when asked for, items captured in a
    /// span of time: what snapshots and history files hold. Page by page: what comes after the item
    /// `after`, the last of the page before.
    fn items(
        &self,
        span: Option<(Timestamp, Timestamp)>,
        after: Option<i64>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<(i64, ConfigurationItem)>, RepositoryError>> + Send;

    /// Events, the last arrived first.
    fn events(
        &self,
        filter: &EventFilter,
    ) -> impl Future<Output = Result<Vec<EventRecord>, RepositoryError>> + Send;

    /// Compliance changes, the last first.
    fn bus_events(
        &self,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<BusEvent>, RepositoryError>> + Send;

    /// Compliance changes of this moment or later, the first first, page by page: what comes after the
    /// one numbered `after`, the last of the page before.
    fn bus_events_from(
        &self,
        since: Timestamp,
        after: Option<i64>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<(i64, BusEvent)>, RepositoryError>> + Send;

    /// A notice.
    fn notice(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<NoticeRecord>, RepositoryError>> + Send;

    /// Notices that were made from `since` on and before `until`, in that order: what a digest holds.
    fn notices(
        &self,
        since: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<NoticeRecord>, RepositoryError>> + Send;

    /// Jobs that could not be done, the last first.
    fn dead_letters(
        &self,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Job>, RepositoryError>> + Send;

    /// Makes a dead letter due again. `false`: there is none of this id.
    fn redrive(
        &self,
        id: i64,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, RepositoryError>> + Send;

    /// Whether enforcement is stopped everywhere. Asked immediately before every write.
    fn enforcement_stop(
        &self,
    ) -> impl Future<Output = Result<Option<EnforcementStop>, RepositoryError>> + Send;

    /// Stops enforcement everywhere, or (`None`) lets it go on.
    fn set_enforcement_stop(
        &self,
        stop: Option<&EnforcementStop>,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// Appends to the journal of remediations. When it returns, the record survives a crash.
    fn append_journal(
        &self,
        record: &Record,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// Every record of the journal about a bucket (or of all), in order.
    fn journal(
        &self,
        account: Option<&str>,
        bucket: Option<&str>,
        since: Option<Timestamp>,
    ) -> impl Future<Output = Result<Vec<Record>, RepositoryError>> + Send;

    /// Every record of the last so many remediations of a bucket, in order.
    fn last_remediations(
        &self,
        account: &str,
        bucket: &str,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Record>, RepositoryError>> + Send;

    /// The buckets of an account that a remediation has written to since then, in the order of their names.
    fn written_buckets(
        &self,
        account: &str,
        since: Timestamp,
    ) -> impl Future<Output = Result<Vec<String>, RepositoryError>> + Send;

    /// Adds to what is known of the coverage. `last_event_at` is replaced by a later one;
    /// `untold_changes` is added. With `last_sweep_at`, what the sweep found (`swept`, `undecided`,
    /// `gaps`, `error`) replaces what was there; without it, `error` does if there is one.
    fn cover(
        &self,
        coverage: &Coverage,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// The coverage of every account and region.
    fn coverage(&self) -> impl Future<Output = Result<Vec<Coverage>, RepositoryError>> + Send;

    /// What became of subscriptions.
    fn subscriptions(
        &self,
    ) -> impl Future<Output = Result<Vec<SubscriptionState>, RepositoryError>> + Send;

    /// Writes what became of a subscription.
    fn put_subscription(
        &self,
        subscription: &SubscriptionState,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// A remembered value, such as up to where history was delivered.
    fn remembered(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<Value>, RepositoryError>> + Send;

    /// Remembers a value.
    fn remember(
        &self,
        name: &str,
        value: &Value,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// How many of what there are.
    fn totals(&self) -> impl Future<Output = Result<Totals, RepositoryError>> + Send;

    /// Removes what is older: items that are not the newest of their resource, evaluations that do not
    /// hold any more, events that were seen, compliance changes, notices that no job needs, ended
    /// exposures, at most `limit` rows of each.
    /// Returns how many rows went.
    fn retire(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> impl Future<Output = Result<u64, RepositoryError>> + Send;
}
