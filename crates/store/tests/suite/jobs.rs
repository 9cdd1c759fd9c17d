use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use guard::repository::{Repository, RepositoryError};
use guard::state::{Finish, Job, JobKind, NewJob};
use serde_json::json;
use store::Store;

use super::place::Place;
use super::samples::{at, look};

const LEASE: Duration = Duration::from_secs(60);

async fn claim(store: &Store, seconds: i64) -> Vec<Job> {
    store
        .claim(&[JobKind::Look], "worker", LEASE, at(seconds), 100)
        .await
        .unwrap()
}

fn lost(result: Result<(), RepositoryError>) {
    assert!(
        matches!(result, Err(RepositoryError::LeaseLost)),
        "{result:?}"
    );
}

pub(crate) async fn a_job_is_one_until_it_is_done(place: &Place) {
    let store = place.open().await;
    store.request(&[look("a", 0)], at(0)).await.unwrap();
    store
        .request(&[look("a", 0), look("b", 5)], at(0))
        .await
        .unwrap();
    assert_eq!(
        store.next_due(&[JobKind::Look]).await.unwrap(),
        Some(at(0)),
        "exact to the microsecond"
    );
    assert_eq!(store.next_due(&[JobKind::Deliver]).await.unwrap(), None);
    assert_eq!(store.next_due(&[]).await.unwrap(), None);
    assert_eq!(
        store.claim(&[], "worker", LEASE, at(9), 100).await.unwrap(),
        []
    );
    assert_eq!(
        store
            .claim(&[JobKind::Deliver], "worker", LEASE, at(9), 100)
            .await
            .unwrap(),
        []
    );
    let jobs = claim(&store, 0).await;
    let [job] = jobs.as_slice() else {
        panic!("{jobs:?}")
    };
    assert_eq!(job.kind, JobKind::Look);
    assert_eq!(job.key, look("a", 0).key);
    assert_eq!(job.payload, json!({"resourceId": "a"}));
    assert_eq!((job.attempts, job.generation), (1, 2));
    assert_eq!((job.due_at, job.created_at), (at(0), at(0)));
    assert_eq!(job.last_error, None);
    assert_eq!(store.next_due(&[JobKind::Look]).await.unwrap(), Some(at(5)));
    assert_eq!(claim(&store, 0).await, [], "what is held is due for nobody");
    store.finish(job, Finish::Done, at(1)).await.unwrap();
    lost(store.finish(job, Finish::Done, at(1)).await);
    lost(store.renew(job, LEASE, at(1)).await);
    // Done: the same key is another job.
    store.request(&[look("a", 9)], at(9)).await.unwrap();
    let jobs = claim(&store, 9).await;
    let keys: Vec<&str> = jobs.iter().map(|job| job.key.as_str()).collect();
    assert_eq!(
        keys,
        [&look("b", 0).key, &look("a", 0).key],
        "the earliest first"
    );
    assert_ne!(jobs[1].id, job.id);
    assert_ne!(jobs[1].lease, job.lease);
}

pub(crate) async fn the_earlier_time_counts(place: &Place) {
    let store = place.open().await;
    for seconds in [50, 10, 30] {
        store.request(&[look("a", seconds)], at(0)).await.unwrap();
    }
    assert_eq!(claim(&store, 9).await, []);
    let jobs = claim(&store, 10).await;
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].due_at, at(10));
}

