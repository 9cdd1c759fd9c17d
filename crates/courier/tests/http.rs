//! Webhooks and chats against servers that are well, unwell, gone, and not who they say.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use compliance::notice::links::{LinkMaker, LinkRequest};
use compliance::notice::token::TokenKey;
use compliance::notice::{Endpoint, Filter, Protocol, Subscription};
use courier::{
    Courier, Dispatch, HttpSettings, Outcome, Parcel, Poster, Receiver, Secret, SigningKey, Trust,
    signature,
};
use guard::deliver::{Message, SendError, Sending};
use jiff::SignedDuration;
use serde_json::Value;
use support::web::{Answer, Web};
use support::{identity, notice, now};

/// The path of a chat's address is its password.
const PATH: &str = "/services/T00/B00/x7secretx7";

fn ok() -> Answer {
    Answer::Reply("200 OK", "ok".to_owned())
}

fn poster(trust: Trust, timeout: Duration) -> Poster {
    Poster::new(&HttpSettings {
        timeout,
        trust,
        ..HttpSettings::default()
    })
    .unwrap()
}

fn courier() -> Courier {
    Courier {
        poster: poster(Trust::default(), Duration::from_secs(30)),
        mailer: None,
        sender: "guard@example.com".to_owned(),
        reply_to: None,
        domain: "guard.example.com".to_owned(),
        links: None,
        receivers: BTreeMap::from([(
            "one".to_owned(),
            Receiver {
                keys: vec![key(1), key(2)],
                ..Receiver::default()
            },
        )]),
    }
}

fn subscription(protocol: Protocol, address: String) -> Subscription {
    Subscription {
        id: "one".to_owned(),
        topic: "security".to_owned(),
        protocol,
        endpoint: Endpoint::new(address),
        confirmed: true,
        filter: Filter::default(),
        digest: None,
        quiet_hours: None,
    }
}

fn key(byte: u8) -> SigningKey {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    SigningKey::parse(&Secret::new(format!("whsec_{text}"))).unwrap()
}

async fn deliver(courier: &Courier, protocol: Protocol, address: String) -> Outcome {
    let subscription = subscription(protocol, address);
    let parcel = Parcel {
        delivery_id: "d-1",
        notice: &notice(),
        subscription: &subscription,
        at: now(),
    };
    courier.deliver(&parcel).await
}

async fn post(web: &Web) -> Outcome {
    let address = format!("http://127.0.0.1:{}{PATH}", web.port);
    deliver(&courier(), Protocol::Webhook, address).await
}

fn why(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Accepted { answer } => panic!("accepted: {answer}"),
        Outcome::Passing { why, .. } | Outcome::Refused { why, .. } => why,
    }
}

#[tokio::test]
async fn a_webhook_is_signed_by_every_key() {
    let web = Web::start(vec![Answer::Reply("204 No Content", String::new())], None).await;
    let outcome = post(&web).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    let received = &web.received()[0];
    assert_eq!(received.line, format!("POST {PATH} HTTP/1.1"));
    let header = |name: &str| received.headers[name].as_str();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("webhook-id"), "d-1");
    assert_eq!(header("webhook-timestamp"), now().as_second().to_string());
    assert_eq!(
        header("webhook-signature"),
        signature(&[key(1), key(2)], "d-1", now(), &received.body)
    );
    assert!(header("user-agent").starts_with("Portcullis/"));
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(body, compliance::notice::webhook(&notice()));
}

#[tokio::test]
async fn whoever_reads_sns_notifications_reads_ours() {
    let web = Web::start(vec![ok()], None).await;
    let address = format!("http://localhost:{}/sns", web.port);
    let outcome = deliver(&courier(), Protocol::SnsWebhook, address).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    let received = &web.received()[0];
    assert_eq!(received.headers["x-amz-sns-message-type"], "Notification");
    assert_eq!(received.headers["x-amz-sns-message-id"], "d-1");
    assert_eq!(
        received.headers["content-type"],
        "text/plain; charset=UTF-8"
    );
    assert!(received.headers.contains_key("webhook-signature"));
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(body["Type"], "Notification");
    assert_eq!(body["MessageId"], "d-1");
    assert_eq!(
        body["TopicArn"],
        "arn:aws:sns:eu-central-1:111122223333:security"
    );
    assert_eq!(
        body["Subject"],
        "Public read by policy: backups in 111122223333"
    );
    assert_eq!(body["Timestamp"], "2026-01-01T00:00:05.000Z");
    assert!(
        body["Message"]
            .as_str()
            .unwrap()
            .contains("\"Sid\": \"Open\"")
    );
    assert_eq!(
        body["UnsubscribeURL"],
        "https://guard.example.com/unsubscribe/t"
    );
}

