//! The links of mails: a GET asks, a POST acts, and nothing is told to anybody else.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::{Arc, Mutex};

use compliance::notice::token::{Purpose, TokenKey, derive};
use compliance::notice::{Endpoint, Filter, Protocol, Subscription};
use guard::clock::{Clock, ManualClock};
use intake::links::{DeskError, LinksRoute, SubscriptionDesk};
use intake::metrics::Metrics;
use intake::routes::PublicRoutes;
use jiff::{SignedDuration, Timestamp};
use support::http::{Answer, Served, serve};
use support::now;

fn subscription() -> Subscription {
    Subscription {
        id: "security team".to_owned(),
        topic: "<script>alert(1)</script>".to_owned(),
        protocol: Protocol::Email,
        endpoint: Endpoint::new("a@example.com"),
        confirmed: false,
        filter: Filter::default(),
        digest: None,
        quiet_hours: None,
    }
}

fn key() -> TokenKey {
    TokenKey::new([7; 32]).unwrap()
}

#[derive(Default)]
struct Desk {
    done: Mutex<Vec<String>>,
    fails: Mutex<Option<DeskError>>,
}

impl Desk {
    fn act(&self, what: String) -> Result<(), DeskError> {
        if let Some(error) = self.fails.lock().unwrap().take() {
            return Err(error);
        }
        self.done.lock().unwrap().push(what);
        Ok(())
    }
}

impl SubscriptionDesk for Desk {
    fn subscriptions(&self) -> Arc<[Subscription]> {
        Arc::new([subscription()])
    }

    async fn confirm(&self, id: &str, digest: &str, _: Timestamp) -> Result<(), DeskError> {
        assert_eq!(digest, subscription().endpoint.digest());
        self.act(format!("confirm {id}"))
    }

    async fn unsubscribe(&self, id: &str, digest: &str, _: Timestamp) -> Result<(), DeskError> {
        assert_eq!(digest, subscription().endpoint.digest());
        self.act(format!("unsubscribe {id}"))
    }

    async fn acknowledge(&self, finding: &str, id: &str, _: Timestamp) -> Result<(), DeskError> {
        self.act(format!("acknowledge {finding} by {id}"))
    }
}

struct Site {
    desk: Arc<Desk>,
    clock: Arc<ManualClock>,
    served: Served,
}

async fn site() -> Site {
    let desk = Arc::new(Desk::default());
    let clock = Arc::new(ManualClock::at(now()));
    let time = Arc::clone(&clock);
    let route = LinksRoute {
        key: key(),
        desk: Arc::clone(&desk),
        now: Arc::new(move || time.now()),
    };
    let routes = PublicRoutes::new(Metrics::new("0")).links(route);
    let served = serve(routes.router(Some("/portcullis/"))).await;
    Site {
        desk,
        clock,
        served,
    }
}

impl Site {
    async fn get(&self, target: &str) -> Answer {
        self.served.request("GET", target, &[], "").await
    }

    async fn post(&self, target: &str, body: &str) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.served.request("POST", target, &headers, body).await
    }

    fn done(&self) -> Vec<String> {
        self.desk.done.lock().unwrap().clone()
    }
}

fn link(action: &str, purpose: Purpose<'_>) -> String {
    let expires = now().checked_add(SignedDuration::from_hours(72)).ok();
    let token = derive(&key(), purpose, "security team", "a@example.com", expires);
    let finding = match purpose {
        Purpose::Acknowledge { finding_id } => format!("finding={finding_id}&"),
        Purpose::Confirm | Purpose::Unsubscribe => String::new(),
    };
    format!("/portcullis/links/{action}?{finding}subscription=security%20team&token={token}")
}

