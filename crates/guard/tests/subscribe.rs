//! Subscribers are asked, confirm, acknowledge and leave, through the links in their mails.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use compliance::notice::links::{LinkMaker, LinkRequest};
use compliance::notice::token::TokenKey;
use compliance::notice::{Endpoint, Filter, Links, Notice, NoticeKind, Protocol, Subscription};
use guard::outbox::standing;
use guard::repository::Repository;
use guard::subscribe::{Following, Page, ask_to_confirm, follow};
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

async fn click(
    repository: &MemoryRepository,
    configured: &[Subscription],
    link: &str,
    does: bool,
    now: Timestamp,
) -> Page {
    let (path, query) = link.strip_prefix(BASE).unwrap().split_once('?').unwrap();
    let request = LinkRequest::parse(path, query).unwrap();
    let key = key();
    let following = Following {
        configured,
        key: &key,
        acknowledged_for: Some(SignedDuration::from_hours(8)),
    };
    follow(repository, &following, &request, does, now)
        .await
        .unwrap()
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
        .map(|row| {
            let notice = &disk.notices[row.job.payload["notice"].as_str().unwrap()];
            let notice: Notice = serde_json::from_value(notice.document.clone()).unwrap();
            let to = row.job.payload["subscription"].as_str().unwrap();
            (notice.kind, to.to_owned())
        })
        .collect()
}

#[tokio::test]
async fn a_mailbox_is_asked_once_and_gets_nothing_before_it_says_yes() {
    let (repository, mut all) = (repository(), configured());
    let asked = ask_to_confirm(&repository, &all, None, now())
        .await
        .unwrap();
    assert_eq!(asked, ["eve"]);
    assert_eq!(
        waiting(&repository),
        [(NoticeKind::SubscriptionConfirmation, "eve".to_owned())]
    );
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    // Starting again is no reason to ask again.
    assert!(
        ask_to_confirm(&repository, &all, None, now())
            .await
            .unwrap()
            .is_empty()
    );

    let link = links(NoticeKind::SubscriptionConfirmation, &all[0])
        .confirm
        .unwrap();
    // A program that only looks confirms nothing.
    let page = click(&repository, &all, &link, false, now()).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<form method=\"post\">"));
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    for _ in 0..2 {
        let page = click(&repository, &all, &link, true, now()).await;
        assert!(
            page.status == 200 && page.body.contains("Confirmed"),
            "{page:?}"
        );
        assert_eq!(reached(&repository, &all).await, ["eve", "bot"]);
    }
    assert!(
        ask_to_confirm(&repository, &all, None, now())
            .await
            .unwrap()
            .is_empty()
    );

    // Another address has said nothing yet, and the old one's link says nothing for it.
    all[0].endpoint = Endpoint::new("adam@example.com");
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    assert_eq!(
        click(&repository, &all, &link, true, now()).await.status,
        403
    );
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    let asked = ask_to_confirm(&repository, &all, None, now())
        .await
        .unwrap();
    assert_eq!(asked, ["eve"]);
}

#[tokio::test]
async fn a_link_that_has_expired_says_so_and_another_can_be_asked_for() {
    let (repository, all) = (repository(), configured());
    ask_to_confirm(&repository, &all, None, now())
        .await
        .unwrap();
    let link = links(NoticeKind::SubscriptionConfirmation, &all[0])
        .confirm
        .unwrap();
    let later = at("2026-01-05T00:00:00Z");
    for does in [false, true] {
        let page = click(&repository, &all, &link, does, later).await;
        assert!(
            page.status == 410 && page.body.contains("has expired"),
            "{page:?}"
        );
    }
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    let asked = ask_to_confirm(&repository, &all, Some("eve"), later)
        .await
        .unwrap();
    assert_eq!(asked, ["eve"]);
    assert_eq!(waiting(&repository).len(), 2);
}

#[tokio::test]
async fn who_leaves_gets_nothing_more_and_the_others_know() {
    let (repository, mut all) = (repository(), configured());
    // Confirmed in the configuration: nobody is asked, and leaving works all the same.
    all[0].confirmed = true;
    assert!(
        ask_to_confirm(&repository, &all, None, now())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(reached(&repository, &all).await, ["eve", "bot"]);
    let link = links(NoticeKind::Opened, &all[0]).unsubscribe.unwrap();
    click(&repository, &all, &link, false, now()).await;
    assert_eq!(reached(&repository, &all).await, ["eve", "bot"]);
    // Years later, and twice.
    for _ in 0..2 {
        let page = click(&repository, &all, &link, true, at("2029-01-01T00:00:00Z")).await;
        assert!(
            page.status == 200 && page.body.contains("Unsubscribed"),
            "{page:?}"
        );
    }
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    assert_eq!(
        waiting(&repository),
        [(NoticeKind::Unsubscribed, "bot".to_owned())]
    );
}

#[tokio::test]
async fn who_has_left_comes_back_by_saying_so_again() {
    let (repository, all) = (repository(), configured());
    ask_to_confirm(&repository, &all, None, now())
        .await
        .unwrap();
    let confirm = links(NoticeKind::SubscriptionConfirmation, &all[0])
        .confirm
        .unwrap();
    let leave = links(NoticeKind::Opened, &all[0]).unsubscribe.unwrap();
    click(&repository, &all, &confirm, true, now()).await;
    click(&repository, &all, &leave, true, at("2026-01-01T01:00:00Z")).await;
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    let later = at("2026-01-01T02:00:00Z");
    assert!(
        ask_to_confirm(&repository, &all, None, later)
            .await
            .unwrap()
            .is_empty()
    );
    let asked = ask_to_confirm(&repository, &all, Some("eve"), later)
        .await
        .unwrap();
    assert_eq!(asked, ["eve"]);
    // Asked is not confirmed, whatever was said before.
    assert_eq!(reached(&repository, &all).await, ["bot"]);
    click(&repository, &all, &confirm, true, later).await;
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

#[tokio::test]
async fn an_acknowledgement_of_what_is_over_is_no_error() {
    let (repository, all) = (Arc::new(repository()), configured());
    let link = links(NoticeKind::Opened, &all[0]).acknowledge.unwrap();
    let page = click(&repository, &all, &link, true, now()).await;
    assert!(
        page.status == 200 && page.body.contains("Thank you"),
        "{page:?}"
    );
}