pub(crate) async fn asked_for_while_it_runs_it_runs_again(place: &Place) {
    let store = place.open().await;
    store.request(&[look("a", 0)], at(0)).await.unwrap();
    let first = claim(&store, 0).await.remove(0);
    store.request(&[look("a", 1)], at(1)).await.unwrap();
    assert_eq!(claim(&store, 1).await, [], "it runs already");
    store.finish(&first, Finish::Done, at(2)).await.unwrap();
    let second = claim(&store, 2).await.remove(0);
    assert_eq!(second.attempts, 1, "this is not a retry");
    assert!(second.generation > first.generation);
    assert_ne!(second.lease, first.lease);
    // A failure that would wait long does not hold up what was asked for meanwhile.
    store.request(&[look("a", 3)], at(3)).await.unwrap();
    let failed = Finish::Again {
        due_at: at(1000),
        error: Some("throttled".to_owned()),
    };
    store.finish(&second, failed, at(4)).await.unwrap();
    let third = claim(&store, 4).await.remove(0);
    assert_eq!(third.attempts, 2);
    // What cannot be done is a dead letter, and what was asked for meanwhile is tried all the same.
    store.request(&[look("a", 5)], at(5)).await.unwrap();
    let dead = Finish::Dead {
        error: "denied".to_owned(),
    };
    store.finish(&third, dead, at(6)).await.unwrap();
    assert_eq!(store.dead_letters(10).await.unwrap().len(), 1);
    let fourth = claim(&store, 6).await.remove(0);
    assert_ne!(fourth.id, third.id);
    store.finish(&fourth, Finish::Done, at(7)).await.unwrap();
    assert_eq!(claim(&store, 10_000).await, []);
}

pub(crate) async fn a_job_that_asks_for_itself_waits_until_then(place: &Place) {
    let store = place.open().await;
    store.request(&[look("a", 0)], at(0)).await.unwrap();
    let job = claim(&store, 0).await.remove(0);
    store
        .update_findings(
            &[],
            &[],
            &[look("a", 600)],
            Some((&job, Finish::Done)),
            at(1),
        )
        .await
        .unwrap();
    assert_eq!(claim(&store, 599).await, []);
    assert_eq!(
        store.next_due(&[JobKind::Look]).await.unwrap(),
        Some(at(600))
    );
    assert_eq!(claim(&store, 600).await.len(), 1);
}

pub(crate) async fn what_is_put_off_was_no_attempt(place: &Place) {
    let store = place.open().await;
    store.request(&[look("a", 0)], at(0)).await.unwrap();
    let put_off = |seconds| Finish::PutOff {
        due_at: at(seconds),
    };
    let first = claim(&store, 0).await.remove(0);
    store.finish(&first, put_off(10), at(1)).await.unwrap();
    lost(store.finish(&first, put_off(10), at(1)).await);
    assert_eq!(claim(&store, 9).await, []);
    let second = claim(&store, 10).await.remove(0);
    assert_eq!((second.id, second.attempts), (first.id, 1));
    assert_eq!((second.due_at, second.created_at), (at(10), at(0)));
    assert_ne!(second.lease, first.lease);
    let failed = Finish::Again {
        due_at: at(20),
        error: Some("nobody answers".to_owned()),
    };
    store.finish(&second, failed, at(11)).await.unwrap();
    // What went wrong before stays said and counted.
    let third = claim(&store, 20).await.remove(0);
    store.finish(&third, put_off(1000), at(21)).await.unwrap();
    store.request(&[look("a", 30)], at(22)).await.unwrap();
    let fourth = claim(&store, 30).await.remove(0);
    assert_eq!(fourth.attempts, 2);
    assert_eq!(fourth.last_error.as_deref(), Some("nobody answers"));
    // Asked for again while somebody held it, it is due at the earlier time.
    store.request(&[look("a", 40)], at(31)).await.unwrap();
    store.finish(&fourth, put_off(1000), at(32)).await.unwrap();
    let fifth = claim(&store, 40).await.remove(0);
    assert_eq!((fifth.attempts, fifth.due_at), (2, at(40)));
}

