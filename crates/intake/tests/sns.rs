//! Messages of SNS are believed by their signature, and no forgery is.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use guard::clock::Clock;
use guard::intake::Form;
use intake::events::ANSWER_WITHIN;
use intake::fetch::Fetch;
use intake::routes::PublicRoutes;
use intake::sns::{Authority, Certificates, SnsRoute};
use jiff::SignedDuration;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use serde_json::{Value, json};
use support::http::{Answer, Served, serve};
use support::{Bench, away};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:events";
const HOST: &str = "https://sns.eu-central-1.amazonaws.com";
const KEY: &str = include_str!("data/test-only-rsa-one.pem");
const OTHER_KEY: &str = include_str!("data/test-only-rsa-other.pem");

fn certificate_address(name: &str) -> String {
    format!("{HOST}/SimpleNotificationService-{name}.pem")
}

/// The certificate for which nobody answers.
const SILENT: &str = "dead";

/// An authority of the test's own, and the certificates that it signs.
struct Ca {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

impl Ca {
    fn new(name: &str) -> Ca {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let der = params.self_signed(&key).unwrap().der().clone();
        Ca {
            issuer: Issuer::new(params, key),
            der,
        }
    }

    fn anchor(&self) -> TrustAnchor<'static> {
        webpki::anchor_from_trusted_cert(&self.der)
            .unwrap()
            .to_owned()
    }

    fn sign(&self, key: &str, change: impl FnOnce(&mut CertificateParams)) -> String {
        let key = KeyPair::from_pem_and_sign_algo(key, &rcgen::PKCS_RSA_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2025, 6, 1);
        params.not_after = rcgen::date_time_ymd(2026, 6, 1);
        params.subject_alt_names = vec![dns("sns.amazonaws.com")];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        params.signed_by(&key, &self.issuer).unwrap().pem()
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// The web, as far as there is one.
#[derive(Default)]
struct Web {
    pages: Mutex<BTreeMap<String, String>>,
    fetched: Mutex<Vec<String>>,
}

impl Fetch for Web {
    async fn get(&self, address: &str, largest: usize) -> Result<Vec<u8>, String> {
        self.fetched.lock().unwrap().push(address.to_owned());
        if address == certificate_address(SILENT) {
            std::future::pending::<()>().await;
        }
        let pages = self.pages.lock().unwrap();
        let page = pages.get(address).ok_or("the answer was 404")?;
        assert!(page.len() <= largest);
        Ok(page.clone().into_bytes())
    }
}

struct Intake {
    bench: Bench,
    web: Arc<Web>,
    served: Served,
}

async fn intake(pem: &str, authority: Authority) -> Intake {
    let bench = Bench::new(Form::Message);
    let web = Arc::new(Web::default());
    web.pages
        .lock()
        .unwrap()
        .insert(certificate_address("0a1b"), pem.to_owned());
    let clock = Arc::clone(&bench.clock);
    let route = SnsRoute {
        topics: BTreeSet::from([TOPIC.to_owned()]),
        certificates: Certificates::new(Arc::clone(&web), authority),
        fetch: Arc::clone(&web),
        watch: bench.watch.clone(),
        sink: Arc::clone(&bench.sink),
        within: ANSWER_WITHIN,
        now: Arc::new(move || clock.now()),
    };
    let routes = PublicRoutes::new(bench.metrics.clone()).sns(route);
    let served = serve(routes.router(None)).await;
    Intake { bench, web, served }
}

impl Intake {
    async fn post(&self, message: &Value) -> Answer {
        let body = message.to_string();
        self.served.request("POST", "/sns", &[], &body).await
    }

    fn fetched(&self) -> Vec<String> {
        self.web.fetched.lock().unwrap().clone()
    }

    fn counts(&self, reason: &str) -> u64 {
        let line =
            format!(r#"portcullis_events_rejected_total{{source="source",reason="{reason}"}} "#);
        let text = self.bench.metrics.text();
        let count = text.lines().find_map(|found| found.strip_prefix(&line));
        count.map_or(0, |count| count.parse().unwrap())
    }
}

fn notification() -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "A subject",
        "Message": "{\"detail-type\": \"x\",\n \"source\": \"y\"}",
        "Timestamp": "2025-12-31T23:59:58.123Z",
        "SignatureVersion": "2",
        "SigningCertURL": certificate_address("0a1b"),
        "UnsubscribeURL": format!("{HOST}/?Action=Unsubscribe"),
    })
}