#[tokio::test]
async fn chats_get_what_they_understand() {
    let web = Web::start(vec![ok()], None).await;
    for protocol in [Protocol::Slack, Protocol::Chat] {
        let address = format!("http://127.0.0.1:{}{PATH}", web.port);
        let outcome = deliver(&courier(), protocol, address).await;
        assert_eq!(
            outcome,
            Outcome::Accepted {
                answer: "200 OK: ok".to_owned()
            }
        );
    }
    let received = web.received();
    for (received, expected) in received.iter().zip([
        compliance::notice::slack(&notice()),
        compliance::notice::chat(&notice()),
    ]) {
        let body: Value = serde_json::from_slice(&received.body).unwrap();
        assert_eq!(body, expected);
        assert!(!received.headers.contains_key("webhook-signature"));
    }
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let web = Web::start(vec![ok()], None).await;
    let courier = courier();
    for _ in 0..3 {
        let address = format!("http://127.0.0.1:{}/a", web.port);
        deliver(&courier, Protocol::Webhook, address).await;
    }
    let connections: Vec<usize> = web.received().iter().map(|it| it.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}

#[tokio::test]
async fn what_a_server_answers_decides() {
    for (head, expected) in [
        ("200 OK", "accepted"),
        ("202 Accepted", "accepted"),
        (
            "301 Moved Permanently\r\nlocation: http://127.0.0.1:1/",
            "passing",
        ),
        ("400 Bad Request", "refused"),
        ("401 Unauthorized", "passing"),
        ("403 Forbidden", "passing"),
        ("404 Not Found", "passing"),
        ("410 Gone", "gone"),
        ("413 Content Too Large", "refused"),
        ("422 Unprocessable Content", "refused"),
        ("429 Too Many Requests", "passing"),
        ("500 Internal Server Error", "passing"),
        ("503 Service Unavailable", "passing"),
    ] {
        let web = Web::start(vec![Answer::Reply(head, "because".to_owned())], None).await;
        let outcome = post(&web).await;
        let was = match &outcome {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Passing { .. } => "passing",
            Outcome::Refused { gone: true, .. } => "gone",
            Outcome::Refused { gone: false, .. } => "refused",
        };
        assert_eq!(was, expected, "{head}: {outcome:?}");
        assert!(format!("{outcome:?}").contains(&head[..3]), "{outcome:?}");
        assert!(format!("{outcome:?}").contains("because"), "{outcome:?}");
        // Nothing is sent on to where a redirection leads.
        assert_eq!(web.received().len(), 1);
    }
}

#[tokio::test]
async fn who_asks_to_wait_is_heard() {
    for (head, expected) in [
        ("429 Too Many Requests\r\nretry-after: 120", Some(120)),
        (
            "503 Service Unavailable\r\nretry-after: Thu, 01 Jan 2026 00:01:05 GMT",
            Some(60),
        ),
        (
            "503 Service Unavailable\r\nretry-after: Thu, 01 Jan 2015 00:01:05 GMT",
            None,
        ),
        ("503 Service Unavailable\r\nretry-after: soon", None),
        ("503 Service Unavailable", None),
    ] {
        let web = Web::start(vec![Answer::Reply(head, String::new())], None).await;
        let Outcome::Passing { retry_after, .. } = post(&web).await else {
            panic!("{head}");
        };
        assert_eq!(
            retry_after,
            expected.map(SignedDuration::from_secs),
            "{head}"
        );
    }
}

#[tokio::test]
async fn broken_connections_pass() {
    for answer in [
        Answer::Drop,
        Answer::Raw("HTTP/1.1 2"),
        Answer::Raw("220 post.example.com ESMTP\r\n"),
    ] {
        let web = Web::start(vec![answer.clone()], None).await;
        let outcome = post(&web).await;
        assert!(
            matches!(outcome, Outcome::Passing { .. }),
            "{answer:?}: {outcome:?}"
        );
    }
    // An answer's body that breaks off or never ends takes nothing from its status.
    let endless = Answer::Reply("200 OK", "x".repeat(1_000_000));
    for answer in [
        Answer::Raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"),
        endless,
    ] {
        let web = Web::start(vec![answer], None).await;
        let outcome = post(&web).await;
        let Outcome::Accepted { answer } = outcome else {
            panic!("{outcome:?}");
        };
        assert!(answer.len() < 400);
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = format!("http://127.0.0.1:{port}{PATH}");
    let outcome = deliver(&courier(), Protocol::Slack, address).await;
    assert!(matches!(outcome, Outcome::Passing { .. }), "{outcome:?}");
    assert!(!format!("{outcome:?}").contains("secret"), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_hangs_costs_a_time_out() {
    let web = Web::start(vec![Answer::Hang], None).await;
    let mut courier = courier();
    courier.poster = poster(Trust::default(), Duration::from_millis(200));
    let address = format!("http://127.0.0.1:{}{PATH}", web.port);
    let outcome = deliver(&courier, Protocol::Webhook, address).await;
    assert_eq!(
        why(&outcome),
        format!("http://127.0.0.1:{}/…: no answer within 0.2 s", web.port)
    );
}

#[tokio::test]
async fn https_is_believed_only_from_whom_it_should_be() {
    let identity = identity();
    let web = Web::start(vec![ok()], Some(&identity)).await;
    let address = format!("https://localhost:{}{PATH}", web.port);
    let stranger = deliver(&courier(), Protocol::Webhook, address.clone()).await;
    assert!(matches!(stranger, Outcome::Passing { .. }));
    assert!(why(&stranger).contains("certificate"), "{stranger:?}");
    assert!(web.received().is_empty());

    let mut courier = courier();
    let trust = Trust::with_pem(identity.pem.as_bytes()).unwrap();
    courier.poster = poster(trust, Duration::from_secs(30));
    let outcome = deliver(&courier, Protocol::Webhook, address).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    assert_eq!(web.received().len(), 1);
}

#[tokio::test]
async fn nothing_goes_in_the_clear_to_another_machine() {
    for (address, wrong) in [
        ("http://example.com/x7secretx7", "only https"),
        ("http://localhost.example.com/x7secretx7", "only https"),
        ("http://192.0.2.1/x7secretx7", "only https"),
        ("ftp://127.0.0.1/x7secretx7", "only https"),
        ("https://guard:x7secretx7@example.com/", "name and password"),
        ("/x7secretx7", "not a whole web address"),
        ("x7secretx7 ", "not a web address"),
        ("", "not a web address"),
    ] {
        let outcome = deliver(&courier(), Protocol::Webhook, address.to_owned()).await;
        let Outcome::Refused { why, gone: false } = &outcome else {
            panic!("{address}: {outcome:?}");
        };
        assert!(why.contains(wrong), "{address}: {why}");
        assert!(
            address.starts_with(['/', 'x']) || !why.contains("secret"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn the_secret_in_an_address_is_in_no_message() {
    // Servers repeat the path in their error pages.
    let page = format!("<h1>Not found</h1> {PATH} was not found");
    for answer in [
        Answer::Reply("404 Not Found", page.clone()),
        Answer::Reply("400 Bad Request", page),
    ] {
        let web = Web::start(vec![answer], None).await;
        let outcome = post(&web).await;
        assert!(!format!("{outcome:?}").contains("secret"), "{outcome:?}");
        assert!(
            why(&outcome).contains(&format!("127.0.0.1:{}", web.port)),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn what_a_server_says_is_cut_and_controls_nothing() {
    let said = format!("\u{1b}[2J\u{202e}{}", "long ".repeat(1_000));
    let web = Web::start(vec![Answer::Reply("400 Bad Request", said)], None).await;
    let outcome = post(&web).await;
    let why = why(&outcome);
    assert!(why.chars().count() < 500, "{why}");
    assert!(
        !why.chars().any(|c| c.is_control() || c == '\u{202e}'),
        "{why:?}"
    );
}

#[tokio::test]
async fn what_is_not_reached_from_here_says_so() {
    let outcome = deliver(
        &courier(),
        Protocol::Sns,
        "arn:aws:sns:eu-central-1:111122223333:t".to_owned(),
    )
    .await;
    assert!(why(&outcome).contains("AWS SDK"));
    let outcome = deliver(&courier(), Protocol::Email, "a@example.com".to_owned()).await;
    assert!(matches!(outcome, Outcome::Passing { .. }));
    assert!(why(&outcome).contains("no mail server is configured"));
}

#[tokio::test]
async fn each_subscriber_has_links_of_their_own() {
    let web = Web::start(vec![ok()], None).await;
    let mut courier = courier();
    courier.links = Some(LinkMaker {
        base_url: "https://guard.example.com".to_owned(),
        key: TokenKey::new([7; 32]).unwrap(),
        confirm_within: SignedDuration::from_hours(72),
        acknowledge_within: SignedDuration::from_hours(72),
    });
    let address = format!("http://127.0.0.1:{}/a", web.port);
    deliver(&courier, Protocol::Webhook, address.clone()).await;
    let body: Value = serde_json::from_slice(&web.received()[0].body).unwrap();
    let link = body["links"]["acknowledge"].as_str().unwrap();
    let (path, query) = link
        .strip_prefix("https://guard.example.com")
        .and_then(|rest| rest.split_once('?'))
        .unwrap();
    let request = LinkRequest::parse(path, query).unwrap();
    let all = [subscription(Protocol::Webhook, address)];
    let key = TokenKey::new([7; 32]).unwrap();
    assert_eq!(request.check(&key, &all, now()).unwrap().id, "one");
}

#[tokio::test]
async fn an_event_is_posted_signed() {
    let web = Web::start(vec![ok()], None).await;
    let endpoint = Endpoint::new(format!("http://127.0.0.1:{}/events", web.port));
    let event = serde_json::json!({"detail-type": "Config Rules Compliance Change"});
    let outcome = courier()
        .post_event("e-1", &endpoint, &[key(3)], &event, now())
        .await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    let received = &web.received()[0];
    assert_eq!(
        serde_json::from_slice::<Value>(&received.body).unwrap(),
        event
    );
    assert_eq!(
        received.headers["webhook-signature"],
        signature(&[key(3)], "e-1", now(), &received.body)
    );
}

/// Takes what the courier does not, and remembers that it did.
#[derive(Default)]
struct Elsewhere(AtomicUsize);

impl guard::deliver::Courier for Elsewhere {
    async fn send(&self, _: &Sending) -> Result<(), SendError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn ask(
        &self,
        _: &compliance::rules::configured::LambdaTarget,
        event: &serde_json::Value,
    ) -> Result<serde_json::Value, SendError> {
        Ok(event.clone())
    }
}

/// What a function answers is taken as far as AWS Lambda would let it answer, and not beyond.
#[tokio::test]
async fn an_answer_that_was_asked_for_is_whole_or_none() {
    let body = |bytes: usize| "x".repeat(bytes);
    let most = 6 * 1024 * 1024;
    let web = Web::start(
        vec![
            Answer::Reply("200 OK", body(100_000)),
            Answer::Reply("200 OK", body(most)),
            Answer::Reply("200 OK", body(most + 1)),
            Answer::Reply("500 Internal Server Error", body(most + 1)),
        ],
        None,
    )
    .await;
    let poster = poster(Trust::default(), Duration::from_secs(30));
    let endpoint = Endpoint::new(format!("http://127.0.0.1:{}{PATH}", web.port));
    for length in [100_000, most] {
        let answer = poster.ask(&endpoint, &Value::Null).await.unwrap();
        assert_eq!(answer.len(), length);
    }
    for wanted in ["has more than 6 MiB", "answered 500"] {
        let outcome = poster.ask(&endpoint, &Value::Null).await.unwrap_err();
        let Outcome::Passing { why, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert!(why.contains(wanted), "{why}");
        assert!(!why.contains("x7secretx7"), "{why}");
    }
}

#[tokio::test]
async fn the_guard_hears_what_became_of_it() {
    use guard::deliver::Courier as _;
    let web = Web::start(
        vec![
            ok(),
            Answer::Reply("429 Too Many Requests\r\nretry-after: 7", String::new()),
            Answer::Reply("400 Bad Request", String::new()),
            Answer::Reply("410 Gone", String::new()),
        ],
        None,
    )
    .await;
    let dispatch = Dispatch {
        courier: courier(),
        elsewhere: Elsewhere::default(),
    };
    let address = format!("http://127.0.0.1:{}{PATH}", web.port);
    let sending = |protocol| Sending {
        id: "d-1".to_owned(),
        message: Message::Notice {
            subscription: Box::new(subscription(protocol, address.clone())),
            notice: Box::new(notice()),
        },
        first_at: now(),
        now: now(),
    };
    assert_eq!(dispatch.send(&sending(Protocol::Slack)).await, Ok(()));
    let passing = dispatch.send(&sending(Protocol::Slack)).await.unwrap_err();
    let SendError::Passing { retry_after, .. } = passing else {
        panic!("{passing:?}");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
    let refused = dispatch.send(&sending(Protocol::Slack)).await.unwrap_err();
    assert!(matches!(refused, SendError::Refused { .. }), "{refused:?}");
    let gone = dispatch.send(&sending(Protocol::Slack)).await.unwrap_err();
    assert!(matches!(gone, SendError::Gone { .. }), "{gone:?}");
    assert_eq!(dispatch.elsewhere.0.load(Ordering::Relaxed), 0);
    let event = Sending {
        message: Message::Event {
            target: "t".to_owned(),
            event: Value::Null,
        },
        ..sending(Protocol::Slack)
    };
    for sending in [event, sending(Protocol::Sns)] {
        assert_eq!(dispatch.send(&sending).await, Ok(()));
    }
    assert_eq!(dispatch.elsewhere.0.load(Ordering::Relaxed), 2);
    assert_eq!(web.received().len(), 4);
}