pub(crate) async fn a_lease_that_ran_out_is_taken_up(place: &Place) {
    let store = place.open().await;
    store.request(&[look("a", 0)], at(0)).await.unwrap();
    let slow = claim(&store, 0).await.remove(0);
    store.renew(&slow, LEASE, at(30)).await.unwrap();
    assert_eq!(
        store.next_due(&[JobKind::Look]).await.unwrap(),
        Some(at(90)),
        "when the lease runs out"
    );
    assert_eq!(claim(&store, 89).await, []);
    let quick = claim(&store, 90).await.remove(0);
    assert_eq!((quick.id, quick.attempts), (slow.id, 2));
    lost(store.renew(&slow, LEASE, at(91)).await);
    lost(store.finish(&slow, Finish::Done, at(91)).await);
    lost(
        store
            .finish(
                &slow,
                Finish::Again {
                    due_at: at(0),
                    error: None,
                },
                at(91),
            )
            .await,
    );
    lost(
        store
            .finish(
                &slow,
                Finish::Dead {
                    error: String::new(),
                },
                at(91),
            )
            .await,
    );
    lost(
        store
            .update_findings(
                &[],
                &[],
                &[look("b", 0)],
                Some((&slow, Finish::Done)),
                at(91),
            )
            .await,
    );
    assert_eq!(
        claim(&store, 91).await,
        [],
        "nothing of the refused call is there"
    );
    store.finish(&quick, Finish::Done, at(92)).await.unwrap();
    assert_eq!(claim(&store, 1_000).await, []);
}

pub(crate) async fn what_failed_is_counted_and_what_is_repeated_is_not(place: &Place) {
    let store = place.open().await;
    store.request(&[look("a", 0)], at(0)).await.unwrap();
    for attempt in 1..=3 {
        let job = claim(&store, attempt).await.remove(0);
        assert_eq!(i64::from(job.attempts), attempt);
        let again = Finish::Again {
            due_at: at(attempt + 1),
            error: Some(format!("failure {attempt}")),
        };
        store.finish(&job, again, at(attempt)).await.unwrap();
    }
    let job = claim(&store, 4).await.remove(0);
    assert_eq!(job.last_error.as_deref(), Some("failure 3"));
    let again = Finish::Again {
        due_at: at(100),
        error: None,
    };
    store.finish(&job, again, at(4)).await.unwrap();
    assert_eq!(claim(&store, 99).await, []);
    let job = claim(&store, 100).await.remove(0);
    assert_eq!((job.attempts, job.last_error), (1, None));
}

pub(crate) async fn dead_letters_are_kept_and_redriven(place: &Place) {
    let store = place.open().await;
    let names = ["a", "b"];
    let asked: Vec<NewJob> = names.map(|name| look(name, 0)).to_vec();
    store.request(&asked, at(0)).await.unwrap();
    for (seconds, job) in (1..).zip(claim(&store, 0).await) {
        let dead = Finish::Dead {
            error: "no such subscription".to_owned(),
        };
        store.finish(&job, dead, at(seconds)).await.unwrap();
    }
    assert_eq!(claim(&store, 1_000).await, []);
    assert_eq!(store.next_due(&[JobKind::Look]).await.unwrap(), None);
    let dead = store.dead_letters(10).await.unwrap();
    assert_eq!(
        dead.iter().map(|job| &job.key).collect::<Vec<_>>(),
        [&asked[1].key, &asked[0].key],
        "the last first"
    );
    assert_eq!(dead[0].last_error.as_deref(), Some("no such subscription"));
    assert_eq!(store.dead_letters(1).await.unwrap().len(), 1);
    let totals = store.totals().await.unwrap();
    assert_eq!(totals.jobs_dead, [("look".to_owned(), 2)]);
    assert_eq!(totals.jobs_waiting, []);
    assert!(store.redrive(dead[0].id, at(10)).await.unwrap());
    assert!(!store.redrive(dead[0].id, at(10)).await.unwrap());
    assert!(!store.redrive(i64::MAX, at(10)).await.unwrap());
    let again = claim(&store, 10).await;
    assert_eq!(again.len(), 1);
    assert_eq!((&again[0].key, again[0].attempts), (&asked[1].key, 1));
    assert!(
        !store.redrive(again[0].id, at(10)).await.unwrap(),
        "that one lives"
    );
    // The same was asked for since: redriven, it is still one.
    store.request(&[look("a", 500)], at(11)).await.unwrap();
    assert!(store.redrive(dead[1].id, at(12)).await.unwrap());
    assert_eq!(claim(&store, 12).await.len(), 1);
    assert_eq!(store.dead_letters(10).await.unwrap(), []);
}

