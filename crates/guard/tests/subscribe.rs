//! Subscribers are asked, confirm, acknowledge and leave, through the links in their mails.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use compliance::notice::links::{LinkAction, LinkMaker, LinkRequest};
use compliance::notice::token::{TokenError, TokenKey};
use compliance::notice::{Endpoint, Filter, Links, Notice, NoticeKind, Protocol, Subscription};
use guard::outbox::standing;
use guard::repository::Repository;
use guard::subscribe::{ask_to_confirm, confirm, unsubscribe};
use jiff::{SignedDuration, Timestamp};
use support::power::Power;
use support::repository::{Disk, MemoryRepository};

const BASE: &str = "https://guard.example.com";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-01-01T00:00:00Z")
}

fn subscription(id: &str, protocol: Protocol) -> Subscription {
    Subscription {
        id: id.to_owned(),
        topic: "security".to_owned(),
        protocol,
        endpoint: Endpoint::new(format!("{id}@example.com")),
        confirmed: protocol != Protocol::Email,
        filter: Filter::default(),
        digest: None,
        quiet_hours: None,
    }
}

fn configured() -> Vec<Subscription> {
    vec![
        subscription("eve", Protocol::Email),
        subscription("bot", Protocol::Webhook),
    ]
}

fn repository() -> MemoryRepository {
    MemoryRepository::new(Disk::default(), Power::endless())
}

fn key() -> TokenKey {
    TokenKey::new([7; 32]).unwrap()
}

fn links(kind: NoticeKind, subscription: &Subscription) -> Links {
    let maker = LinkMaker {
        base_url: BASE.to_owned(),
        key: key(),
        confirm_within: SignedDuration::from_hours(72),
        acknowledge_within: SignedDuration::from_hours(72),
    };
    let notice = Notice {
        finding_id: Some("f00d".to_owned()),
        ..Notice::new("n", kind, now())
    };
    maker.links(&notice, subscription, now())
}

/// Follows a link, as a web server does on a POST.
async fn click(
    repository: &MemoryRepository,
    configured: &[Subscription],
    link: &str,
    now: Timestamp,
) -> Result<(), TokenError> {
    let (path, query) = link.strip_prefix(BASE).unwrap().split_once('?').unwrap();
    let request = LinkRequest::parse(path, query).unwrap();
    let subscription = request.check(&key(), configured, now)?;
    let done = match request.action {
        LinkAction::Confirm => confirm(repository, subscription, now).await,
        _ => unsubscribe(repository, configured, subscription, now).await,
    };
    done.unwrap();
    Ok(())
}

/// Who gets notices, by id.
async fn reached(repository: &MemoryRepository, configured: &[Subscription]) -> Vec<String> {
    let states = repository.subscriptions().await.unwrap();
    standing(configured, &states)
        .into_iter()
        .filter(|subscription| subscription.confirmed)
        .map(|subscription| subscription.id)
        .collect()
}

/// Notices that wait to be sent: kind and receiver.
fn waiting(repository: &MemoryRepository) -> Vec<(NoticeKind, String)> {
    let disk = repository.disk.borrow();
    disk.jobs
        .values()
        // What is open already is told when it is looked up.
        .filter(|row| !row.job.payload["notice"].is_null())
        .map(|row| {
            let notice = &disk.notices[row.job.payload["notice"].as_str().unwrap()];
            let notice: Notice = serde_json::from_value(notice.document.clone()).unwrap();
            let to = row.job.payload["subscription"].as_str().unwrap();
            (notice.kind, to.to_owned())
        })
        .collect()
}

/// Asks whoever is to be asked: their ids.
async fn ask(
    repository: &MemoryRepository,
    configured: &[Subscription],
    again: Option<&str>,
    now: Timestamp,
) -> Vec<String> {
    ask_to_confirm(repository, configured, again, now)
        .await
        .unwrap()
}

fn confirming(subscription: &Subscription) -> String {
    links(NoticeKind::SubscriptionConfirmation, subscription)
        .confirm
        .unwrap()
}

fn leaving(subscription: &Subscription) -> String {
    links(NoticeKind::Opened, subscription).unsubscribe.unwrap()
}

const NOBODY: [&str; 0] = [];

