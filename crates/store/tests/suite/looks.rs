use std::sync::Arc;
use std::time::Duration;

use compliance::item::{BUCKET, ConfigurationItem};
use compliance::rules::ComplianceType::{self, Compliant, NonCompliant};
use guard::repository::{FindingFilter, Repository, RepositoryError};
use guard::state::{
    BusEvent, Commit, FindingState, FindingUpdate, Finish, Job, JobKind, NewJob, NoticeRecord,
    ResourceRecord, Route,
};
use serde_json::json;
use store::Store;

use super::place::Place;
use super::samples::{
    ACCOUNT, RULE, at, commit, evaluation, event, exposure, finding, item, key, look,
};

async fn resource(store: &Store, name: &str) -> Option<ResourceRecord> {
    store.resource(ACCOUNT, BUCKET, name).await.unwrap()
}

fn conflict(result: Result<(), RepositoryError>) {
    assert!(
        matches!(result, Err(RepositoryError::Conflict(_))),
        "{result:?}"
    );
}

/// A commit with something of everything.
fn full(name: &str, version: Option<i64>, seconds: i64) -> Commit {
    let finding = finding(name, "acl", seconds);
    Commit {
        evaluations: vec![evaluation(NonCompliant, seconds)],
        exposures: vec![exposure(&finding, seconds)],
        events_seen: vec![format!("e-{name}")],
        bus_events: vec![BusEvent {
            id: format!("bus-{name}-{seconds}"),
            key: key(name),
            at: at(seconds),
            event: json!({"detail-type": "Config Rules Compliance Change"}),
            routes: Some(vec![Route {
                rule: "tell".to_owned(),
                target: "topic:default".to_owned(),
            }]),
        }],
        notices: vec![NoticeRecord {
            id: format!("notice-{name}-{seconds}"),
            finding_id: Some(finding.id.clone()),
            created_at: at(seconds),
            document: json!({"subject": "open"}),
        }],
        jobs: vec![look(name, seconds + 60)],
        findings: vec![finding],
        ..commit(name, "open", version, seconds)
    }
}

pub(crate) async fn a_look_is_committed_whole(place: &Place) {
    let store = place.open().await;
    let asked = [(event("e-backups", "backups", 0), vec![look("backups", 0)])];
    store.accept(&asked).await.unwrap();
    let job = store
        .claim(
            &[JobKind::Look],
            "worker",
            Duration::from_secs(60),
            at(1),
            1,
        )
        .await
        .unwrap()
        .remove(0);
    assert!(resource(&store, "backups").await.is_none());
    let full = full("backups", None, 2);
    store
        .commit(&full, Some((&job, Finish::Done)), at(3))
        .await
        .unwrap();

    let known = resource(&store, "backups").await.unwrap();
    assert_eq!(known.version, 1);
    assert_eq!(
        Some((&known.item, &known.content_hash)),
        full.item.as_ref().map(|(item, hash)| (item, hash))
    );
    assert_eq!(known.observed_at, at(2));
    assert_eq!(known.evaluations, full.evaluations);
    assert_eq!(known.findings, full.findings);
    assert_eq!(known.exposures, full.exposures);
    assert_eq!(
        store.history(ACCOUNT, BUCKET, "backups", 10).await.unwrap(),
        [item("backups", "open", 2)]
    );
    let id = &full.findings[0].id;
    assert_eq!(
        store.finding(id).await.unwrap().as_ref(),
        full.findings.first()
    );
    assert_eq!(store.exposures(id).await.unwrap(), full.exposures);
    assert_eq!(store.bus_events(10).await.unwrap(), full.bus_events);
    assert_eq!(
        store.notice("notice-backups-2").await.unwrap().as_ref(),
        full.notices.first()
    );
    assert_eq!(
        store
            .unseen_events(ACCOUNT, BUCKET, "backups", 100)
            .await
            .unwrap(),
        []
    );
    // The job asked for itself: it waits until then, and is not held.
    assert_eq!(
        store.next_due(&[JobKind::Look]).await.unwrap(),
        Some(at(62))
    );

    // The same content again: no new item.
    let same = Commit {
        expected_version: Some(1),
        evaluations: full.evaluations.clone(),
        findings: full.findings.clone(),
        exposures: full.exposures.clone(),
        ..Commit::of(key("backups"), at(9))
    };
    store.commit(&same, None, at(9)).await.unwrap();
    let known = resource(&store, "backups").await.unwrap();
    assert_eq!((known.version, known.observed_at), (2, at(9)));
    assert_eq!(known.item, item("backups", "open", 2));
    assert_eq!(
        store
            .history(ACCOUNT, BUCKET, "backups", 10)
            .await
            .unwrap()
            .len(),
        1
    );
    // Another account's bucket of this name, and another type, are other resources.
    assert!(
        store
            .resource("999999999999", BUCKET, "backups")
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .resource(ACCOUNT, "AWS::EC2::Volume", "backups")
            .await
            .unwrap()
            .is_none()
    );
    // A bucket that is made again elsewhere is the same resource.
    let mut moved = commit("backups", "moved", Some(2), 20);
    moved.key.region = "us-east-1".to_owned();
    if let Some((item, _)) = &mut moved.item {
        item.key.region = "us-east-1".to_owned();
    }
    store.commit(&moved, None, at(20)).await.unwrap();
    assert_eq!(
        resource(&store, "backups").await.unwrap().item.key.region,
        "us-east-1"
    );
    let contents: Vec<ConfigurationItem> =
        store.history(ACCOUNT, BUCKET, "backups", 10).await.unwrap();
    assert_eq!(contents[1], item("backups", "open", 2), "the newest first");
    assert_eq!(
        store
            .history(ACCOUNT, BUCKET, "backups", 1)
            .await
            .unwrap()
            .len(),
        1
    );
}