fn confirmation() -> Value {
    json!({
        "Type": "SubscriptionConfirmation",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe",
        "SubscribeURL": format!("{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"),
        "Timestamp": "2025-12-31T23:59:58.123Z",
        "SignatureVersion": "2",
        "SigningCertURL": certificate_address("0a1b"),
    })
}

/// What AWS's documentation says that is signed, written out apart from the code under test.
fn string_to_sign(message: &Value) -> String {
    let names = if message["Type"] == "Notification" {
        "Message MessageId Subject Timestamp TopicArn Type"
    } else {
        "Message MessageId SubscribeURL Timestamp Token TopicArn Type"
    };
    names
        .split(' ')
        .filter_map(|name| Some(format!("{name}\n{}\n", message[name].as_str()?)))
        .collect()
}

/// `string_to_sign(notification())` signed with `KEY` by OpenSSL (`openssl dgst -sha1 -sign`), as ring
/// verifies signatures over SHA-1 and makes none.
const SIGNED_WITH_SHA1: &str = include_str!("data/notification-sha1.b64");

fn signed_by(mut message: Value, key: &str) -> Value {
    let PrivateKeyDer::Pkcs8(der) = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap() else {
        unreachable!("the test's keys are PKCS #8");
    };
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    let text = string_to_sign(&message);
    key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
        .unwrap();
    message["Signature"] = STANDARD.encode(signature).into();
    message
}

fn signed(message: Value) -> Value {
    signed_by(message, KEY)
}

#[tokio::test]
async fn what_sns_has_signed_is_stored() {
    let ca = Ca::new("authority");
    let intake = intake(&ca.sign(KEY, |_| {}), Authority::Host).await;
    let second = signed(notification());
    let mut first = notification();
    first["SignatureVersion"] = "1".into();
    first["Signature"] = SIGNED_WITH_SHA1.trim().into();
    let mut without_subject = notification();
    without_subject.as_object_mut().unwrap().remove("Subject");
    let mut null_subject = notification();
    null_subject["Subject"] = Value::Null;
    for message in [second, first, signed(without_subject), signed(null_subject)] {
        let answer = intake.post(&message).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let log = intake.bench.sink.log();
    assert_eq!(log.len(), 4);
    let stored: Value = serde_json::from_str(&log[0]).unwrap();
    assert_eq!(stored["Message"], notification()["Message"]);
    // What was not signed does not go on.
    assert!(stored.get("UnsubscribeURL").is_none() && stored.get("Signature").is_none());
    // The certificate was fetched once.
    assert_eq!(intake.fetched(), [certificate_address("0a1b")]);
    assert_eq!(intake.bench.why(), None);
    intake.served.end().await;
}

#[tokio::test]
async fn a_certificate_must_be_valid_now_for_sns_and_of_an_rsa_key() {
    let ca = Ca::new("authority");
    let elliptic = {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![dns("sns.amazonaws.com")];
        params.signed_by(&key, &ca.issuer).unwrap().pem()
    };
    let common_name = |name: &'static str| {
        ca.sign(KEY, |params| {
            params.subject_alt_names.clear();
            params.distinguished_name.push(DnType::CommonName, name);
        })
    };
    for (what, pem, status) in [
        (
            "expired",
            ca.sign(KEY, |params| {
                params.not_after = rcgen::date_time_ymd(2025, 12, 31)
            }),
            403,
        ),
        (
            "not valid yet",
            ca.sign(KEY, |params| {
                params.not_before = rcgen::date_time_ymd(2026, 1, 2)
            }),
            403,
        ),
        (
            "somebody else's",
            ca.sign(KEY, |params| {
                params.subject_alt_names = vec![dns("bucket.s3.amazonaws.com")]
            }),
            403,
        ),
        (
            "somebody else's with the right common name",
            ca.sign(KEY, |params| {
                params.subject_alt_names = vec![dns("example.com")];
                params
                    .distinguished_name
                    .push(DnType::CommonName, "sns.amazonaws.com");
            }),
            403,
        ),
        ("of another common name", common_name("example.com"), 403),
        (
            "of SNS's common name",
            common_name("sns.amazonaws.com"),
            200,
        ),
        (
            "of the region's host",
            ca.sign(KEY, |params| {
                params.subject_alt_names = vec![dns("sns.eu-central-1.amazonaws.com")];
            }),
            200,
        ),
        (
            "an authority's own",
            ca.sign(KEY, |params| {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
            }),
            403,
        ),
        ("of an elliptic key", elliptic, 403),
        ("no certificate", KEY.to_owned(), 403),
        ("nothing", String::new(), 403),
        ("of another key", ca.sign(OTHER_KEY, |_| {}), 403),
    ] {
        let intake = intake(&pem, Authority::Host).await;
        let answer = intake.post(&signed(notification())).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        let stored = usize::from(status == 200);
        assert_eq!(intake.bench.sink.log().len(), stored, "{what}");
        assert_eq!(intake.counts("forged"), u64::from(status != 200), "{what}");
        intake.served.end().await;
    }
}

