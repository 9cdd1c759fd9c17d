use compliance::item::BUCKET;
use guard::repository::{Accepted, EventFilter, Repository};
use guard::state::{Commit, JobKind};
use serde_json::json;

use super::place::Place;
use super::samples::{ACCOUNT, at, commit, event, key, look};

pub(crate) async fn an_event_counts_once(place: &Place) {
    let store = place.open().await;
    let batch = [
        (event("e-1", "a", 0), vec![look("a", 1)]),
        (event("e-2", "b", 0), vec![look("b", 1)]),
        (event("e-1", "a", 0), vec![look("other", 1)]),
    ];
    assert_eq!(
        store.accept(&batch).await.unwrap(),
        Accepted {
            new: 2,
            duplicate: 1
        }
    );
    assert_eq!(
        store.accept(&batch[..1]).await.unwrap(),
        Accepted {
            new: 0,
            duplicate: 1
        }
    );
    assert_eq!(store.accept(&[]).await.unwrap(), Accepted::default());
    let jobs = store
        .claim(
            &[JobKind::Look],
            "worker",
            std::time::Duration::from_secs(1),
            at(2),
            10,
        )
        .await
        .unwrap();
    assert_eq!(
        jobs.iter().map(|job| &job.key).collect::<Vec<_>>(),
        [&look("a", 1).key, &look("b", 1).key],
        "duplicates ask for nothing"
    );
}

pub(crate) async fn events_are_seen_then_closed(place: &Place) {
    let store = place.open().await;
    let late = event("e-0", "a", -60);
    let events: Vec<_> = (1..=40)
        .map(|n| (event(&format!("e-{n}"), "a", n), vec![]))
        .chain([(late.clone(), vec![]), (event("x-1", "b", 0), vec![])])
        .collect();
    store.accept(&events).await.unwrap();
    let unseen = store
        .unseen_events(ACCOUNT, BUCKET, "a", 100)
        .await
        .unwrap();
    assert_eq!(unseen.len(), 41);
    assert_eq!(unseen[0], late, "in the order of their time");
    assert!(unseen.is_sorted_by_key(|event| event.event_time));

    let seen = Commit {
        events_seen: (1..=39).map(|n| format!("e-{n}")).collect(),
        ..commit("a", "open", None, 50)
    };
    store.commit(&seen, None, at(51)).await.unwrap();
    let unseen = store
        .unseen_events(ACCOUNT, BUCKET, "a", 100)
        .await
        .unwrap();
    assert_eq!(
        unseen.iter().map(|event| &event.id).collect::<Vec<_>>(),
        ["e-0", "e-40"]
    );
    let closed = Commit {
        expected_version: Some(1),
        events_seen: vec!["e-40".to_owned()],
        events_closed: true,
        ..Commit::of(key("a"), at(60))
    };
    store.commit(&closed, None, at(61)).await.unwrap();
    let filter = EventFilter {
        limit: 100,
        ..EventFilter::default()
    };
    for event in store.events(&filter).await.unwrap() {
        let times = (event.verdict_at, event.closed_at);
        let expected = match event.id.as_str() {
            "e-0" | "x-1" => (None, None),
            "e-40" => (Some(at(61)), Some(at(61))),
            _ => (Some(at(51)), Some(at(61))),
        };
        assert_eq!(times, expected, "{}", event.id);
    }
}

pub(crate) async fn events_are_listed_by_arrival(place: &Place) {
    let store = place.open().await;
    let mut other = event("e-9", "a", 9);
    other.account = "999999999999".to_owned();
    let events: Vec<_> = (0..5)
        .map(|n| {
            (
                event(&format!("e-{n}"), if n % 2 == 0 { "a" } else { "b" }, n),
                vec![],
            )
        })
        .chain([(other, vec![])])
        .collect();
    store.accept(&events).await.unwrap();
    let list = async |account: Option<&str>, resource_id: Option<&str>, since, limit| {
        let filter = EventFilter {
            account: account.map(str::to_owned),
            resource_id: resource_id.map(str::to_owned),
            since,
            limit,
            after: None,
        };
        let events = store.events(&filter).await.unwrap();
        events.into_iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(
        list(None, None, None, 10).await,
        ["e-9", "e-4", "e-3", "e-2", "e-1", "e-0"]
    );
    assert_eq!(list(None, None, None, 2).await, ["e-9", "e-4"]);
    assert_eq!(
        list(None, None, Some(at(4)), 10).await,
        ["e-9", "e-4", "e-3"],
        "from that moment on"
    );
    assert_eq!(
        list(Some(ACCOUNT), Some("a"), None, 10).await,
        ["e-4", "e-2", "e-0"]
    );
    assert_eq!(list(None, Some("a"), Some(at(4)), 1).await, ["e-9"]);
    assert_eq!(list(Some("999999999999"), None, None, 10).await, ["e-9"]);
    assert_eq!(
        store
            .events(&EventFilter {
                limit: 1,
                account: Some(ACCOUNT.to_owned()),
                ..EventFilter::default()
            })
            .await
            .unwrap(),
        [event("e-4", "a", 4)]
    );
    // Page by page, whatever arrives at the same moment.
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let filter = EventFilter {
            after: after.clone(),
            resource_id: Some("a".to_owned()),
            limit: 2,
            ..EventFilter::default()
        };
        let page = store.events(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.arrived_at, last.id.clone()));
        paged.extend(page.into_iter().map(|event| event.id));
    }
    assert_eq!(paged, ["e-9", "e-4", "e-2", "e-0"]);
}

/// Whatever an event holds, it is stored, so that its source forgets it.
pub(crate) async fn hostile_texts_are_kept(place: &Place) {
    let store = place.open().await;
    let mut hostile = event("e'\"; DROP TABLE events; --\u{0}", "a", 0);
    hostile.actor = Some("nul \u{0}, right-to-left \u{202e}, emoji \u{1f512}".to_owned());
    hostile.detail = json!({"nul": "\u{0}", "quote": "'\"\\", "deep": {"$1": ["?"]}});
    store
        .accept(&[(hostile.clone(), vec![look("a\u{0}b", 0)])])
        .await
        .unwrap();
    assert_eq!(
        store
            .accept(&[(hostile.clone(), vec![])])
            .await
            .unwrap()
            .duplicate,
        1
    );
    let stored = store
        .unseen_events(ACCOUNT, BUCKET, "a", 100)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(stored.detail, hostile.detail);
    assert_eq!(
        stored.actor.as_deref(),
        Some("nul \u{fffd}, right-to-left \u{202e}, emoji \u{1f512}")
    );
}
