use compliance::item::BUCKET;
use compliance::rules::ComplianceType::{Compliant, NonCompliant};
use guard::journal::Place as Bucket;
use guard::journal::{Change, Event, Part, Record};
use guard::repository::{EventFilter, Repository};
use guard::state::{
    BusEvent, Commit, Coverage, EnforcementStop, EvaluationRecord, Finish, JobKind, NewJob,
    NoticeRecord, SubscriptionState,
};
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;

use super::place::Place;
use super::samples::{ACCOUNT, at, commit, evaluation, event, exposure, finding, item, key};

pub(crate) async fn items_are_paged(place: &Place) {
    let store = place.open().await;
    for (name, version, seconds) in [
        ("a", None, 0),
        ("b", None, 30),
        ("a", Some(1), 10),
        ("c", None, 20),
        ("a", Some(2), 40),
    ] {
        let content = seconds.to_string();
        store
            .commit(&commit(name, &content, version, seconds), None, at(seconds))
            .await
            .unwrap();
    }
    let paged = async |span: Option<(Timestamp, Timestamp)>, limit: u32| {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = store.items(span, after, limit).await.unwrap();
            assert!(page.len() <= usize::try_from(limit).unwrap());
            let Some((last, _)) = page.last() else {
                return all;
            };
            after = Some(*last);
            all.extend(page.into_iter().map(|(_, item)| item));
        }
    };
    let newest = [
        item("b", "30", 30),
        item("c", "20", 20),
        item("a", "40", 40),
    ];
    let spanned = [
        item("a", "10", 10),
        item("c", "20", 20),
        item("b", "30", 30),
    ];
    for limit in [1, 2, 100] {
        assert_eq!(paged(None, limit).await, newest);
        assert_eq!(
            paged(Some((at(10), at(40))), limit).await,
            spanned,
            "from, and before"
        );
    }
}

fn notice(id: &str, seconds: i64) -> NoticeRecord {
    NoticeRecord {
        id: id.to_owned(),
        finding_id: None,
        created_at: at(seconds),
        document: json!({"subject": id}),
    }
}

pub(crate) async fn notices_of_a_span(place: &Place) {
    let store = place.open().await;
    let all = [notice("n-1", 1), notice("n-2", 2), notice("n-3", 3)];
    store
        .update_findings(&[], &all, &[], None, at(3))
        .await
        .unwrap();
    assert_eq!(store.notices(at(1), at(3), 10).await.unwrap(), all[..2]);
    assert_eq!(store.notices(at(0), at(9), 1).await.unwrap(), all[..1]);
    assert_eq!(store.notice("n-3").await.unwrap().as_ref(), Some(&all[2]));
    assert_eq!(store.notice("n-4").await.unwrap(), None);
}

pub(crate) async fn the_journal_knows_the_place(place: &Place) {
    let store = place.open().await;
    let intent = |id: &str, bucket: &str, seconds| Record {
        id: id.to_owned(),
        at: at(seconds),
        event: Event::Intent {
            place: Bucket {
                endpoint: None,
                account: Some(ACCOUNT.to_owned()),
                region: None,
                bucket: bucket.to_owned(),
            },
            changes: vec![Change {
                before: Part::Policy(Some("{}".to_owned())),
                after: Part::Policy(None),
            }],
        },
    };
    let record = |id: &str, event, seconds| Record {
        id: id.to_owned(),
        at: at(seconds),
        event,
    };
    let all = [
        intent("r-1", "a", 0),
        intent("r-2", "b", 1),
        record(
            "r-1",
            Event::Written {
                change: 0,
                left: Part::Policy(None),
            },
            2,
        ),
        record("r-1", Event::Verified, 3),
        record(
            "r-2",
            Event::Failed {
                why: "denied".to_owned(),
            },
            4,
        ),
    ];
    for record in &all {
        store.append_journal(record).await.unwrap();
    }
    assert_eq!(store.journal(None, None, None).await.unwrap(), all);
    let last = |limit| store.last_remediations(ACCOUNT, "b", limit);
    assert_eq!(last(1).await.unwrap(), [all[1].clone(), all[4].clone()]);
    assert_eq!(last(0).await.unwrap(), []);
    let written = |since| store.written_buckets(ACCOUNT, at(since));
    assert_eq!(written(2).await.unwrap(), ["a"], "and not what failed");
    assert!(written(3).await.unwrap().is_empty());
    let of_b = [all[1].clone(), all[4].clone()];
    assert_eq!(
        store.journal(Some(ACCOUNT), Some("b"), None).await.unwrap(),
        of_b
    );
    assert_eq!(
        store.journal(None, Some("b"), Some(at(2))).await.unwrap(),
        of_b[1..]
    );
    assert_eq!(
        store
            .journal(Some("999999999999"), None, None)
            .await
            .unwrap(),
        []
    );
}

