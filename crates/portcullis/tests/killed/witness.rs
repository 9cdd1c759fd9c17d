//! What is to be true after any number of kills.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use compliance::item::BUCKET;
use compliance::notice::Notice;
use guard::repository::{FindingFilter, Repository};
use guard::state::{Finding, JobKind};
use serde_json::json;

use crate::support::ACCOUNT;
use crate::world::{BUCKETS, DELIVERIES, Process, World};

/// Waits until no bucket is to be looked at and no message to be sent, also by nobody who was killed:
/// another process tells of its work only through the store.
pub(crate) async fn settled(world: &World, store: &store::Store) {
    for _ in 0..6_000 {
        // One that was to be held and came only now.
        world.stage.mailbox.release().await.unwrap();
        let next = store
            .next_due(&[
                JobKind::Look,
                JobKind::Review,
                JobKind::Deliver,
                JobKind::Forward,
            ])
            .await;
        // Full records of the buckets are spread over the hours to come.
        let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(1);
        if next.unwrap().is_none_or(|due| due > soon) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?}", store.totals().await.unwrap());
}

async fn findings(store: &store::Store, states: &[&str]) -> Vec<Finding> {
    let filter = FindingFilter {
        states: states.iter().map(|state| (*state).to_owned()).collect(),
        limit: 1000,
        ..FindingFilter::default()
    };
    store.findings(&filter).await.unwrap()
}

/// ACLs are closed, policies are as they were left, and what is recorded is what is there.
pub(crate) async fn nothing_is_open(world: &World, store: &store::Store) {
    assert_eq!(store.enforcement_stop().await.unwrap(), None);
    let open: BTreeSet<(String, String)> = findings(store, &["open"])
        .await
        .into_iter()
        .map(|finding| (finding.key.resource_id, finding.cause))
        .collect();
    let mut expected = BTreeSet::new();
    for bucket in 0..BUCKETS {
        let name = format!("kill-{bucket}");
        assert!(
            !world.stage.acl_is_public(bucket).await,
            "{name} stays open"
        );
        if world.stage.has_policy(bucket).await {
            expected.insert((name.clone(), "policy".to_owned()));
        }
        let unseen = store.unseen_events(ACCOUNT, BUCKET, &name, 1).await;
        assert_eq!(unseen.unwrap(), [], "an event that nobody looked after");
    }
    assert_eq!(open, expected, "what is open is what is recorded as open");
    let totals = store.totals().await.unwrap();
    assert_eq!(totals.exposures_open, open.len() as u64);
}

/// Every time that a bucket was open was told, and every notice reached the mailbox, each under one
/// Message-ID.
pub(crate) async fn nothing_is_lost(world: &World, store: &store::Store) {
    assert_eq!(store.dead_letters(10).await.unwrap(), []);
    let first = jiff::Timestamp::MIN;
    let notices = store
        .notices(first, jiff::Timestamp::MAX, 1_000_000)
        .await
        .unwrap();
    let mails: BTreeSet<String> = world
        .stage
        .mailbox
        .messages()
        .all()
        .iter()
        // What stood open when the subscriber came is told once more, at a stroke.
        .filter(|mail| !mail.subject().unwrap().ends_with(" from Portcullis"))
        .map(|mail| mail.message_id().unwrap())
        .collect();
    assert_eq!(
        mails.len(),
        notices.len(),
        "one Message-ID a notice: none lost, none sent under two"
    );
    let told: BTreeSet<(String, u64)> = notices
        .iter()
        .map(|record| serde_json::from_value::<Notice>(record.document.clone()).unwrap())
        .filter_map(|notice| Some((notice.finding_id?, notice.occurrence)))
        .collect();
    let mut times = 0;
    for finding in findings(store, &[]).await {
        for occurrence in 1..=u64::from(finding.occurrences) {
            times += 1;
            assert!(
                told.contains(&(finding.id.clone(), occurrence)),
                "nobody was told of occurrence {occurrence} of {finding:?}"
            );
        }
    }
    println!(
        "{} notices of {times} times that a bucket was open",
        notices.len()
    );
}

/// A mail comes a second time only from another process, after the first was killed, and of each
/// process that was killed no more than it was sending then.
pub(crate) fn repeats_are_explained(world: &World, fallen: &mut [Process]) {
    let mut copies: BTreeMap<String, Vec<(Process, bool)>> = BTreeMap::new();
    for mail in world.stage.mailbox.messages().all() {
        let id = mail.message_id().unwrap();
        let copy = (Process::of(&mail), mail.told);
        copies.entry(id).or_default().push(copy);
    }
    fallen.sort();
    let mut repeated: BTreeMap<Process, usize> = BTreeMap::new();
    let mut not_told = 0;
    for (id, copies) in &copies {
        let senders: BTreeSet<Process> = copies.iter().map(|(sender, _)| *sender).collect();
        assert_eq!(
            senders.len(),
            copies.len(),
            "{id} was sent twice by one process: {copies:?}"
        );
        let earlier = copies.split_last().map_or(&[][..], |(_, earlier)| earlier);
        for (sender, told) in earlier {
            assert!(
                fallen.binary_search(sender).is_ok(),
                "{id} was repeated though {sender:?} was not killed: {copies:?}"
            );
            *repeated.entry(*sender).or_default() += 1;
            not_told += usize::from(!told);
        }
    }
    for (process, count) in &repeated {
        assert!(
            *count <= DELIVERIES,
            "{process:?} sent {count} mails that were repeated, and {DELIVERIES} at the same time"
        );
    }
    let all: usize = repeated.values().sum();
    let most = copies.values().map(Vec::len).max().unwrap_or_default();
    println!(
        "{all} mails repeated, after {} of the kills, {not_told} of them taken by the server without its \
         saying so; no mail came more than {most} times",
        repeated.len()
    );
    // Or it would be no witness.
    assert!(copies.len() * 10 >= fallen.len(), "too few mails");
    assert!(all > 0 || fallen.len() < 100, "no kill fell into a mail");
}

/// As an operator would ask, while it is worked on or not.
pub(crate) fn the_store_is_sound(world: &World) {
    let setup = world.setup();
    let check = setup.json(&["store", "check"]);
    assert_eq!(check["sound"], json!(true), "{check:#}");
    assert_eq!(check["not_checked"], json!([]), "{check:#}");
    println!(
        "the store is sound: {}, remediations {}",
        check["rows"], check["remediations"]
    );
}