pub(crate) async fn nothing_is_committed_on_an_older_version(place: &Place) {
    let store = place.open().await;
    conflict(store.commit(&full("a", Some(1), 0), None, at(0)).await);
    assert!(resource(&store, "a").await.is_none());
    store
        .commit(&full("a", None, 0), None, at(0))
        .await
        .unwrap();
    for version in [None, Some(0), Some(2)] {
        conflict(store.commit(&full("a", version, 5), None, at(5)).await);
    }
    assert_eq!(store.bus_events(10).await.unwrap().len(), 1);
    assert!(store.notice("notice-a-5").await.unwrap().is_none());
    // Nothing is known of it any more, it was decided; but something is.
    conflict(
        store
            .commit(&Commit::of(key("a"), at(6)), None, at(6))
            .await,
    );
    // What people do counts as a change.
    let id = finding("a", "acl", 0).id;
    let read = store.finding(&id).await.unwrap().unwrap();
    let unchanged = FindingUpdate::to_state(read.clone(), read.state);
    store
        .update_findings(&[unchanged], &[], &[], None, at(6))
        .await
        .unwrap();
    conflict(store.commit(&full("a", Some(1), 7), None, at(7)).await);
    store
        .commit(&full("a", Some(2), 7), None, at(7))
        .await
        .unwrap();
}