pub(crate) async fn enforcement_is_stopped_and_goes_on(place: &Place) {
    let (store, other) = (place.open().await, place.open().await);
    assert_eq!(store.enforcement_stop().await.unwrap(), None);
    for reason in ["change freeze", "still"] {
        let stop = EnforcementStop {
            by: "eve".to_owned(),
            at: at(0),
            reason: reason.to_owned(),
        };
        store.set_enforcement_stop(Some(&stop)).await.unwrap();
        assert_eq!(
            other.enforcement_stop().await.unwrap(),
            Some(stop),
            "everywhere, at once"
        );
    }
    other.set_enforcement_stop(None).await.unwrap();
    assert_eq!(store.enforcement_stop().await.unwrap(), None);
}

pub(crate) async fn coverage_adds_up(place: &Place) {
    let store = place.open().await;
    let swept = Coverage {
        last_sweep_at: Some(at(10)),
        swept: 100,
        undecided: 2,
        untold_changes: 3,
        gaps: vec!["s3:GetBucketPolicy".to_owned()],
        error: Some("denied".to_owned()),
        ..Coverage::of(ACCOUNT, "eu-central-1")
    };
    store.cover(&swept).await.unwrap();
    let told = Coverage {
        last_event_at: Some(at(20)),
        ..Coverage::of(ACCOUNT, "eu-central-1")
    };
    store.cover(&told).await.unwrap();
    let told_earlier = Coverage {
        last_event_at: Some(at(15)),
        swept: 7,
        ..told
    };
    store.cover(&told_earlier).await.unwrap();
    store
        .cover(&Coverage::of("999999999999", "*"))
        .await
        .unwrap();
    let both = Coverage {
        last_event_at: Some(at(20)),
        ..swept.clone()
    };
    assert_eq!(
        store.coverage().await.unwrap(),
        [both, Coverage::of("999999999999", "*")]
    );
    // A sweep that went through and has nothing to complain of says so.
    let clean = Coverage {
        last_sweep_at: Some(at(30)),
        swept: 101,
        untold_changes: 1,
        ..Coverage::of(ACCOUNT, "eu-central-1")
    };
    store.cover(&clean).await.unwrap();
    assert_eq!(
        store.coverage().await.unwrap()[0],
        Coverage {
            last_event_at: Some(at(20)),
            untold_changes: 4,
            ..clean
        }
    );
}

pub(crate) async fn subscriptions_and_memories(place: &Place) {
    let store = place.open().await;
    let mut subscription = SubscriptionState {
        id: "mail".to_owned(),
        endpoint_digest: "abc".to_owned(),
        asked_at: Some(at(0)),
        confirmed_at: None,
        unsubscribed_at: None,
        disabled: None,
    };
    store.put_subscription(&subscription).await.unwrap();
    subscription.confirmed_at = Some(at(1));
    subscription.disabled = Some("410 Gone".to_owned());
    store.put_subscription(&subscription).await.unwrap();
    assert_eq!(store.subscriptions().await.unwrap(), [subscription]);

    assert_eq!(store.remembered("delivered").await.unwrap(), None);
    for value in [json!({"until": 1}), json!("later")] {
        store.remember("delivered", &value).await.unwrap();
        assert_eq!(store.remembered("delivered").await.unwrap(), Some(value));
    }
}