#[tokio::test]
async fn looking_at_a_link_does_nothing_and_the_button_does_it() {
    let site = site().await;
    for (link, done) in [
        (link("confirm", Purpose::Confirm), "confirm security team"),
        (
            link("unsubscribe", Purpose::Unsubscribe),
            "unsubscribe security team",
        ),
        (
            link("acknowledge", Purpose::Acknowledge { finding_id: "f-1" }),
            "acknowledge f-1 by security team",
        ),
    ] {
        let before = site.done();
        for method in ["GET", "HEAD"] {
            let page = site.served.request(method, &link, &[], "").await;
            assert_eq!(page.status, 200, "{page:?}");
            let policy = page.header("content-security-policy").unwrap();
            for part in [
                "default-src 'none'",
                "style-src 'sha256-",
                "form-action 'self'",
                "frame-ancestors 'none'",
                "base-uri 'none'",
            ] {
                assert!(policy.contains(part), "{policy}");
            }
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
            assert_eq!(page.header("cache-control"), Some("no-store"));
            assert_eq!(
                page.header("content-type"),
                Some("text/html; charset=utf-8")
            );
        }
        let page = site.get(&link).await;
        assert!(
            page.body.contains("<form method=\"post\">"),
            "{}",
            page.body
        );
        assert!(!page.body.contains("<script"), "{}", page.body);
        assert_eq!(site.done(), before, "a scanner of mail has looked at it");
        let page = site.post(&link, "List-Unsubscribe=One-Click").await;
        assert_eq!(page.status, 200);
        assert_eq!(site.done().last().map(String::as_str), Some(done));
        // Again does no harm.
        assert_eq!(site.post(&link, "").await.status, 200);
    }
    site.served.end().await;
}

#[tokio::test]
async fn the_hash_is_that_of_the_style() {
    use base64::Engine;
    use sha2::Digest;
    let site = site().await;
    let page = site.get(&link("confirm", Purpose::Confirm)).await;
    let start = page.body.find("<style>").unwrap() + "<style>".len();
    let end = page.body.find("</style>").unwrap();
    let digest = sha2::Sha256::digest(&page.body[start..end]);
    let hash = base64::engine::general_purpose::STANDARD.encode(digest);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    // Nothing inline besides: the hash would not cover it.
    assert_eq!(page.body.matches("<style>").count(), 1);
    assert!(!page.body.contains("style="), "{}", page.body);
    site.served.end().await;
}

#[tokio::test]
async fn a_link_that_is_none_does_nothing_and_tells_nothing() {
    let site = site().await;
    let confirm = link("confirm", Purpose::Confirm);
    let stranger = derive(
        &TokenKey::new([8; 32]).unwrap(),
        Purpose::Confirm,
        "security team",
        "a@example.com",
        None,
    );
    for target in [
        confirm.replace("/confirm", "/unsubscribe"),
        confirm.replace("security%20team", "other"),
        confirm[..confirm.len() - 1].to_owned(),
        format!("{confirm}&token=x"),
        format!("/portcullis/links/confirm?subscription=security%20team&token={stranger}"),
        "/portcullis/links/confirm".to_owned(),
        format!("/portcullis/links/confirm?{}", "x".repeat(5_000)),
    ] {
        for answer in [site.get(&target).await, site.post(&target, "").await] {
            assert_eq!(answer.status, 404, "{target}");
            assert!(!answer.body.contains("a@example.com"), "{}", answer.body);
            assert!(answer.header("content-security-policy").is_some());
        }
    }
    site.clock.advance(SignedDuration::from_hours(73));
    for answer in [site.get(&confirm).await, site.post(&confirm, "").await] {
        assert_eq!(answer.status, 410);
        assert!(answer.body.contains("expired"));
    }
    assert_eq!(site.done(), Vec::<String>::new());
    site.served.end().await;
}

#[tokio::test]
async fn a_store_that_is_away_is_said() {
    let site = site().await;
    let confirm = link("confirm", Purpose::Confirm);
    *site.desk.fails.lock().unwrap() = Some(DeskError::Unavailable("no answer".to_owned()));
    let answer = site.post(&confirm, "").await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("5"))
    );
    *site.desk.fails.lock().unwrap() = Some(DeskError::Gone("no such finding".to_owned()));
    assert_eq!(site.post(&confirm, "").await.status, 410);
    assert_eq!(site.post(&confirm, "").await.status, 200);
    assert_eq!(site.done(), ["confirm security team"]);
    site.served.end().await;
}
