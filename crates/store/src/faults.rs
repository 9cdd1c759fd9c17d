//! A store that is full, locked, damaged or gone for a while: what the caller is told, and that nothing
//! is lost.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use guard::repository::{Repository, RepositoryError};
use guard::state::{Finish, JobKind, NewJob};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::OpenError;
use crate::open::{CONNECTIONS, Patience, Store};
use crate::sql::query;
use crate::testing::place::Place;

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn job(name: &str, payload: Value) -> NewJob {
    NewJob {
        kind: JobKind::Look,
        key: format!("look {name}"),
        payload,
        due_at: now(),
    }
}

async fn waiting(store: &Store) -> u64 {
    let totals = store.totals().await.unwrap();
    totals.jobs_waiting.iter().map(|(_, n)| n).sum()
}

fn unavailable<T: std::fmt::Debug>(result: Result<T, RepositoryError>) -> String {
    match result {
        Err(RepositoryError::Unavailable { detail }) => detail,
        other => panic!("{other:?}"),
    }
}

async fn with_pragma(place: &Place, name: &'static str, value: &'static str) -> Store {
    Store::with_pragmas(std::path::Path::new(&place.address()), &[(name, value)])
        .await
        .unwrap()
}

#[tokio::test]
async fn a_full_disk_passes_and_nothing_is_lost() {
    let place = Place::sqlite();
    // No more pages than these: as if the disk were full.
    let store = with_pragma(&place, "max_page_count", "200").await;
    let mut stored = Vec::new();
    let mut refused = 0;
    // Again and again, as long as it lasts; what is small finds room somewhat longer.
    for size in [3_000, 100, 3_000, 100_000, 1] {
        loop {
            let name = format!("{size} {}", stored.len());
            let job = job(&name, json!("x".repeat(size)));
            match store.request(std::slice::from_ref(&job), now()).await {
                Ok(()) => stored.push(job.key),
                failed => {
                    let detail = unavailable(failed);
                    assert!(detail.contains("full"), "{detail}");
                    refused += 1;
                    break;
                }
            }
        }
    }
    assert_eq!(refused, 5);
    assert_eq!(
        waiting(&store).await,
        stored.len() as u64,
        "reading goes on"
    );
    // Somebody makes room, and the next call works.
    let roomy = Store::open(&place.address()).await.unwrap();
    let claimed = roomy
        .claim(
            &[JobKind::Look],
            "worker",
            Duration::from_secs(1),
            now(),
            10_000,
        )
        .await
        .unwrap();
    let mut keys: Vec<String> = claimed.iter().map(|job| job.key.clone()).collect();
    keys.sort();
    stored.sort();
    assert_eq!(keys, stored, "what was promised is there");
    for job in &claimed {
        roomy.finish(job, Finish::Done, now()).await.unwrap();
    }
    let after = job("after", json!("x".repeat(3_000)));
    store.request(&[after], now()).await.unwrap();
    assert_eq!(waiting(&roomy).await, 1);
    let mut session = store.read().await.unwrap();
    let check = session
        .row(query("test", "PRAGMA integrity_check"))
        .await
        .unwrap();
    assert_eq!(check.unwrap().text("integrity_check").unwrap(), "ok");
    place.remove().await;
}

#[tokio::test]
async fn another_process_that_writes_is_waited_for_and_then_said() {
    let place = Place::sqlite();
    let store = with_pragma(&place, "busy_timeout", "1").await;
    let other = Store::open(&place.address()).await.unwrap();
    let holds = other.write().await.unwrap();
    let detail = unavailable(store.remember("a", &json!(1)).await);
    assert!(detail.contains("locked"), "{detail}");
    // Reading is not held up.
    assert_eq!(store.remembered("a").await.unwrap(), None);
    holds.commit().await.unwrap();
    store.remember("a", &json!(2)).await.unwrap();
    assert_eq!(other.remembered("a").await.unwrap(), Some(json!(2)));
    place.remove().await;
}

