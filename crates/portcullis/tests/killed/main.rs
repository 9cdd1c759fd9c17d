//! The guard is killed again and again, while buckets are opened and mails are sent: no bucket stays
//! open, no notice is lost, no store is broken, and a mail is repeated only where the kill fell between
//! the mail server's acceptance and the commit, under its own Message-ID.
//!
//! `PORTCULLIS_TEST_KILLS` says how often it is killed; the numbers of a long run are in
//! docs/benchmarks.md.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod killer;
#[path = "../support/mod.rs"]
mod support;
mod witness;
mod world;

use std::sync::Arc;

use support::{database, needed};
use world::World;

fn kills() -> usize {
    match std::env::var("PORTCULLIS_TEST_KILLS") {
        Ok(text) => text.parse().expect("PORTCULLIS_TEST_KILLS is a number"),
        Err(_) => 25,
    }
}

async fn killed_and_killed(store: Option<String>, workers: usize) {
    let kills = kills();
    let mut world = World::new(store, workers).await;
    let began = std::time::Instant::now();
    let changing = world::change_buckets(Arc::clone(&world.stage), 11);
    let moments = killer::kill(&mut world, kills, 7).await;
    let changes = changing.stop().await;
    let killing = began.elapsed().as_secs();
    // The store can be opened beside those who work on it.
    let store = store::Store::open(&world.store).await.unwrap();
    witness::settled(&world, &store).await;
    let mut fallen = world.stop();
    println!(
        "{kills} kills ({moments}) and {changes} changes in {killing} s, all done after {} s",
        began.elapsed().as_secs()
    );
    witness::nothing_is_open(&world, &store).await;
    witness::nothing_is_lost(&world, &store).await;
    witness::repeats_are_explained(&world, &mut fallen);
    witness::the_store_is_sound(&world);
    assert_eq!(
        support::anonymous(&world.stage.sandbox.endpoint(), "/kill-0"),
        403
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn on_sqlite() {
    killed_and_killed(None, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL and aiosmtpd: run cargo xtask test"]
async fn three_workers_on_postgresql() {
    needed("PORTCULLIS_TEST_POSTGRES");
    let database = database().await;
    killed_and_killed(Some(database), 3).await;
}