#[tokio::test]
async fn a_mailbox_is_asked_once_and_gets_nothing_before_it_says_yes() {
    let (repository, mut all) = (repository(), configured());
    assert_eq!(ask(&repository, &all, None, now()).await, ["eve"]);
    let question = (NoticeKind::SubscriptionConfirmation, "eve".to_owned());
    assert_eq!(waiting(&repository), [question]);
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    // Starting again is no reason to ask again.
    assert_eq!(ask(&repository, &all, None, now()).await, NOBODY);

    let link = confirming(&all[0]);
    for _ in 0..2 {
        assert_eq!(click(&repository, &all, &link, now()).await, Ok(()));
        assert_eq!(reached(&repository, &all).await, ["eve", "bot"]);
    }
    assert_eq!(ask(&repository, &all, None, now()).await, NOBODY);

    // Another address has said nothing yet, and the old one's link says nothing for it.
    all[0].endpoint = Endpoint::new("adam@example.com");
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    let old = click(&repository, &all, &link, now()).await;
    assert_eq!(old, Err(TokenError::Invalid));
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    assert_eq!(ask(&repository, &all, None, now()).await, ["eve"]);
}

#[tokio::test]
async fn a_link_that_has_expired_confirms_nothing_and_another_can_be_asked_for() {
    let (repository, all) = (repository(), configured());
    ask(&repository, &all, None, now()).await;
    let later = at("2026-01-05T00:00:00Z");
    let old = click(&repository, &all, &confirming(&all[0]), later).await;
    assert_eq!(old, Err(TokenError::Expired));
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    assert_eq!(ask(&repository, &all, Some("eve"), later).await, ["eve"]);
    assert_eq!(waiting(&repository).len(), 2);
}

#[tokio::test]
async fn who_leaves_gets_nothing_more_and_the_others_know() {
    let (repository, mut all) = (repository(), configured());
    // Confirmed in the configuration: nobody is asked, and leaving works all the same.
    all[0].confirmed = true;
    assert_eq!(ask(&repository, &all, None, now()).await, NOBODY);
    assert_eq!(reached(&repository, &all).await, ["eve", "bot"]);
    // Years later, and twice.
    for _ in 0..2 {
        let later = at("2029-01-01T00:00:00Z");
        let left = click(&repository, &all, &leaving(&all[0]), later).await;
        assert_eq!(left, Ok(()));
    }
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    let told = (NoticeKind::Unsubscribed, "bot".to_owned());
    assert_eq!(waiting(&repository), [told]);
}

#[tokio::test]
async fn who_has_left_comes_back_by_saying_so_again() {
    let (repository, all) = (repository(), configured());
    let (link, leave) = (confirming(&all[0]), leaving(&all[0]));
    ask(&repository, &all, None, now()).await;
    click(&repository, &all, &link, now()).await.unwrap();
    let soon = at("2026-01-01T01:00:00Z");
    click(&repository, &all, &leave, soon).await.unwrap();
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    let later = at("2026-01-01T02:00:00Z");
    assert_eq!(ask(&repository, &all, None, later).await, NOBODY);
    assert_eq!(ask(&repository, &all, Some("eve"), later).await, ["eve"]);
    // Asked is not confirmed, whatever was said before.
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    click(&repository, &all, &link, later).await.unwrap();
    assert_eq!(reached(&repository, &all).await, ["eve", "bot"]);
}

#[tokio::test]
async fn a_question_is_asked_whenever_the_power_fails() {
    for call in 0.. {
        for after in [false, true] {
            let power = Power::fails_at(call, after);
            let repository = MemoryRepository::new(Disk::default(), Arc::clone(&power));
            let all = configured();
            let went_through = tokio::select! {
                biased;
                asked = ask_to_confirm(&repository, &all, None, now()) => asked.is_ok(),
                () = power.failed() => false,
            };
            let disk = repository.disk.borrow().clone();
            let again = MemoryRepository::new(disk, Power::endless());
            ask_to_confirm(&again, &all, None, now()).await.unwrap();
            // Once, too: nothing was sent between.
            assert_eq!(
                waiting(&again),
                [(NoticeKind::SubscriptionConfirmation, "eve".to_owned())],
                "{call} {after}"
            );
            if went_through {
                return;
            }
        }
    }
}