/// Workers of two processes take up what others ask for, and let leases run out on purpose: each job
/// is held by one at a time, and all are done.
pub(crate) async fn no_job_is_given_to_two(place: &Place) {
    const JOBS: usize = 60;
    const WORKERS: usize = 6;
    let stores = [Arc::new(place.open().await), Arc::new(place.open().await)];
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..WORKERS {
        let store = Arc::clone(&stores[worker % 2]);
        tasks.spawn(async move {
            let asked: Vec<NewJob> = (0..JOBS)
                .filter(|job| job % WORKERS == worker)
                .map(|job| look(&format!("bucket-{job}"), 0))
                .collect();
            store.request(&asked, at(0)).await.unwrap();
            Vec::new()
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    for worker in 0..WORKERS {
        let store = Arc::clone(&stores[worker % 2]);
        tasks.spawn(async move {
            let mut held = Vec::new();
            loop {
                let jobs = store
                    .claim(
                        &[JobKind::Look],
                        &format!("worker-{worker}"),
                        LEASE,
                        at(1),
                        3,
                    )
                    .await
                    .unwrap();
                if jobs.is_empty() {
                    return held;
                }
                assert!(jobs.len() <= 3);
                held.extend(jobs);
            }
        });
    }
    let mut holders: BTreeMap<i64, usize> = BTreeMap::new();
    let mut held = Vec::new();
    while let Some(done) = tasks.join_next().await {
        for job in done.unwrap() {
            *holders.entry(job.id).or_default() += 1;
            held.push(job);
        }
    }
    assert_eq!(holders.len(), JOBS);
    assert!(holders.values().all(|count| *count == 1), "{holders:?}");
    // All leases run out at once: again each goes to one, and of the two who held it one ends it.
    let mut endings = tokio::task::JoinSet::new();
    let taken = stores[1]
        .claim(&[JobKind::Look], "other", LEASE, at(100), 1_000)
        .await
        .unwrap();
    assert_eq!(taken.len(), JOBS);
    for (turn, job) in held.into_iter().chain(taken).enumerate() {
        let store = Arc::clone(&stores[turn % 2]);
        endings.spawn(async move { store.finish(&job, Finish::Done, at(101)).await.is_ok() });
    }
    let mut ended = 0;
    while let Some(done) = endings.join_next().await {
        ended += usize::from(done.unwrap());
    }
    assert_eq!(ended, JOBS);
    assert_eq!(claim(&stores[0], 10_000).await, []);
}

pub(crate) async fn those_who_wait_hear_of_work(place: &Place) {
    let store = place.open().await;
    // Whoever begins to wait before the work is asked for hears of it, polled or not.
    let signal = store.work_asked_for();
    store.request(&[look("a", 0)], at(0)).await.unwrap();
    signal.await;
    let Place::Postgres { .. } = place else {
        return;
    };
    // Another process is heard too. It may not listen yet: asked until it hears.
    let other = place.open().await;
    let signal = other.work_asked_for();
    tokio::pin!(signal);
    let mut seconds = 0;
    loop {
        seconds += 1;
        tokio::select! {
            () = &mut signal => break,
            asked = async {
                store.request(&[look("a", seconds)], at(seconds)).await
            } => asked.unwrap(),
        }
    }
}

fn asked(kind: JobKind, seconds: i64, says: &str) -> NewJob {
    let mut job = look("a", seconds);
    job.kind = kind;
    job.payload[says] = json!(true);
    job
}

pub(crate) async fn what_a_look_is_asked_for_is_kept(place: &Place) {
    let store = place.open().await;
    let everything = asked(JobKind::Review, 90, "everything");
    store.request(&[everything], at(0)).await.unwrap();
    assert_eq!(
        store.next_due(&[JobKind::Review]).await.unwrap(),
        Some(at(90))
    );
    // What happens makes it urgent, and takes nothing of it away.
    store.request(&[look("a", 5)], at(5)).await.unwrap();
    store
        .request(&[asked(JobKind::Review, 7, "anew")], at(6))
        .await
        .unwrap();
    assert_eq!(store.next_due(&[JobKind::Review]).await.unwrap(), None);
    let first = claim(&store, 5).await.remove(0);
    let both = json!({"resourceId": "a", "everything": true, "anew": true});
    assert_eq!(
        (first.kind, first.due_at, &first.payload),
        (JobKind::Look, at(5), &both)
    );
    assert_eq!(first.generation, 3);
    // The same while it runs.
    store
        .request(&[asked(JobKind::Review, 8, "region")], at(6))
        .await
        .unwrap();
    store.request(&[look("a", 9)], at(6)).await.unwrap();
    store.finish(&first, Finish::Done, at(7)).await.unwrap();
    let second = claim(&store, 8).await.remove(0);
    assert_eq!(second.payload["region"], true);
    store.finish(&second, Finish::Done, at(8)).await.unwrap();
    // Of other jobs the later payload counts.
    for says in ["one", "other"] {
        store
            .request(&[asked(JobKind::Sweep, 0, says)], at(9))
            .await
            .unwrap();
    }
    let sweeps = store
        .claim(&[JobKind::Sweep], "worker", LEASE, at(9), 9)
        .await;
    let payload = &sweeps.unwrap()[0].payload;
    assert_eq!(*payload, json!({"resourceId": "a", "other": true}));
}

/// Many workers ask for the same look at the same time, while it is done again and again.
pub(crate) async fn of_many_who_ask_nobody_is_forgotten(place: &Place) {
    const ASKING: usize = 6;
    const TIMES: usize = 12;
    let store = Arc::new(place.open().await);
    let mut asking = tokio::task::JoinSet::new();
    for own in 0..ASKING {
        let store = Arc::new(place.open().await);
        asking.spawn(async move {
            for time in 0..TIMES {
                let job = asked(JobKind::Look, 0, &format!("{own}.{time}"));
                store.request(&[job], at(0)).await.unwrap();
            }
        });
    }
    let mut told = std::collections::BTreeSet::new();
    while told.len() < ASKING * TIMES {
        for job in claim(&store, 0).await {
            let members = job.payload.as_object().unwrap();
            told.extend(members.keys().filter(|name| name.contains('.')).cloned());
            store.finish(&job, Finish::Done, at(0)).await.unwrap();
        }
        tokio::task::yield_now().await;
    }
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
}

pub(crate) async fn what_happens_does_not_wait_for_what_is_only_due(place: &Place) {
    let store = place.open().await;
    let reviews: Vec<NewJob> = (0..3_000)
        .map(|number| NewJob {
            kind: JobKind::Review,
            ..look(&format!("b-{number}"), 0)
        })
        .collect();
    store.request(&reviews, at(0)).await.unwrap();
    store.request(&[look("a", 50)], at(50)).await.unwrap();
    let jobs = claim(&store, 60).await;
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].key, look("a", 0).key);
    // And whoever does both gets both, the earliest first.
    let both = [JobKind::Look, JobKind::Review];
    store.request(&[look("c", 55)], at(55)).await.unwrap();
    let jobs = store
        .claim(&both, "worker", LEASE, at(60), 5_000)
        .await
        .unwrap();
    assert_eq!(jobs.len(), 3_001);
    assert_eq!(jobs.last().unwrap().key, look("c", 0).key);
}