pub(crate) async fn of_two_at_once_one_is_refused(place: &Place) {
    let stores = [Arc::new(place.open().await), Arc::new(place.open().await)];
    let mut version = None;
    for round in 0..10 {
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..6 {
            let store = Arc::clone(&stores[worker % 2]);
            tasks.spawn(async move {
                let commit = commit("a", &format!("{round} {worker}"), version, round);
                store.commit(&commit, None, at(round)).await
            });
        }
        let mut committed = 0;
        while let Some(done) = tasks.join_next().await {
            match done.unwrap() {
                Ok(()) => committed += 1,
                Err(RepositoryError::Conflict(of)) => assert_eq!(of, key("a")),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(committed, 1);
        let known = resource(&stores[0], "a").await.unwrap();
        assert_eq!(known.version, round + 1);
        version = Some(known.version);
    }
    assert_eq!(
        stores[0]
            .history(ACCOUNT, BUCKET, "a", 100)
            .await
            .unwrap()
            .len(),
        10
    );
    assert_eq!(
        stores[0].totals().await.unwrap().resources,
        [(BUCKET.to_owned(), 1)]
    );
}

pub(crate) async fn a_lost_lease_takes_the_whole_commit_with_it(place: &Place) {
    let store = place.open().await;
    store.request(&[look("a", 0)], at(0)).await.unwrap();
    let claim = |seconds| {
        store.claim(
            &[JobKind::Look],
            "worker",
            Duration::from_secs(10),
            at(seconds),
            1,
        )
    };
    let slow = claim(0).await.unwrap().remove(0);
    let quick = claim(10).await.unwrap().remove(0);
    let refused = store
        .commit(&full("a", None, 11), Some((&slow, Finish::Done)), at(11))
        .await;
    assert!(
        matches!(refused, Err(RepositoryError::LeaseLost)),
        "{refused:?}"
    );
    assert!(resource(&store, "a").await.is_none());
    assert_eq!(store.bus_events(10).await.unwrap(), []);
    assert_eq!(store.totals().await.unwrap().resources, []);
    store
        .commit(&full("a", None, 12), Some((&quick, Finish::Done)), at(12))
        .await
        .unwrap();
}

pub(crate) async fn rules_are_counted_and_remembered(place: &Place) {
    let store = place.open().await;
    let mut answers: Vec<(i64, Vec<(&str, ComplianceType)>)> = vec![
        (0, vec![(RULE, Compliant), ("tags", NonCompliant)]),
        (10, vec![(RULE, NonCompliant), ("tags", NonCompliant)]),
        (20, vec![(RULE, NonCompliant)]),
        (30, vec![(RULE, Compliant), ("tags", NonCompliant)]),
    ];
    for (version, (seconds, answers)) in answers.drain(..).enumerate() {
        let version = i64::try_from(version).unwrap();
        let evaluations = answers
            .into_iter()
            .map(|(rule, compliance_type)| guard::state::EvaluationRecord {
                rule_name: rule.to_owned(),
                ..evaluation(compliance_type, seconds)
            })
            .collect();
        let commit = Commit {
            evaluations,
            ..commit("a", "same", (version > 0).then_some(version), seconds)
        };
        store.commit(&commit, None, at(seconds)).await.unwrap();
    }
    let history = store
        .evaluation_history(ACCOUNT, BUCKET, "a", 10)
        .await
        .unwrap();
    let told: Vec<(&str, ComplianceType, jiff::Timestamp)> = history
        .iter()
        .map(|record| {
            (
                record.rule_name.as_str(),
                record.compliance_type,
                record.evaluated_at,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("tags", NonCompliant, at(30)),
            (RULE, Compliant, at(30)),
            (RULE, NonCompliant, at(10)),
            ("tags", NonCompliant, at(0)),
            (RULE, Compliant, at(0)),
        ]
    );
    assert!(history[2].annotation.is_some());
    assert_eq!(
        store
            .evaluation_history(ACCOUNT, BUCKET, "a", 2)
            .await
            .unwrap(),
        history[..2]
    );
    assert_eq!(
        store.totals().await.unwrap().compliance,
        [
            (RULE.to_owned(), "COMPLIANT".to_owned(), 1),
            ("tags".to_owned(), "NON_COMPLIANT".to_owned(), 1),
        ]
    );
}

pub(crate) async fn a_deleted_resource_is_not_counted(place: &Place) {
    let store = place.open().await;
    for name in ["a", "b", "c"] {
        store
            .commit(&full(name, None, 0), None, at(0))
            .await
            .unwrap();
    }
    let gone = ConfigurationItem::deleted(&item("b", "open", 0), at(5));
    let hash = gone.content_hash();
    let commit = Commit {
        item: Some((gone, hash)),
        evaluations: vec![evaluation(NonCompliant, 0)],
        ..commit("b", "", Some(1), 5)
    };
    store.commit(&commit, None, at(5)).await.unwrap();
    let ids =
        |after: Option<&'static str>, limit| store.resource_ids(ACCOUNT, BUCKET, after, limit);
    assert_eq!(ids(None, 10).await.unwrap(), ["a", "c"]);
    assert_eq!(ids(Some("a"), 10).await.unwrap(), ["c"]);
    assert_eq!(ids(None, 1).await.unwrap(), ["a"]);
    let totals = store.totals().await.unwrap();
    assert_eq!(totals.resources, [(BUCKET.to_owned(), 2)]);
    assert_eq!(
        totals.compliance,
        [(RULE.to_owned(), "NON_COMPLIANT".to_owned(), 2)]
    );
    assert!(
        resource(&store, "b")
            .await
            .unwrap()
            .item
            .status
            .is_deleted()
    );
    // Made again.
    store
        .commit(&full("b", Some(2), 9), None, at(9))
        .await
        .unwrap();
    assert_eq!(
        store.totals().await.unwrap().resources,
        [(BUCKET.to_owned(), 3)]
    );
    assert_eq!(ids(None, 10).await.unwrap(), ["a", "b", "c"]);
}

pub(crate) async fn what_is_not_there_ends_its_events(place: &Place) {
    let store = place.open().await;
    store
        .accept(&[(event("e-1", "ghost", 0), vec![])])
        .await
        .unwrap();
    let nothing = Commit {
        events_seen: vec!["e-1".to_owned()],
        events_closed: true,
        ..Commit::of(key("ghost"), at(5))
    };
    store.commit(&nothing, None, at(6)).await.unwrap();
    assert!(resource(&store, "ghost").await.is_none());
    assert_eq!(
        store
            .unseen_events(ACCOUNT, BUCKET, "ghost", 100)
            .await
            .unwrap(),
        []
    );
    // What is not there has no findings: that is a mistake of ours, and said.
    let wrong = Commit {
        findings: vec![finding("ghost", "acl", 0)],
        ..Commit::of(key("ghost"), at(5))
    };
    let refused = store.commit(&wrong, None, at(6)).await;
    assert!(
        matches!(refused, Err(RepositoryError::Broken { .. })),
        "{refused:?}"
    );
}

/// Workers of two processes look at buckets, each look asks for looks at others, and all keep the same
/// counts: nobody looks at what another looks at, nothing collides, and the counts are right.
pub(crate) async fn many_workers_agree(place: &Place) {
    const BUCKETS: i64 = 12;
    const LOOKS: i64 = 6;
    let stores = [Arc::new(place.open().await), Arc::new(place.open().await)];
    let first: Vec<NewJob> = (0..BUCKETS)
        .map(|n| look(&format!("bucket-{n}"), 0))
        .collect();
    stores[0].request(&first, at(0)).await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..6 {
        let store = Arc::clone(&stores[worker % 2]);
        workers.spawn(async move {
            let name = format!("worker-{worker}");
            loop {
                let jobs = store
                    .claim(&[JobKind::Look], &name, Duration::from_secs(60), at(0), 2)
                    .await
                    .unwrap();
                // Whoever holds a job asks for what follows before it is done: the last one out does
                // the rest.
                if jobs.is_empty() {
                    return;
                }
                for job in jobs {
                    look_at(&store, &job, BUCKETS, LOOKS).await;
                }
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done.unwrap();
    }
    assert_eq!(stores[0].next_due(&[JobKind::Look]).await.unwrap(), None);
    let (mut failing, mut open, mut running) = (0, 0, 0);
    for n in 0..BUCKETS {
        let known = resource(&stores[0], &format!("bucket-{n}")).await.unwrap();
        assert!(known.version >= LOOKS);
        failing += u64::from(known.evaluations[0].compliance_type == NonCompliant);
        open += u64::from(known.findings[0].state.is_present());
        running += known.exposures.len() as u64;
    }
    let count = |of: &[(String, u64)], name: &str| {
        of.iter()
            .find(|(own, _)| own == name)
            .map_or(0, |(_, n)| *n)
    };
    let totals = stores[1].totals().await.unwrap();
    let compliance: Vec<(String, u64)> = totals
        .compliance
        .iter()
        .map(|(_, compliance_type, n)| (compliance_type.clone(), *n))
        .collect();
    let all = u64::try_from(BUCKETS).unwrap();
    assert_eq!(totals.resources, [(BUCKET.to_owned(), all)]);
    assert_eq!(count(&compliance, "NON_COMPLIANT"), failing);
    assert_eq!(count(&compliance, "COMPLIANT"), all - failing);
    assert_eq!(count(&totals.findings, "open"), open);
    assert_eq!(count(&totals.findings, "resolved"), all - open);
    assert_eq!(totals.exposures_open, running);
}

/// Looks at a bucket, which is open at every other look, and asks for looks at its neighbours.
async fn look_at(store: &Store, job: &Job, buckets: i64, looks: i64) {
    let name = job.payload["resourceId"].as_str().unwrap().to_owned();
    let own: i64 = name.rsplit('-').next().unwrap().parse().unwrap();
    let known = resource(store, &name).await;
    let version = known.as_ref().map(|known| known.version);
    let next = version.unwrap_or(0) + 1;
    let mut finding = finding(&name, "acl", 0);
    finding.occurrences = u32::try_from(next.midpoint(1)).unwrap();
    let mut exposure = exposure(&finding, 0);
    let is_open = next % 2 == 1;
    if !is_open {
        finding.state = FindingState::Resolved;
        exposure.to = Some(at(next));
    }
    let mut jobs = Vec::new();
    if next < looks {
        jobs.extend([own, own + 1, own + 5].map(|n| look(&format!("bucket-{}", n % buckets), 0)));
    }
    let full = Commit {
        evaluations: vec![evaluation(
            if is_open { NonCompliant } else { Compliant },
            next,
        )],
        findings: vec![finding],
        exposures: vec![exposure],
        jobs,
        ..commit(&name, &next.to_string(), version, next)
    };
    store
        .commit(&full, Some((job, Finish::Done)), at(next))
        .await
        .unwrap();
}

/// Calls that are dropped midway, as when a process is killed, are there whole or not at all, and the
/// store goes on.
pub(crate) async fn a_dropped_call_leaves_nothing(place: &Place) {
    let store = place.open().await;
    store
        .commit(&full("a", None, 0), None, at(0))
        .await
        .unwrap();
    let mut version = 1;
    // Dropped after one more step each time, until one comes through before it is dropped.
    for steps in 1.. {
        let full = full("a", Some(version), steps);
        let committed = polled(store.commit(&full, None, at(steps)), steps).await;
        // Waits for what may still run: a commit that was under way when it was dropped.
        conflict(
            store
                .commit(&commit("a", "", Some(-1), 0), None, at(0))
                .await,
        );
        let known = resource(&store, "a").await.unwrap();
        let items = store.history(ACCOUNT, BUCKET, "a", 1_000).await.unwrap();
        let told = store.bus_events(1_000).await.unwrap();
        assert_eq!(
            (items.len(), told.len()),
            (
                usize::try_from(known.version).unwrap(),
                usize::try_from(known.version).unwrap()
            ),
            "whole or not at all"
        );
        assert!(!committed || known.version == version + 1);
        version = known.version;
        if committed {
            break;
        }
    }
    let filter = FindingFilter {
        limit: 10,
        ..FindingFilter::default()
    };
    assert_eq!(store.findings(&filter).await.unwrap().len(), 1);
}

/// Compliance changes page by page, each once, with where they went.
pub(crate) async fn compliance_changes_are_paged(place: &Place) {
    let store = place.open().await;
    let mut version = None;
    let mut raised = Vec::new();
    for seconds in 0..5 {
        let mut full = full("a", version, seconds);
        if seconds == 2 {
            // As an older version left it.
            full.bus_events[0].routes = None;
        }
        store.commit(&full, None, at(seconds)).await.unwrap();
        raised.extend(full.bus_events);
        version = Some(version.unwrap_or(0) + 1);
    }
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = store.bus_events_from(at(1), after, 2).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        assert!(page.len() <= 2, "{page:?}");
        after = Some(*last);
        paged.extend(page.into_iter().map(|(_, event)| event));
    }
    assert_eq!(paged, raised[1..]);
}

/// Polls so often, and drops.
async fn polled(call: impl Future<Output = Result<(), RepositoryError>>, times: i64) -> bool {
    let mut call = Box::pin(call);
    let mut left = times;
    std::future::poll_fn(move |context| match call.as_mut().poll(context) {
        std::task::Poll::Ready(done) => std::task::Poll::Ready(done.is_ok()),
        std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(false),
        std::task::Poll::Pending => {
            left -= 1;
            std::task::Poll::Pending
        }
    })
    .await
}
