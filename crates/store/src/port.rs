//! The port that the guard needs, on this store.

use std::time::Duration;

use compliance::item::ConfigurationItem;
use guard::journal::Record;
use guard::repository::{
    Accepted, EventFilter, FindingFilter, Repository, RepositoryError, Totals,
};
use guard::state::{
    BusEvent, Commit, Coverage, EnforcementStop, EvaluationRecord, EventRecord, Exposure, Finding,
    FindingUpdate, Finish, Job, JobKind, NewJob, NoticeRecord, ResourceRecord, SubscriptionState,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::error::Failure;
use crate::open::{Store, TRIES};
use crate::tally::Tally;
use crate::{
    events, findings, jobs, look, notices, remediations, resources, retention, totals, watch,
};

/// One transaction that writes. If it collides with others it did nothing, and is tried again.
macro_rules! write {
    ($store:expr, |$session:ident| $body:expr) => {{
        let mut tries = 0;
        loop {
            let tried: Result<_, Failure> = async {
                let mut session = $store.write().await?;
                let $session = &mut session;
                let result = $body.await?;
                session.commit().await?;
                Ok(result)
            }
            .await;
            tries += 1;
            match tried {
                Err(failure) if failure.is_collision() && tries < TRIES => {}
                other => break other.map_err(RepositoryError::from),
            }
        }
    }};
}

/// One connection that reads.
macro_rules! read {
    ($store:expr, |$session:ident| $body:expr) => {
        async {
            let mut session = $store.read().await?;
            let $session = &mut session;
            $body.await
        }
        .await
        .map_err(|failure: Failure| RepositoryError::from(failure))
    };
}

impl Repository for Store {
    async fn accept(
        &self,
        events: &[(EventRecord, Vec<NewJob>)],
    ) -> Result<Accepted, RepositoryError> {
        let accepted = write!(self, |session| events::accept(session, events))?;
        if accepted.new > 0 {
            self.signal.raise();
        }
        Ok(accepted)
    }

    async fn request(&self, jobs: &[NewJob], now: Timestamp) -> Result<(), RepositoryError> {
        write!(self, |session| jobs::ask_and_end(session, jobs, None, now))?;
        self.signal.raise();
        Ok(())
    }

    async fn claim(
        &self,
        kinds: &[JobKind],
        worker: &str,
        lease: Duration,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Job>, RepositoryError> {
        write!(self, |session| jobs::claim(
            session, kinds, worker, lease, now, limit
        ))
    }

    async fn renew(
        &self,
        job: &Job,
        lease: Duration,
        now: Timestamp,
    ) -> Result<(), RepositoryError> {
        write!(self, |session| jobs::renew(session, job, lease, now))
    }

    async fn finish(
        &self,
        job: &Job,
        finish: Finish,
        now: Timestamp,
    ) -> Result<(), RepositoryError> {
        // Whoever did it takes up the next one anyway: nobody else has to hear of it.
        write!(self, |session| jobs::end(session, job, &finish, now))
    }

    async fn next_due(&self, kinds: &[JobKind]) -> Result<Option<Timestamp>, RepositoryError> {
        read!(self, |session| jobs::next_due(session, kinds))
    }

    fn work_asked_for(&self) -> impl Future<Output = ()> + Send {
        self.signal.wait()
    }

    async fn resource(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
    ) -> Result<Option<ResourceRecord>, RepositoryError> {
        read!(self, |session| resources::resource(
            session,
            account,
            resource_type,
            resource_id
        ))
    }

    async fn resource_ids(
        &self,
        account: &str,
        resource_type: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, RepositoryError> {
        read!(self, |session| resources::ids(
            session,
            account,
            resource_type,
            after,
            limit
        ))
    }

    async fn unseen_events(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
        limit: u32,
    ) -> Result<Vec<EventRecord>, RepositoryError> {
        read!(self, |session| events::unseen(
            session,
            account,
            resource_type,
            resource_id,
            limit
        ))
    }

    async fn commit(
        &self,
        commit: &Commit,
        job: Option<(&Job, Finish)>,
        now: Timestamp,
    ) -> Result<(), RepositoryError> {
        let job = job.as_ref().map(|(job, finish)| (*job, finish));
        write!(self, |session| look::commit(session, commit, job, now))?;
        if !commit.jobs.is_empty() {
            self.signal.raise();
        }
        Ok(())
    }

    async fn update_findings(
        &self,
        updates: &[FindingUpdate],
        notices: &[NoticeRecord],
        jobs: &[NewJob],
        job: Option<(&Job, Finish)>,
        now: Timestamp,
    ) -> Result<(), RepositoryError> {
        let job = job.as_ref().map(|(job, finish)| (*job, finish));
        write!(self, |session| async {
            let mut tally = Tally::default();
            findings::update(session, updates, &mut tally).await?;
            for notice in notices {
                notices::write(session, notice).await?;
            }
            jobs::ask_and_end(session, jobs, job, now).await?;
            tally.write(session).await
        })?;
        if !jobs.is_empty() {
            self.signal.raise();
        }
        Ok(())
    }

    async fn finding(&self, id: &str) -> Result<Option<Finding>, RepositoryError> {
        read!(self, |session| findings::one(session, id))
    }

    async fn findings(&self, filter: &FindingFilter) -> Result<Vec<Finding>, RepositoryError> {
        read!(self, |session| findings::list(session, filter))
    }

    async fn exposures(&self, finding_id: &str) -> Result<Vec<Exposure>, RepositoryError> {
        read!(self, |session| findings::exposures_of(session, finding_id))
    }

    async fn history(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
        limit: u32,
    ) -> Result<Vec<ConfigurationItem>, RepositoryError> {
        read!(self, |session| resources::history(
            session,
            account,
            resource_type,
            resource_id,
            limit
        ))
    }

    async fn evaluation_history(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
        limit: u32,
    ) -> Result<Vec<EvaluationRecord>, RepositoryError> {
        read!(self, |session| resources::evaluation_history(
            session,
            account,
            resource_type,
            resource_id,
            limit
        ))
    }

    async fn items(
        &self,
        span: Option<(Timestamp, Timestamp)>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, ConfigurationItem)>, RepositoryError> {
        read!(self, |session| resources::items(
            session, span, after, limit
        ))
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventRecord>, RepositoryError> {
        read!(self, |session| events::list(session, filter))
    }

    async fn bus_events(&self, limit: u32) -> Result<Vec<BusEvent>, RepositoryError> {
        read!(self, |session| notices::bus_events(session, limit))
    }

    async fn bus_events_from(
        &self,
        since: Timestamp,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, BusEvent)>, RepositoryError> {
        read!(self, |session| notices::bus_events_from(
            session, since, after, limit
        ))
    }

    async fn notice(&self, id: &str) -> Result<Option<NoticeRecord>, RepositoryError> {
        read!(self, |session| notices::one(session, id))
    }

    async fn notices(
        &self,
        since: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<NoticeRecord>, RepositoryError> {
        read!(self, |session| notices::span(session, since, until, limit))
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<Job>, RepositoryError> {
        read!(self, |session| jobs::dead_letters(session, limit))
    }

    async fn redrive(&self, id: i64, now: Timestamp) -> Result<bool, RepositoryError> {
        let redriven = write!(self, |session| jobs::redrive(session, id, now))?;
        if redriven {
            self.signal.raise();
        }
        Ok(redriven)
    }

    async fn enforcement_stop(&self) -> Result<Option<EnforcementStop>, RepositoryError> {
        read!(self, |session| remediations::stopped(session))
    }

    async fn set_enforcement_stop(
        &self,
        stop: Option<&EnforcementStop>,
    ) -> Result<(), RepositoryError> {
        write!(self, |session| remediations::stop(session, stop))
    }

    async fn append_journal(&self, record: &Record) -> Result<(), RepositoryError> {
        write!(self, |session| remediations::append(session, record))
    }

    async fn last_remediations(
        &self,
        account: &str,
        bucket: &str,
        limit: u32,
    ) -> Result<Vec<Record>, RepositoryError> {
        read!(self, |session| remediations::last(
            session, account, bucket, limit
        ))
    }

    async fn written_buckets(
        &self,
        account: &str,
        since: Timestamp,
    ) -> Result<Vec<String>, RepositoryError> {
        read!(self, |session| remediations::written_buckets(
            session, account, since
        ))
    }

    async fn journal(
        &self,
        account: Option<&str>,
        bucket: Option<&str>,
        since: Option<Timestamp>,
    ) -> Result<Vec<Record>, RepositoryError> {
        read!(self, |session| remediations::journal(
            session, account, bucket, since
        ))
    }

    async fn cover(&self, coverage: &Coverage) -> Result<(), RepositoryError> {
        write!(self, |session| watch::cover(session, coverage))
    }

    async fn coverage(&self) -> Result<Vec<Coverage>, RepositoryError> {
        read!(self, |session| watch::coverage(session))
    }

    async fn subscriptions(&self) -> Result<Vec<SubscriptionState>, RepositoryError> {
        read!(self, |session| notices::subscriptions(session))
    }

    async fn put_subscription(
        &self,
        subscription: &SubscriptionState,
    ) -> Result<(), RepositoryError> {
        write!(self, |session| notices::put_subscription(
            session,
            subscription
        ))
    }

    async fn remembered(&self, name: &str) -> Result<Option<Value>, RepositoryError> {
        read!(self, |session| watch::remembered(session, name))
    }

    async fn remember(&self, name: &str, value: &Value) -> Result<(), RepositoryError> {
        write!(self, |session| watch::remember(session, name, value))
    }

    async fn totals(&self) -> Result<Totals, RepositoryError> {
        read!(self, |session| totals::totals(session))
    }

    async fn retire(&self, before: Timestamp, limit: u32) -> Result<u64, RepositoryError> {
        write!(self, |session| retention::retire(session, before, limit))
    }
}
