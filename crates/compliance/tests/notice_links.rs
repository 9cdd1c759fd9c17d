//! Links that do something: made, followed, and worth nothing to anybody else.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::notices::{HOSTILE, at, harmless};
use compliance::notice::links::{LinkAction, LinkMaker, LinkRequest, refusal};
use compliance::notice::token::{TokenError, TokenKey};
use compliance::notice::{Endpoint, Filter, Links, Notice, NoticeKind, Protocol, Subscription};
use jiff::{SignedDuration, Timestamp};

const BASE: &str = "https://guard.example.com/portcullis";

fn now() -> Timestamp {
    at("2026-01-01T00:00:00Z")
}

fn maker() -> LinkMaker {
    LinkMaker {
        base_url: format!("{BASE}/"),
        key: TokenKey::new([7; 32]).unwrap(),
        confirm_within: SignedDuration::from_hours(72),
        acknowledge_within: SignedDuration::from_hours(24 * 30),
    }
}

fn subscription(id: &str) -> Subscription {
    Subscription {
        id: id.to_owned(),
        topic: "security".to_owned(),
        protocol: Protocol::Email,
        endpoint: Endpoint::new("a@example.com"),
        confirmed: false,
        filter: Filter::default(),
        digest: None,
        quiet_hours: None,
    }
}

fn links(notice: &Notice, id: &str) -> Links {
    maker().links(notice, &subscription(id), now())
}

fn followed(link: &str) -> LinkRequest {
    let (path, query) = link.strip_prefix(BASE).unwrap().split_once('?').unwrap();
    LinkRequest::parse(path, query).unwrap()
}

#[test]
fn a_link_is_followed_to_its_subscription() {
    for id in ["one", "ü/&=%?#", HOSTILE] {
        let mut notice = harmless(NoticeKind::Opened);
        notice.finding_id = Some(format!("f&{id}"));
        let links = links(&notice, id);
        assert_eq!(links.confirm, None);
        assert_eq!(links.console, notice.links.console);
        for (link, action) in [
            (links.unsubscribe, LinkAction::Unsubscribe),
            (
                links.acknowledge,
                LinkAction::Acknowledge {
                    finding_id: format!("f&{id}"),
                },
            ),
        ] {
            let link = link.unwrap();
            assert!(link.bytes().all(|byte| byte.is_ascii_graphic()), "{link}");
            let request = followed(&link);
            assert_eq!(request.action, action);
            let all = [subscription("other"), subscription(id)];
            assert_eq!(request.check(&maker().key, &all, now()).unwrap().id, id);
            // The token is neither in a log nor on a page.
            let token = link.rsplit('=').next().unwrap();
            for text in [
                format!("{request:?}"),
                request.question(&all[1]),
                request.done(&all[1]),
            ] {
                assert!(!text.contains(token), "{text}");
            }
        }
    }
}

#[test]
fn a_question_has_the_link_that_confirms_and_no_other_notice_has() {
    let question = links(&harmless(NoticeKind::SubscriptionConfirmation), "one");
    assert_eq!((question.unsubscribe, question.acknowledge), (None, None));
    let request = followed(&question.confirm.unwrap());
    assert_eq!(request.action, LinkAction::Confirm);
    let all = [subscription("one")];
    assert!(
        request
            .check(&maker().key, &all, at("2026-01-03T23:59:59Z"))
            .is_ok()
    );
    assert_eq!(
        request
            .check(&maker().key, &all, at("2026-01-04T00:00:00Z"))
            .unwrap_err(),
        TokenError::Expired
    );
    for kind in NoticeKind::ALL {
        let links = links(&harmless(kind), "one");
        assert_eq!(
            links.confirm.is_some(),
            kind == NoticeKind::SubscriptionConfirmation
        );
        if kind.is_over() {
            assert_eq!(links.acknowledge, None);
        }
    }
}

#[test]
fn a_link_is_worth_nothing_where_anything_differs() {
    let link = links(&harmless(NoticeKind::Opened), "one")
        .unsubscribe
        .unwrap();
    let key = maker().key;
    let mut moved = subscription("one");
    moved.endpoint = Endpoint::new("b@example.com");
    assert_eq!(
        followed(&link).check(&key, &[moved], now()).unwrap_err(),
        TokenError::Invalid
    );
    assert_eq!(
        followed(&link).check(&key, &[], now()).unwrap_err(),
        TokenError::Invalid
    );
    let all = [subscription("one"), subscription("two")];
    for altered in [
        link.replace("subscription=one", "subscription=two"),
        link.replace("/unsubscribe", "/confirm"),
        link.replace("/unsubscribe?", "/acknowledge?finding=f00d&"),
    ] {
        assert_ne!(altered, link);
        assert_eq!(
            followed(&altered).check(&key, &all, now()).unwrap_err(),
            TokenError::Invalid
        );
    }
    assert!(refusal(TokenError::Expired).contains("has expired"));
}

#[test]
fn what_is_no_link_is_none() {
    for (path, query) in [
        ("/links/confirm", ""),
        ("/links/confirm", "subscription=one"),
        ("/links/confirm", "token=t"),
        ("/links/acknowledge", "subscription=one&token=t"),
        (
            "/links/confirm",
            "subscription=one&subscription=two&token=t",
        ),
        ("/links/confirm", "subscription=%&token=t"),
        ("/links/confirm", "subscription=%f&token=t"),
        ("/links/confirm", "subscription=%ff&token=t"),
        ("/links/confirm/", "subscription=one&token=t"),
        ("/links/else", "subscription=one&token=t"),
        ("", "subscription=one&token=t"),
        (
            "/links/confirm",
            &format!("subscription=one&token={}", "t".repeat(3_000)),
        ),
    ] {
        assert_eq!(LinkRequest::parse(path, query), None, "{path}?{query}");
    }
    assert!(LinkRequest::parse("/links/confirm", "x=1&subscription=one&token=t").is_some());
}

#[test]
fn pages_have_one_button_and_no_markup_but_ours() {
    let mut notice = harmless(NoticeKind::Opened);
    notice.finding_id = Some(HOSTILE.to_owned());
    let mut subscription = subscription(HOSTILE);
    subscription.topic = HOSTILE.to_owned();
    subscription.endpoint = Endpoint::new(HOSTILE);
    let links = maker().links(&notice, &subscription, now());
    let question = harmless(NoticeKind::SubscriptionConfirmation);
    let confirm = maker().links(&question, &subscription, now()).confirm;
    for link in [links.unsubscribe, links.acknowledge, confirm] {
        let request = followed(&link.unwrap());
        for (page, buttons) in [
            (request.question(&subscription), 1),
            (request.done(&subscription), 0),
        ] {
            assert!(
                !page.contains("<img") && !page.contains("<!channel"),
                "{page}"
            );
            assert!(
                !page
                    .chars()
                    .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
            );
            assert_eq!(
                page.matches("<form method=\"post\"><button>").count(),
                buttons
            );
            assert_eq!(page.matches("<h1>").count(), 1);
        }
    }
}