#[tokio::test]
async fn damage_is_named() {
    let place = Place::sqlite();
    let store = Store::open(&place.address()).await.unwrap();
    store.request(&[job("a", json!(1))], now()).await.unwrap();
    let mut session = store.write().await.unwrap();
    for text in [
        "UPDATE jobs SET kind = 'look', payload = '{\"torn', dead_at = 1, ready_at = NULL",
        "INSERT INTO remembered (name, value) VALUES ('a', 'torn')",
        "INSERT INTO coverage (account, region, swept, undecided, untold_changes, gaps) \
         VALUES ('111122223333', '*', -1, 0, 0, '[]')",
    ] {
        session.run(query("test", text)).await.unwrap();
    }
    session.commit().await.unwrap();
    let broken = |result: Result<(), RepositoryError>, words: &[&str]| match result {
        Err(RepositoryError::Broken { detail }) => {
            for word in words {
                assert!(detail.contains(word), "{detail}");
            }
        }
        other => panic!("{other:?}"),
    };
    broken(
        store.dead_letters(9).await.map(drop),
        &["table jobs", "row 1", "column payload"],
    );
    broken(
        store.remembered("a").await.map(drop),
        &["table remembered", "row \"a\"", "column value"],
    );
    broken(
        store.coverage().await.map(drop),
        &["table coverage", "111122223333", "column swept"],
    );
    place.remove().await;
}

#[tokio::test]
async fn what_is_no_database_is_said() {
    let place = Place::sqlite();
    let store = Store::open(&place.address()).await.unwrap();
    store.close().await;
    std::fs::write(
        place.address(),
        "this is a text file and no database at all",
    )
    .unwrap();
    let refused = Store::open(&place.address()).await.unwrap_err();
    let OpenError::Database { address, source } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(address, place.address());
    assert!(
        matches!(source, RepositoryError::Broken { .. }),
        "{source:?}"
    );
    let folder = format!("{}/no-such-file/portcullis.db", place.address());
    let refused = Store::open(&folder).await.unwrap_err();
    assert!(matches!(refused, OpenError::File { .. }), "{refused:?}");
    place.remove().await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::sqlite();
    let store = Store::open(&place.address()).await.unwrap();
    store.remember("a", &json!(1)).await.unwrap();
    let folder = std::path::PathBuf::from(place.address());
    let mut files = 0;
    for file in std::fs::read_dir(folder.parent().unwrap()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
        files += 1;
    }
    assert!(files > 1, "the log lies beside the file");
    place.remove().await;
}

#[tokio::test]
async fn what_is_committed_is_flushed() {
    let place = Place::sqlite();
    let store = Store::open(&place.address()).await.unwrap();
    let mut session = store.write().await.unwrap();
    for (pragma, expected) in [
        ("PRAGMA synchronous", crate::sql::Cell::Int(2)),
        (
            "PRAGMA journal_mode",
            crate::sql::Cell::Text("wal".to_owned()),
        ),
        ("PRAGMA foreign_keys", crate::sql::Cell::Int(1)),
    ] {
        let row = session.row(query("test", pragma)).await.unwrap().unwrap();
        assert_eq!(row.cells, [expected], "{pragma}");
    }
    drop(session);
    place.remove().await;
}

