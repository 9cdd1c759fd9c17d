//! A sound store, and every way in which one can be wrong that somebody thought of.

#![expect(clippy::unwrap_used, reason = "tests")]

use guard::journal::{Event, Place as At, Record};
use guard::repository::Repository;
use guard::state::Finish;
use serde_json::json;

use super::Check;
use crate::open::Store;
use crate::sql::query;
use crate::testing::on_both;
use crate::testing::samples::{at, commit, evaluation, event, exposure, finding, look};

on_both!(
    a_store_in_use_is_sound,
    what_was_damaged_is_told,
    what_is_wrong_is_bounded,
);

/// One resource with a history, a finding, a remediation, a job that waits and one that is dead.
async fn filled(address: &str) -> Store {
    use compliance::rules::ComplianceType::{Compliant, NonCompliant};

    let store = Store::open(address).await.unwrap();
    let told = (event("e-1", "backups", 0), vec![look("backups", 0)]);
    store.accept(&[told]).await.unwrap();
    let mut first = commit("backups", "a", None, 0);
    first.evaluations = vec![evaluation(NonCompliant, 0)];
    first.findings = vec![finding("backups", "acl", 0)];
    first.exposures = vec![exposure(&first.findings[0], 0)];
    first.jobs = vec![look("backups", 0), look("later", 900)];
    store.commit(&first, None, at(0)).await.unwrap();
    let mut second = commit("backups", "b", Some(1), 5);
    second.evaluations = vec![evaluation(Compliant, 5)];
    store.commit(&second, None, at(5)).await.unwrap();
    let place = At {
        endpoint: None,
        account: None,
        region: None,
        bucket: "backups".to_owned(),
    };
    let intent = Event::Intent {
        place,
        changes: Vec::new(),
    };
    for event in [intent, Event::Verified] {
        let record = Record {
            id: "r-1".to_owned(),
            at: at(1),
            event,
        };
        store.append_journal(&record).await.unwrap();
    }
    let kinds = [guard::state::JobKind::Look];
    let claimed = store
        .claim(&kinds, "w", std::time::Duration::from_secs(1), at(1), 1)
        .await
        .unwrap();
    let dead = Finish::Dead {
        error: "no".to_owned(),
    };
    store.finish(&claimed[0], dead, at(1)).await.unwrap();
    store.remember("a", &json!(1)).await.unwrap();
    store
}

async fn a_store_in_use_is_sound(address: &str) {
    let empty = Store::open(address).await.unwrap();
    assert!(empty.check().await.unwrap().is_sound());
    let store = filled(address).await;
    let writes = store.write().await.unwrap();
    let check = store.check().await.unwrap();
    assert_eq!(check.problems, Vec::<String>::new());
    assert_eq!(check.remediations, [("verified", 1)]);
    let rows = |name: &str| {
        check
            .rows
            .iter()
            .find(|(table, _)| *table == name)
            .unwrap()
            .1
    };
    assert_eq!(
        (
            rows("resources"),
            rows("items"),
            rows("evaluations"),
            rows("jobs"),
            rows("journal")
        ),
        (1, 2, 2, 2, 2)
    );
    drop(writes);
}

/// Each damage for itself, with what the check says of it.
async fn what_was_damaged_is_told(address: &str) {
    let store = filled(address).await;
    for (damage, told) in [
        (
            "UPDATE items SET item = '{\"torn' WHERE id = 1",
            "table items, row 1: column item holds other JSON",
        ),
        (
            "UPDATE items SET item = '{}' WHERE id = 2",
            "table items, row 2: column item is no configuration item",
        ),
        (
            "UPDATE events SET detail = 'torn'",
            "table events, row \"e-1\": column detail holds other JSON",
        ),
        (
            "UPDATE findings SET state_detail = '{\"state\": \"gone\"}'",
            "column state_detail holds other JSON",
        ),
        (
            "UPDATE findings SET state = 'resolved'",
            "column state is another than its detail says",
        ),
        (
            "UPDATE exposures SET classes = '[1]'",
            "column classes holds other JSON",
        ),
        (
            "UPDATE journal SET record = '{\"id\": \"r-1\"}' WHERE seq = 2",
            "table journal, row 2: column record holds other JSON",
        ),
        (
            "DELETE FROM journal WHERE seq = 1",
            "is of a remediation whose intent is not there",
        ),
        (
            "UPDATE tallies SET n = n + 1 WHERE what = 'resource'",
            "is kept as 2, and there are 1",
        ),
        (
            "UPDATE resources SET item = 1",
            "does not name its newest item",
        ),
        (
            "UPDATE resources SET evaluations = '[]'",
            "is not what the table evaluations has as the latest",
        ),
        (
            "UPDATE jobs SET ready_at = NULL WHERE dead_at IS NULL",
            "nobody ever takes the job up",
        ),
        (
            "UPDATE jobs SET notice = 'n-1'",
            "names a notice that is not there",
        ),
        (
            "UPDATE remembered SET value = 'torn'",
            "table remembered, row \"a\": column value holds other JSON",
        ),
        (
            "UPDATE resources SET observed_at = 9223372036854775807",
            "is no time that there is",
        ),
    ] {
        let mut session = store.write().await.unwrap();
        session.run(query("test", damage)).await.unwrap();
        let mut check = Check::of(session.dialect());
        look_at(&mut session, &mut check).await;
        // Undone: the next one is for itself.
        drop(session);
        let all = check.problems.join("\n");
        assert!(!check.is_sound(), "{damage}");
        assert!(all.contains(told), "{damage}: {all}");
    }
    assert!(store.check().await.unwrap().is_sound());
}

/// The check within the transaction that did the damage.
async fn look_at(session: &mut crate::sql::Session, check: &mut Check) {
    super::look(session, check).await.unwrap();
}

async fn what_is_wrong_is_bounded(address: &str) {
    let store = filled(address).await;
    let mut session = store.write().await.unwrap();
    for n in 0..150 {
        let text = "INSERT INTO remembered (name, value) VALUES ($1, 'torn')";
        let insert = query("test", text).bind(&format!("n {n}"));
        session.run(insert).await.unwrap();
    }
    session.commit().await.unwrap();
    let check = store.check().await.unwrap();
    assert_eq!((check.problems.len(), check.further_problems), (100, 50));
}

/// A page of the file that a disk has lost.
#[tokio::test]
async fn a_torn_file_is_told() {
    use std::io::{Seek, SeekFrom, Write};

    let place = crate::testing::place::Place::sqlite();
    let store = filled(&place.address()).await;
    let large = json!("x".repeat(200_000));
    store.remember("large", &large).await.unwrap();
    store.close().await;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(place.address())
        .unwrap();
    // Behind the first pages, which hold the schema, and in the middle of the large value.
    let end = file.seek(SeekFrom::End(-60_000)).unwrap();
    assert!(end > 100_000);
    file.write_all(&[0xff; 16_384]).unwrap();
    drop(file);
    let store = Store::open(&place.address()).await.unwrap();
    let check = store.check().await.unwrap();
    let all = check.problems.join("\n");
    assert!(all.contains("the file:"), "{all}");
    assert!(
        check
            .rows
            .iter()
            .any(|(table, n)| *table == "tallies" && *n > 0),
        "goes on"
    );
    place.remove().await;
}