pub(crate) async fn what_is_old_and_not_needed_goes(place: &Place) {
    let store = place.open().await;
    let accepted = [
        (event("e-old", "a", 0), vec![]),
        (event("e-unseen", "a", 0), vec![]),
        (event("e-new", "a", 100), vec![]),
    ];
    store.accept(&accepted).await.unwrap();
    let mut open = finding("a", "acl", 0);
    let mut ended = exposure(&open, 0);
    ended.to = Some(at(5));
    let deliver = |key: &str, payload| NewJob {
        kind: JobKind::Deliver,
        key: key.to_owned(),
        payload,
        due_at: at(0),
    };
    let first = Commit {
        evaluations: vec![evaluation(NonCompliant, 0)],
        findings: vec![open.clone()],
        exposures: vec![ended.clone()],
        events_seen: vec!["e-old".to_owned(), "e-new".to_owned()],
        bus_events: vec![BusEvent {
            id: "bus".to_owned(),
            key: key("a"),
            at: at(0),
            event: json!({}),
            routes: None,
        }],
        notices: vec![
            notice("delivered", 0),
            notice("waiting", 0),
            notice("dead", 0),
        ],
        jobs: vec![
            deliver("deliver waiting", json!({"notice": "waiting"})),
            deliver("deliver dead", json!({"notice": "dead"})),
        ],
        ..commit("a", "first", None, 0)
    };
    store.commit(&first, None, at(0)).await.unwrap();
    open.occurrences = 2;
    let second = Commit {
        evaluations: vec![evaluation(Compliant, 1)],
        exposures: vec![exposure(&open, 6)],
        ..commit("a", "second", Some(1), 1)
    };
    store.commit(&second, None, at(1)).await.unwrap();
    let jobs = store
        .claim(
            &[JobKind::Deliver],
            "worker",
            Duration::from_secs(1),
            at(1),
            10,
        )
        .await
        .unwrap();
    let dead = jobs.iter().find(|job| job.key == "deliver dead").unwrap();
    let finish = Finish::Dead {
        error: "550".to_owned(),
    };
    store.finish(dead, finish, at(1)).await.unwrap();

    let mut gone = 0;
    loop {
        let now = store.retire(at(50), 1).await.unwrap();
        assert!(now <= 6, "one of each at most");
        if now == 0 {
            break;
        }
        gone += now;
    }
    assert_eq!(
        gone, 6,
        "an item, an evaluation, an event, a bus event, a notice, an exposure"
    );
    assert_eq!(
        store.history(ACCOUNT, BUCKET, "a", 9).await.unwrap(),
        [item("a", "second", 1)]
    );
    let evaluations: Vec<EvaluationRecord> = store
        .evaluation_history(ACCOUNT, BUCKET, "a", 9)
        .await
        .unwrap();
    assert_eq!(evaluations, [evaluation(Compliant, 1)]);
    let filter = EventFilter {
        limit: 9,
        ..EventFilter::default()
    };
    let events = store.events(&filter).await.unwrap();
    assert_eq!(
        events.iter().map(|event| &event.id).collect::<Vec<_>>(),
        ["e-new", "e-unseen"]
    );
    assert!(store.bus_events(9).await.unwrap().is_empty());
    assert_eq!(
        store.notices(at(0), at(9), 9).await.unwrap(),
        [notice("dead", 0), notice("waiting", 0)]
    );
    assert_eq!(
        store.exposures(&open.id).await.unwrap(),
        [exposure(&open, 6)]
    );

    // A digest is made of what was told since it was asked for.
    store
        .update_findings(
            &[],
            &[notice("before", 10), notice("digested", 20)],
            &[deliver(
                "deliver digest",
                json!({"digest": "mail", "until": "later"}),
            )],
            None,
            at(15),
        )
        .await
        .unwrap();
    assert_eq!(store.retire(at(50), 10).await.unwrap(), 1);
    assert!(store.notice("digested").await.unwrap().is_some());
    assert!(store.notice("before").await.unwrap().is_none());
}
