//! `POST /events`: the right key, a bounded size, and an answer when the event is stored.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;
use guard::clock::Clock;
use guard::intake::Form;
use intake::events::{ANSWER_WITHIN, ApiKey, ApiKeyError, EventsRoute};
use intake::routes::PublicRoutes;
use support::http::{Answer, Served, serve};
use support::{Bench, away, broken};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const NEXT_KEY: &str = "fedcba9876543210fedcba9876543210";

struct Intake {
    bench: Bench,
    served: Served,
}

async fn intake(within: Duration) -> Intake {
    let bench = Bench::new(Form::Message);
    let clock = Arc::clone(&bench.clock);
    let route = EventsRoute {
        header: HeaderName::from_static("x-api-key"),
        keys: vec![
            ApiKey::new("2025", KEY).unwrap(),
            ApiKey::new("2026", NEXT_KEY).unwrap(),
        ],
        watch: bench.watch.clone(),
        sink: Arc::clone(&bench.sink),
        within,
        now: Arc::new(move || clock.now()),
    };
    let routes = PublicRoutes::new(bench.metrics.clone()).events(route);
    let served = serve(routes.router(None)).await;
    Intake { bench, served }
}

impl Intake {
    async fn post(&self, key: &str, body: &str) -> Answer {
        let headers = [("X-Api-Key", key)];
        self.served.request("POST", "/events", &headers, body).await
    }
}

#[tokio::test]
async fn an_event_is_answered_when_it_is_stored() {
    let intake = intake(ANSWER_WITHIN).await;
    // Nobody has sent anything, and that is no failure.
    assert_eq!(intake.bench.why(), None);
    for (key, body) in [(KEY, "one"), (NEXT_KEY, "two")] {
        let answer = intake.post(key, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        // In which order the members stand depends on what else is built with it.
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let stored = serde_json::json!({"new": 1, "duplicate": 0, "idle": 0, "rejected": []});
        assert_eq!(body, stored);
    }
    assert_eq!(intake.bench.sink.log(), ["one", "two"]);
    // Authentic and not understood: it is not to come again.
    let answer = intake.post(KEY, "bad").await;
    assert_eq!(
        (answer.status, answer.body.contains("not-json")),
        (200, true)
    );
    assert!(
        intake
            .bench
            .counts(r#"portcullis_http_requests_total{route="events",status="200"} 3"#)
    );
    intake.served.end().await;
}

#[tokio::test]
async fn without_the_key_nothing_is_read() {
    let intake = intake(ANSWER_WITHIN).await;
    let almost = &KEY[..KEY.len() - 1];
    for key in [
        "",
        almost,
        &format!("{KEY}0"),
        &KEY.to_uppercase(),
        "\u{fc}",
    ] {
        assert_eq!(intake.post(key, "one").await.status, 401, "{key:?}");
    }
    let without = intake.served.request("POST", "/events", &[], "one").await;
    assert_eq!(without.status, 401);
    // Twice: which was meant?
    let headers = [("x-api-key", KEY), ("x-api-key", KEY)];
    let twice = intake
        .served
        .request("POST", "/events", &headers, "one")
        .await;
    assert_eq!(twice.status, 401);
    let in_query = format!("/events?x-api-key={KEY}");
    let in_query = intake.served.request("POST", &in_query, &[], "one").await;
    assert_eq!(in_query.status, 401);
    // A body that never comes is not waited for.
    let head =
        "POST /events HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n";
    assert_eq!(intake.served.send(head.as_bytes()).await.status, 401);
    assert_eq!(intake.bench.sink.log(), Vec::<String>::new());
    assert!(
        intake
            .bench
            .counts(r#"portcullis_events_rejected_total{source="source",reason="unauthorized"} 9"#)
    );
    for (method, target, status) in [
        ("GET", "/events", 405),
        ("POST", "/", 404),
        ("POST", "/events/", 404),
    ] {
        let answer = intake
            .served
            .request(method, target, &[("x-api-key", KEY)], "")
            .await;
        assert_eq!(answer.status, status, "{method} {target}");
    }
    intake.served.end().await;
}

#[tokio::test]
async fn what_is_larger_than_any_event_is_refused() {
    let intake = intake(ANSWER_WITHIN).await;
    let largest = compliance::event::LARGEST_MESSAGE;
    assert_eq!(intake.post(KEY, &"x".repeat(largest)).await.status, 200);
    assert_eq!(intake.post(KEY, &"x".repeat(largest + 1)).await.status, 413);
    // Also where the length is not said before.
    let mut chunked = format!(
        "POST /events HTTP/1.1\r\nHost: a\r\nx-api-key: {KEY}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    for _ in 0..20 {
        chunked.push_str(&format!("10000\r\n{}\r\n", "x".repeat(0x10000)));
    }
    chunked.push_str("0\r\n\r\n");
    assert_eq!(intake.served.send(chunked.as_bytes()).await.status, 413);
    assert_eq!(intake.bench.sink.log().len(), 1);
    intake.served.end().await;
}

#[tokio::test]
async fn what_could_not_be_stored_is_to_come_again() {
    let intake = intake(Duration::from_millis(50)).await;
    intake.bench.sink.fail([away(), broken()]);
    let answer = intake.post(KEY, "one").await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("5"))
    );
    assert_eq!(intake.post(KEY, "one").await.status, 500);
    // A store that does not answer: EventBridge is told before it gives up by itself.
    intake.bench.sink.gate.forget_permits(usize::MAX);
    let answer = intake.post(KEY, "one").await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("5"))
    );
    intake.bench.sink.gate.add_permits(10);
    assert_eq!(intake.post(KEY, "one").await.status, 200);
    assert_eq!(intake.bench.sink.log(), ["one"]);
    intake.served.end().await;
}

#[test]
fn a_key_that_could_be_guessed_is_none() {
    let short = ApiKey::new("old", "secret").unwrap_err();
    assert!(matches!(short, ApiKeyError::Short { length: 6, .. }));
    assert!(!short.to_string().contains("secret"));
    let blank = ApiKey::new("old", "0123456789 abcdef 0123456789").unwrap_err();
    assert!(matches!(blank, ApiKeyError::Characters { .. }));
    assert_eq!(
        format!("{:?}", ApiKey::new("2026", KEY).unwrap()),
        "ApiKey(\"2026\", …)"
    );
}
