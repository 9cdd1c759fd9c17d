//! Notices in each medium: what must be in them is, and nothing in them is more than text.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::notices::{HOSTILE, at, bare, full, harmless, hostile};
use compliance::item::ResourceKey;
use compliance::notice::{
    self, Access, Mechanism, Notice, NoticeKind, SNS_SUBJECT_LIMIT, SnsFormat, WayIn,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn every_notice() -> impl Iterator<Item = Notice> {
    NoticeKind::ALL
        .into_iter()
        .flat_map(|kind| [bare(kind), harmless(kind), hostile(kind)])
}

/// Whether a character would be obeyed, or not be seen, by whoever reads it.
fn hides(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[test]
fn a_stored_notice_is_read_back() {
    for notice in every_notice() {
        let text = serde_json::to_string(&notice).unwrap();
        assert_eq!(serde_json::from_str::<Notice>(&text).unwrap(), notice);
    }
    // Written by an older program: what it did not know is empty.
    let old = json!({"id": "n-1", "kind": "test", "created_at": "2026-01-01T00:00:03Z"});
    assert_eq!(
        serde_json::from_value::<Notice>(old).unwrap(),
        bare(NoticeKind::Test)
    );
    for kind in NoticeKind::ALL {
        assert_eq!(NoticeKind::parse(kind.as_str()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}

#[test]
fn subjects_say_what_happened_first() {
    let subject = |notice: &Notice| notice::subject(notice, SNS_SUBJECT_LIMIT);
    let shown: Vec<String> = NoticeKind::ALL
        .into_iter()
        .map(|kind| subject(&harmless(kind)))
        .collect();
    assert_eq!(
        shown,
        [
            "Public read by policy: backups in prod",
            "Closed and verified: backups in prod",
            "NOT closed, remediation failed: backups in prod",
            "NOT closed (loop guard), public read by policy: backups in prod",
            "Closes at 2026-01-01 01:00Z unless stopped: backups in prod",
            "Resolved: backups in prod",
            "Public read by policy (4th time): backups in prod",
            "Escalation 2/3, public read by policy: backups in prod",
            "Exception ends 2026-01-08: backups in prod",
            "Exception ended, still open: backups in prod",
            "Exception void, open wider: backups in prod",
            "Notice NOT delivered: backups in prod",
            "Not watching: prod (111122223333)",
            "History NOT delivered: backups in prod",
            "1 notice from Portcullis",
            "Test notice: security",
            "Please confirm your subscription: security",
            "Unsubscribed: security",
        ]
    );
}

#[test]
fn a_subject_fits_whatever_the_name() {
    let all_ways: Vec<WayIn> = [Mechanism::Acl, Mechanism::Policy, Mechanism::AccessPoint]
        .into_iter()
        .flat_map(|via| [Access::Read, Access::Write].map(|access| WayIn { via, access }))
        .collect();
    // Up to 63 characters today, up to 255 in us-east-1 before 2018 (Amazon S3 user guide).
    for length in [3, 30, 40, 50, 63, 255] {
        let name = format!("a{}z", "-".repeat(length - 2));
        for kind in NoticeKind::ALL {
            let mut notice = harmless(kind);
            notice.key = Some(ResourceKey::bucket("111122223333", "us-east-1", &name));
            notice.mechanisms.clone_from(&all_ways);
            let subject = notice::subject(&notice, SNS_SUBJECT_LIMIT);
            assert!(subject.len() < 100, "{subject}");
            assert!(!subject.ends_with(": "), "{subject}");
        }
        let mut notice = harmless(NoticeKind::Opened);
        notice.key = Some(ResourceKey::bucket("111122223333", "us-east-1", &name));
        let subject = notice::subject(&notice, SNS_SUBJECT_LIMIT);
        assert!(
            subject.starts_with("Public read by policy: a-"),
            "{subject}"
        );
        assert!(subject.contains("-z"), "{subject}");
        if length <= 63 {
            assert!(subject.contains(&name), "{subject}");
        }
    }
    for notice in every_notice() {
        for limit in [20, 50, SNS_SUBJECT_LIMIT, 500] {
            let subject = notice::subject(&notice, limit);
            assert!(!subject.is_empty() && subject.len() <= limit, "{subject}");
            assert!(subject.chars().all(|c| matches!(c, ' '..='~')), "{subject}");
            assert!(subject.starts_with(|c: char| c.is_ascii_alphanumeric()));
        }
        let subject = notice::mail_subject(&notice);
        assert!(
            !subject.chars().any(|c| hides(c) || c == '\n'),
            "{subject:?}"
        );
        assert!(subject.chars().count() <= notice::MAIL_SUBJECT_LIMIT);
    }
}

#[test]
fn a_public_policy_is_in_the_mail_with_statement_and_witness() {
    let notice = harmless(NoticeKind::Opened);
    insta::assert_snapshot!(notice::text(&notice), @r#"
    Bucket backups is open to the public for read through the bucket policy. Access denied: s3:PutBucketAcl is missing.

    Bucket       backups
    Account      prod (111122223333), eu-central-1
    Severity     high
    Rules        s3-bucket-public-read-prohibited
    Annotation   The S3 bucket policy allows public read access.
    Open         read through the bucket policy
    Exposed      since 2026-01-01 00:00:00 UTC
    Detected     2026-01-01 00:00:02 UTC, 2 s after it opened
    Done by      arn:aws:iam::111122223333:user/eve from 198.51.100.7
    Event        PutBucketPolicy at 2026-01-01 00:00:00 UTC, event e-1
    Seen before  4th time in 30 days, last closed 2 h ago by remediation 7
    Exception    website, of web team, until 2026-01-08 00:00:03 UTC: The public website.
    Remediation  r-1
    Finding      f00d

    Notices:
      - 2026-01-01 00:00:00 UTC · high · Public read by policy: backups

    A request that gets in:
        {
          "principal": "anonymous",
          "action": "s3:GetObject",
          "resource": "arn:aws:s3:::backups/a"
        }
      Try it: curl -iL https://backups.s3.amazonaws.com/a

    The statement that lets it in:
        {
          "Sid": "Open",
          "Effect": "Allow"
        }

    The public grants of the ACL:
        grant 1 (READ to AllUsers)

    What was changed:
        - READ to group AllUsers
      To take it back: portcullis undo r-1

    The whole policy:
        {
          "Version": "2012-10-17",
          "Statement": [
            {
              "Sid": "Open",
              "Effect": "Allow",
              "Principal": "*",
              "Action": "s3:GetObject",
              "Resource": "arn:aws:s3:::backups/*"
            }
          ]
        }

    Acknowledge: https://guard.example.com/ack/f00d
    In the console: https://guard.example.com/findings/f00d
    Unsubscribe: https://guard.example.com/unsubscribe/t

    Portcullis · notice n-1 · 2026-01-01 00:00:03 UTC
    "#);
    let html = notice::html(&notice);
    for part in [
        "Bucket backups is open to the public for read through the bucket policy.",
        "&quot;Sid&quot;: &quot;Open&quot;",
        "&quot;principal&quot;: &quot;anonymous&quot;",
        "arn:aws:s3:::backups/*",
        "arn:aws:iam::111122223333:user/eve",
        "href=\"https://guard.example.com/ack/f00d\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
}

#[test]
fn a_policy_of_20_kb_is_in_the_mail_whole_and_a_longer_one_says_that_it_is_cut() {
    let policy = |size: usize| {
        let head = r#"{"Version":"2012-10-17","Id":""#;
        let tail = r#"","Statement":[{"Sid":"TheLast"}]}"#;
        format!("{head}{}{tail}", "x".repeat(size - head.len() - tail.len()))
    };
    let mut notice = harmless(NoticeKind::Opened);
    notice.policy = Some(policy(20 * 1024));
    for text in [notice::text(&notice), notice::html(&notice)] {
        assert!(text.contains("TheLast"));
        assert!(!text.contains("Cut after"));
    }
    notice.policy = Some(policy(1024 * 1024));
    for text in [notice::text(&notice), notice::html(&notice)] {
        assert!(!text.contains("TheLast"));
        assert!(
            text.contains(
                "Cut after 49152 of 1048576 bytes. All of it: portcullis history backups"
            )
        );
        assert!(text.len() < 100_000);
    }
}

#[test]
fn nothing_hides_in_a_text() {
    for notice in every_notice() {
        let text = notice::text(&notice);
        assert!(!text.chars().any(hides), "{text:?}");
        // What somebody wrote never begins a line of its own.
        assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
    }
}

#[test]
fn html_has_no_markup_but_ours() {
    for kind in NoticeKind::ALL {
        let tags = |html: &str| -> Vec<String> {
            html.split('<')
                .skip(1)
                .map(|tag| tag.split(['>', ' ']).next().unwrap().to_owned())
                .filter(|tag| !tag.starts_with('!'))
                .collect()
        };
        let html = notice::html(&hostile(kind));
        assert_eq!(tags(&html), tags(&notice::html(&harmless(kind))), "{html}");
        assert!(!html.chars().any(hides), "{html:?}");
        for remote in ["src=", "url(", "@import", "<script", "<link", "<form"] {
            let found = notice::html(&harmless(kind)).contains(remote);
            assert!(!found, "{remote}");
        }
    }
    // An address that is none of the web's does not become one.
    let mut notice = harmless(NoticeKind::Opened);
    notice.links.console = Some("javascript:alert(1)".to_owned());
    assert!(!notice::html(&notice).contains("href=\"javascript"));
}

#[test]
fn an_sns_message_fits_and_is_what_was_asked_for() {
    for notice in every_notice() {
        let message = notice::sns_message(&notice, SnsFormat::Text);
        assert_eq!(message, notice::text(&notice));
    }
    let change = notice::sns_message(&harmless(NoticeKind::Opened), SnsFormat::ComplianceChange);
    let change: Value = serde_json::from_str(&change).unwrap();
    assert_eq!(change["detail-type"], "Config Rules Compliance Change");
    let text = notice::sns_message(&bare(NoticeKind::Test), SnsFormat::ComplianceChange);
    assert!(text.starts_with("This is a test"), "{text}");
    let json = notice::sns_message(&harmless(NoticeKind::Opened), SnsFormat::Json);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, notice::webhook(&harmless(NoticeKind::Opened)));
    let mut long = harmless(NoticeKind::Opened);
    long.annotation = Some("ü".repeat(400_000));
    assert_eq!(
        notice::sns_message(&long, SnsFormat::Json),
        notice::sns_message(&long, SnsFormat::Text)
    );
    let message = notice::sns_message(&long, SnsFormat::Text);
    assert!(message.len() <= notice::SNS_MESSAGE_LIMIT);
    assert!(message.ends_with("[cut: longer than SNS allows]\n"));
}

/// Every text in a JSON document with the name of its member.
fn texts<'v>(value: &'v Value, name: &'v str, found: &mut Vec<(&'v str, &'v str)>) {
    match value {
        Value::String(text) => found.push((name, text)),
        Value::Array(elements) => elements.iter().for_each(|it| texts(it, name, found)),
        Value::Object(members) => members.iter().for_each(|(name, it)| texts(it, name, found)),
        _ => {}
    }
}

#[test]
fn slack_takes_it_and_nobody_is_mentioned() {
    for notice in every_notice() {
        let body = notice::slack(&notice);
        assert!(!body["text"].as_str().unwrap().is_empty());
        let blocks = body["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50);
        for block in blocks {
            assert!(block["fields"].as_array().map_or(0, Vec::len) <= 10);
            let text = &block["text"];
            let length = text["text"].as_str().map_or(0, |text| text.chars().count());
            let limit = if block["type"] == "header" { 150 } else { 3000 };
            assert!(length <= limit, "{length}");
            // Only `mrkdwn` makes links and mentions.
            if text["type"] == "mrkdwn" {
                let text = text["text"].as_str().unwrap();
                for (at, _) in text.match_indices('<') {
                    assert!(
                        text[at..].starts_with("<https://guard.example.com/"),
                        "{text}"
                    );
                }
                assert_eq!(text.matches("```").count() % 2, 0, "{text}");
            }
        }
        assert!(!body["text"].as_str().unwrap().contains('<'));
        let mut found = Vec::new();
        texts(&body, "", &mut found);
        assert!(!found.iter().any(|(_, text)| text.chars().any(hides)));
    }
    let body = notice::slack(&harmless(NoticeKind::Opened)).to_string();
    for part in [
        "Public read by policy: backups",
        "<https://guard.example.com/ack/f00d|Acknowledge>",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    let mut long = harmless(NoticeKind::Opened);
    long.statement = Some("<".repeat(100_000));
    let body = notice::slack(&long);
    let longest = body["blocks"].as_array().unwrap().iter();
    assert!(
        longest
            .map(|it| it["text"]["text"].as_str().map_or(0, str::len))
            .max()
            <= Some(3_003)
    );
}

#[test]
fn a_chat_gets_one_text() {
    for notice in every_notice() {
        let body = notice::chat(&notice);
        let text = body["text"].as_str().unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1);
        assert!(!text.is_empty() && text.chars().count() <= 8_000);
        assert!(!text.chars().any(hides), "{text:?}");
        // Outside of code, nobody is mentioned.
        let outside: String = text.split('`').step_by(2).collect();
        assert!(
            !outside.contains("@here") && !outside.contains("<!"),
            "{text}"
        );
    }
}

#[test]
fn a_webhook_body_keeps_to_its_schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/notice.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for notice in every_notice() {
        let body = notice::webhook(&notice);
        let wrong: Vec<String> = validator
            .iter_errors(&body)
            .map(|wrong| format!("{}: {wrong}", wrong.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}\n{body:#}");
    }
    // It is strict: what it does not know does not pass.
    let mut body = notice::webhook(&harmless(NoticeKind::Opened));
    body["unknown"] = Value::Null;
    assert!(!validator.is_valid(&body));
    let mut body = notice::webhook(&harmless(NoticeKind::Opened));
    body["kind"] = json!("something");
    assert!(!validator.is_valid(&body));
    // Texts arrive as they were: JSON needs no more.
    let body = notice::webhook(&hostile(NoticeKind::Opened));
    assert!(body["policy"].as_str().unwrap().contains(HOSTILE));
    // Whoever gets the body may not confirm in somebody else's place.
    assert_eq!(
        notice::webhook(&harmless(NoticeKind::Opened))["links"]["confirm"],
        Value::Null
    );
}

#[test]
fn headlines_read_as_sentences() {
    let mut notice = harmless(NoticeKind::Escalated);
    notice.reason = None;
    assert_eq!(
        notice::text(&notice).lines().next().unwrap(),
        "Bucket backups is open to the public for read through the bucket policy. You are asked because on-call did not answer within 15 min (step 2 of 3)."
    );
    let mut notice = harmless(NoticeKind::Recurred);
    notice.created_at = at("2026-01-01T00:00:03Z");
    assert_eq!(
        notice::text(&notice).lines().next().unwrap(),
        "Bucket backups is open to the public for read through the bucket policy. Again: 4th time in 30 days, last closed 2 h ago by remediation 7."
    );
    for kind in NoticeKind::ALL {
        for notice in [bare(kind), harmless(kind)] {
            let text = notice::text(&notice);
            let headline = text.lines().next().unwrap();
            assert!(headline.ends_with(['.', ':']), "{headline}");
            assert!(
                !headline.contains("  ") && !headline.contains(".."),
                "{headline}"
            );
        }
    }
}

proptest! {
    /// Whatever stands in a notice: no medium breaks, and nothing in it is more than text.
    #[test]
    fn any_text_stays_text(
        which in 0..NoticeKind::ALL.len(),
        // Everything there is, and what has a meaning somewhere.
        text in "(\\PC|\\p{Cc}|[<>&\"'`|@*_~=.:\r\n\u{202e}\u{200b}\u{ad}\u{e0041}\u{feff}-]){0,60}",
    ) {
        let notice = full(NoticeKind::ALL[which], |harmless| format!("{text}{harmless}{text}"));
        let subject = notice::subject(&notice, SNS_SUBJECT_LIMIT);
        prop_assert!(!subject.is_empty() && subject.len() < 100);
        prop_assert!(subject.chars().all(|c| matches!(c, ' '..='~')), "{subject}");
        for one_line in [notice::mail_subject(&notice), notice::text(&notice).lines().next().unwrap().to_owned()] {
            prop_assert!(!one_line.chars().any(|c| hides(c) || c == '\n'), "{one_line:?}");
        }
        let plain = notice::text(&notice);
        prop_assert!(!plain.chars().any(hides), "{plain:?}");
        let html = notice::html(&notice);
        prop_assert!(!html.chars().any(hides), "{html:?}");
        prop_assert_eq!(html.matches('<').count(), notice::html(&full(NoticeKind::ALL[which], str::to_owned)).matches('<').count());
        let slack = notice::slack(&notice);
        for block in slack["blocks"].as_array().unwrap() {
            let written = block["text"]["text"].as_str().unwrap_or_default();
            prop_assert!(written.chars().count() <= 3_000);
            if block["text"]["type"] == "mrkdwn" {
                let links = written.matches("<https://guard.example.com/").count();
                prop_assert_eq!(written.matches('<').count(), links, "{}", written);
            }
        }
        let chat = notice::chat(&notice);
        let outside: String = chat["text"].as_str().unwrap().split('`').step_by(2).collect();
        prop_assert!(!outside.contains(['<', '@']), "{outside}");
        let stored = serde_json::to_string(&notice).unwrap();
        prop_assert_eq!(serde_json::from_str::<Notice>(&stored).unwrap(), notice);
    }
}