#[tokio::test]
async fn where_anchors_are_named_the_certificate_leads_to_one() {
    let ca = Ca::new("authority");
    let pem = ca.sign(KEY, |_| {});
    let other = Ca::new("another").anchor();
    for (anchor, status) in [(ca.anchor(), 200), (other, 403)] {
        let intake = intake(&pem, Authority::Anchors(vec![anchor])).await;
        let answer = intake.post(&signed(notification())).await;
        assert_eq!(answer.status, status, "{answer:?}");
        intake.served.end().await;
    }
}

#[tokio::test]
async fn no_forgery_is_stored() {
    let ca = Ca::new("authority");
    let intake = intake(&ca.sign(KEY, |_| {}), Authority::Host).await;
    let original = signed(notification());
    let mut forgeries: Vec<(String, Value)> = Vec::new();
    // Each signed member changed after signing.
    for name in ["Message", "MessageId", "Subject", "Timestamp", "Type"] {
        let mut message = original.clone();
        message[name] = match name {
            "Timestamp" => "2025-12-31T23:59:59.123Z".into(),
            "Type" => "UnsubscribeConfirmation".into(),
            _ => "changed".into(),
        };
        if name == "Type" {
            message["SubscribeURL"] = "x".into();
            message["Token"] = "x".into();
        }
        forgeries.push((format!("{name} changed"), message));
    }
    // Each member missing, or not a text.
    for name in [
        "Type",
        "MessageId",
        "TopicArn",
        "Subject",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
    ] {
        let mut message = original.clone();
        message.as_object_mut().unwrap().remove(name);
        forgeries.push((format!("without {name}"), message));
        let mut message = original.clone();
        message[name] = json!(["a"]);
        forgeries.push((format!("{name} is a list"), message));
    }
    let with = |name: &str, value: &str| {
        let mut message = notification();
        message[name] = value.into();
        message
    };
    let other_topic = "arn:aws:sns:eu-central-1:444455556666:events";
    let case_of_topic = TOPIC.replace("events", "Events");
    let mut version_mixed = original.clone();
    version_mixed["SignatureVersion"] = "1".into();
    let mut other_version_mixed = notification();
    other_version_mixed["Signature"] = SIGNED_WITH_SHA1.trim().into();
    forgeries.extend([
        (
            "of another key".to_owned(),
            signed_by(notification(), OTHER_KEY),
        ),
        (
            "of another topic".to_owned(),
            signed(with("TopicArn", other_topic)),
        ),
        (
            "of a topic in another spelling".to_owned(),
            signed(with("TopicArn", &case_of_topic)),
        ),
        ("SHA-256 said to be SHA-1".to_owned(), version_mixed),
        ("SHA-1 said to be SHA-256".to_owned(), other_version_mixed),
        (
            "of an unknown version".to_owned(),
            signed(with("SignatureVersion", "3")),
        ),
        (
            "too old".to_owned(),
            signed(with("Timestamp", "2025-12-31T21:59:59Z")),
        ),
        (
            "from the future".to_owned(),
            signed(with("Timestamp", "2026-01-01T00:15:01Z")),
        ),
        (
            "of no time".to_owned(),
            signed(with("Timestamp", "yesterday")),
        ),
        (
            "with a member slipped in".to_owned(),
            // The same bytes to sign, cut elsewhere.
            {
                let mut message = original.clone();
                message["Message"] = "{\"detail-type\": \"x\"".into();
                message["Subject"] = "\"y\"}\nMessageId".into();
                message
            },
        ),
    ]);
    for address in [
        "https://sns.eu-central-1.amazonaws.com.example.com/SimpleNotificationService-0a1b.pem",
        "https://example.com/SimpleNotificationService-0a1b.pem",
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
        "https://sns.eu-central-1.amazonaws.com/0a1b.pem",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-../0a1b.pem",
    ] {
        // The certificate would be there.
        let pem = ca.sign(KEY, |_| {});
        intake
            .web
            .pages
            .lock()
            .unwrap()
            .insert(address.to_owned(), pem);
        let message = signed(with("SigningCertURL", address));
        forgeries.push((format!("certificate at {address}"), message));
    }
    for (what, message) in &forgeries {
        let answer = intake.post(message).await;
        assert!(matches!(answer.status, 400 | 403), "{what}: {answer:?}");
        assert!(answer.body.len() < 200, "{what}: {answer:?}");
    }
    for text in ["", "null", "[]", "{", "\u{0}", "Notification"] {
        let answer = intake.served.request("POST", "/sns", &[], text).await;
        assert_eq!(answer.status, 400, "{text:?}");
    }
    assert_eq!(intake.bench.sink.log(), Vec::<String>::new());
    assert_eq!(intake.fetched(), [certificate_address("0a1b")]);
    // And the real one still goes through.
    assert_eq!(intake.post(&original).await.status, 200);
    intake.served.end().await;
}