/// The database is stopped and started again, or the way to it is cut: what is asked for meanwhile is
/// refused as passing, and the first call after it works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn a_database_that_was_gone_is_used_again() {
    let place = Place::postgres().await;
    let url = place.address();
    let (before, name) = url.rsplit_once('/').unwrap();
    let (before, server) = match before.rsplit_once('@') {
        Some((credentials, server)) => (format!("{credentials}@"), server),
        None => (
            "postgres://".to_owned(),
            before.trim_start_matches("postgres://"),
        ),
    };
    let proxy = faults::TcpProxy::start(server.parse().unwrap())
        .await
        .unwrap();
    let through = format!("{before}{}/{name}", proxy.address());
    let store = Store::open(&through).await.unwrap();
    let direct = Store::open(&url).await.unwrap();

    // Every connection breaks while it is idle: nobody notices.
    for round in 0..3 {
        proxy.disconnect().await.unwrap();
        store.remember("round", &json!(round)).await.unwrap();
    }
    // As when the server is told to stop: it ends what it was asked before.
    let mut session = direct.read().await.unwrap();
    session
        .rows(query(
            "test",
            "SELECT CAST(count(pg_terminate_backend(pid)) AS BIGINT) AS n FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        ))
        .await
        .unwrap();
    drop(session);
    store.remember("round", &json!("terminated")).await.unwrap();

    // Gone for a while.
    proxy.refuse().await.unwrap();
    unavailable(store.remember("round", &json!("gone")).await);
    unavailable(store.totals().await);
    proxy.come_back().await.unwrap();
    assert_eq!(
        store.remembered("round").await.unwrap(),
        Some(json!("terminated"))
    );

    // Cut while a transaction runs: it is there whole or not at all, and the caller who was refused
    // may ask again.
    for round in 0..20 {
        let name = format!("cut {round}");
        let jobs = [
            job(&name, json!(round)),
            job(&format!("{name} too"), json!(round)),
        ];
        let (asked, cut) = tokio::join!(store.request(&jobs, now()), proxy.disconnect());
        cut.unwrap();
        if asked.is_err() {
            unavailable(asked);
        }
        assert_eq!(waiting(&direct).await % 2, 0, "whole or not at all");
        store.request(&jobs, now()).await.unwrap();
    }
    assert_eq!(waiting(&direct).await, 40);

    // Who waits for work hears of it again, and looks when the way was cut in between.
    let signal = store.work_asked_for();
    tokio::pin!(signal);
    let mut asked = 0;
    loop {
        asked += 1;
        tokio::select! {
            () = &mut signal => break,
            done = async { direct.request(&[job("a", json!(asked))], now()).await } => done.unwrap(),
        }
    }
    direct.close().await;
    store.close().await;
    place.remove().await;
}

/// A server that is reached and says nothing: the caller is told, and when it answers again, so does
/// the store. What is waited for is short here, and only ever as long as it has to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn a_database_that_does_not_answer_is_not_waited_for() {
    const SHORT: Patience = Patience {
        connection: Duration::from_millis(400),
        statement: Duration::from_secs(3),
    };
    let place = Place::postgres().await;
    let line = Line::to(&place.address()).await;

    // From the beginning.
    line.fall_silent();
    let OpenError::Database { source, .. } =
        Store::with_patience(&line.url, SHORT).await.unwrap_err()
    else {
        panic!("it is about the database");
    };
    let detail = unavailable::<()>(Err(source));
    assert!(detail.contains("no connection in time"), "{detail}");
    line.answer_anew();
    let store = Store::with_patience(&line.url, SHORT).await.unwrap();

    for round in 0..3 {
        store.remember("round", &json!(round)).await.unwrap();
        // In the middle of a transaction, on as many connections as there may be: each is held here
        // and given up, and none of them is lost to those who come later.
        let mut sessions = Vec::new();
        for _ in 0..CONNECTIONS {
            sessions.push(store.write().await.unwrap());
        }
        line.fall_silent();
        let mut asked = tokio::task::JoinSet::new();
        for mut session in sessions {
            asked.spawn(async move { session.rows(query("test", "SELECT 1 AS n")).await });
        }
        while let Some(answer) = asked.join_next().await {
            let detail = unavailable(answer.unwrap().map_err(RepositoryError::from));
            assert!(detail.contains("did not answer within 3 s"), "{detail}");
        }
        unavailable(store.remember("round", &json!("silence")).await);
        unavailable(store.totals().await);
        line.answer_anew();
        // What was given up is put away before it is replaced.
        while let Err(error) = store.remembered("round").await {
            unavailable::<()>(Err(error));
        }
        let mut sessions = Vec::new();
        while sessions.len() < CONNECTIONS as usize {
            match store.write().await {
                Ok(session) => sessions.push(session),
                Err(failure) => drop(unavailable::<()>(Err(failure.into()))),
            }
        }
        drop(sessions);
        assert_eq!(store.remembered("round").await.unwrap(), Some(json!(round)));
    }
    store.close().await;
    place.remove().await;
}

/// A line to a server that can fall silent as a network does: nothing is refused, nothing ends, and
/// nothing comes any more on the connections that there are.
struct Line {
    url: String,
    /// Counts up when the line falls silent (odd) and when it works for new connections (even).
    state: tokio::sync::watch::Sender<u64>,
}

impl Line {
    async fn to(url: &str) -> Line {
        let (before, name) = url.rsplit_once('/').unwrap();
        let (scheme, server) = before.split_once("://").unwrap();
        let (credentials, server) = match server.rsplit_once('@') {
            Some((credentials, server)) => (format!("{credentials}@"), server.to_owned()),
            None => (String::new(), server.to_owned()),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "{scheme}://{credentials}{}/{name}",
            listener.local_addr().unwrap()
        );
        let (state, changes) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (mut changes, server) = (changes.clone(), server.clone());
                tokio::spawn(async move {
                    let began = *changes.borrow_and_update();
                    let through = async {
                        let mut server = tokio::net::TcpStream::connect(server).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                        drop(server);
                    };
                    let silent = changes.wait_for(|now| began % 2 == 1 || *now != began);
                    tokio::select! {
                        () = through => return,
                        gone = silent => if gone.is_err() { return },
                    }
                    // Held until the test ends.
                    std::future::pending::<()>().await;
                });
            }
        });
        Line { url, state }
    }

    fn fall_silent(&self) {
        self.state.send_modify(|state| *state += 1);
    }

    fn answer_anew(&self) {
        self.state.send_modify(|state| *state += 1);
    }
}