#[tokio::test]
async fn a_subscription_is_confirmed_for_an_expected_topic_only() {
    let ca = Ca::new("authority");
    let intake = intake(&ca.sign(KEY, |_| {}), Authority::Host).await;
    let address = confirmation()["SubscribeURL"].as_str().unwrap().to_owned();
    let with = |changes: &[(&str, &str)]| {
        let mut message = confirmation();
        for (name, value) in changes {
            message[*name] = (*value).into();
        }
        signed(message)
    };
    let elsewhere =
        format!("https://example.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1");
    let other = address.replace("111122223333", "444455556666");
    let does_more = address.replace("ConfirmSubscription", "Unsubscribe");
    for message in [
        with(&[("TopicArn", "arn:aws:sns:eu-central-1:444455556666:events")]),
        with(&[("SubscribeURL", &elsewhere)]),
        with(&[("SubscribeURL", &other)]),
        with(&[("SubscribeURL", &does_more)]),
        signed_by(confirmation(), OTHER_KEY),
        confirmation(),
    ] {
        let answer = intake.post(&message).await;
        assert!(matches!(answer.status, 400 | 403), "{message}: {answer:?}");
    }
    let certificate = certificate_address("0a1b");
    assert_eq!(intake.fetched(), std::slice::from_ref(&certificate));
    // SNS does not answer: it is to ask again.
    assert_eq!(intake.post(&with(&[])).await.status, 503);
    let page = "<ConfirmSubscriptionResponse/>".to_owned();
    intake
        .web
        .pages
        .lock()
        .unwrap()
        .insert(address.clone(), page);
    assert_eq!(intake.post(&with(&[])).await.status, 200);
    assert_eq!(intake.fetched(), [certificate, address.clone(), address]);
    assert_eq!(intake.bench.why(), None);
    // Somebody ends it: that is to be seen.
    let mut ended = confirmation();
    ended["Type"] = "UnsubscribeConfirmation".into();
    assert_eq!(intake.post(&signed(ended)).await.status, 200);
    assert!(intake.bench.why().unwrap().contains("has ended"));
    assert_eq!(intake.bench.sink.log(), Vec::<String>::new());
    intake.served.end().await;
}

#[tokio::test]
async fn what_cannot_be_verified_or_stored_now_is_to_come_again() {
    let ca = Ca::new("authority");
    let intake = intake(&ca.sign(KEY, |_| {}), Authority::Host).await;
    let mut unknown = notification();
    unknown["SigningCertURL"] = certificate_address("ffff").into();
    let answer = intake.post(&signed(unknown)).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    intake.bench.sink.fail([away()]);
    assert_eq!(intake.post(&signed(notification())).await.status, 503);
    assert_eq!(intake.post(&signed(notification())).await.status, 200);
    intake.served.end().await;
}

#[tokio::test]
async fn nobody_can_have_certificates_fetched_without_end() {
    let ca = Ca::new("authority");
    let intake = intake(&ca.sign(KEY, |_| {}), Authority::Host).await;
    assert_eq!(intake.post(&signed(notification())).await.status, 200);
    for at in 0..100 {
        let mut message = notification();
        message["SigningCertURL"] = certificate_address(&format!("{at:04x}")).into();
        assert_eq!(intake.post(&signed(message)).await.status, 503);
    }
    // The one that was there, and so many that were not.
    assert_eq!(intake.fetched().len(), 1 + 20);
    assert_eq!(intake.counts("no-certificate"), 100);
    // What is known goes through all the same; and later, what is not.
    assert_eq!(intake.post(&signed(notification())).await.status, 200);
    intake.bench.clock.advance(SignedDuration::from_mins(11));
    let pem = ca.sign(KEY, |_| {});
    let address = certificate_address("beef");
    intake
        .web
        .pages
        .lock()
        .unwrap()
        .insert(address.clone(), pem);
    let mut message = notification();
    message["SigningCertURL"] = address.into();
    assert_eq!(intake.post(&signed(message)).await.status, 200);
    // A day later the first one is looked at again, whatever others have asked for meanwhile.
    intake.bench.clock.advance(SignedDuration::from_hours(24));
    let mut message = notification();
    message["Timestamp"] = intake.bench.clock.now().to_string().into();
    for at in 0..100 {
        let mut message = message.clone();
        message["SigningCertURL"] = certificate_address(&format!("{at:04x}")).into();
        assert_eq!(intake.post(&signed(message)).await.status, 503);
    }
    assert_eq!(intake.fetched().len(), 1 + 20 + 1 + 20);
    // It is away for a moment, and not asked for more often than it could be back.
    let pages = || intake.web.pages.lock().unwrap();
    let pem = pages().remove(&certificate_address("0a1b")).unwrap();
    for _ in 0..10 {
        let answer = intake.post(&signed(message.clone())).await;
        assert_eq!(answer.status, 503);
    }
    assert_eq!(intake.fetched().len(), 1 + 20 + 1 + 20 + 1);
    pages().insert(certificate_address("0a1b"), pem);
    intake.bench.clock.advance(SignedDuration::from_secs(5));
    assert_eq!(intake.post(&signed(message)).await.status, 200);
    assert_eq!(intake.fetched().len(), 1 + 20 + 1 + 20 + 1 + 1);
    intake.served.end().await;
}

#[tokio::test]
async fn a_certificate_that_does_not_come_takes_no_place_from_others() {
    let ca = Ca::new("authority");
    let intake = intake(&ca.sign(KEY, |_| {}), Authority::Host).await;
    assert_eq!(intake.post(&signed(notification())).await.status, 200);
    let mut message = notification();
    message["SigningCertURL"] = certificate_address(SILENT).into();
    let body = signed(message).to_string();
    let mut waiting = Vec::new();
    // More than there are places.
    for _ in 0..40 {
        let mut stream = TcpStream::connect(intake.served.address).await.unwrap();
        let head = "POST /sns HTTP/1.1\r\nHost: a\r\nContent-Length";
        let request = format!("{head}: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    let asked = async {
        while !intake.fetched().contains(&certificate_address(SILENT)) {
            tokio::task::yield_now().await;
        }
        intake.post(&signed(notification())).await
    };
    let answer = tokio::time::timeout(Duration::from_secs(60), asked).await;
    assert_eq!(answer.unwrap().status, 200);
    drop(waiting);
    intake.served.end().await;
}
