//! What follows from a look: compliance changes, findings, exposures, responses and notices, step by
//! step as an operator would live through them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use compliance::assessment::Assessment;
use compliance::fingerprint;
use compliance::item::bucket::{Taken, item};
use compliance::item::{ConfigurationItem, ResourceKey};
use compliance::notice::{self, Notice, NoticeKind, Severity, StillOpen};
use compliance::pattern::EventPattern;
use compliance::remediation::{AclRemedy, RemediationOptions};
use compliance::rules::{self, RuleEvaluation};
use guard::decide::{Decision, Seen, decide};
use guard::event_rules::{EventRule, EventRules, Raised, RuleTarget};
use guard::responder::{
    EnforcementScope, Hold, Leave, Open, Past, ResponderSettings, Response, respond,
};
use guard::state::{EnforcementStop, EventRecord, FindingState, ResourceRecord};
use guard::tell::{Subject, tell, with_changes};
use jiff::{SignedDuration, Timestamp};
use policy::bucket::{Acl, BlockLevels, Bucket, Enforcement, ObjectOwnership};
use policy::document::Policy;
use policy::observed::{Observed, Unread};
use policy::public::judge;
use support::{private_acl, public_acl, public_policy};

fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_mins(minute)
}

/// One bucket, looked at again and again.
struct Watched {
    known: Option<ResourceRecord>,
    acl: Acl,
    policy: Option<String>,
    policy_unread: bool,
    exception: Option<String>,
    event_rules: EventRules,
    responder: ResponderSettings,
    past: Past,
}

/// What one look made.
struct Looked {
    decision: Decision,
    response: Response,
    notices: Vec<Notice>,
    raised: Raised,
}

impl Watched {
    fn new() -> Watched {
        let pattern = |text: &str| EventPattern::parse(text).unwrap();
        let event_rules = EventRules::new(vec![
            EventRule {
                name: "respond".to_owned(),
                // The published pattern, word for word.
                pattern: pattern(
                    r#"{"source": ["aws.config"], "detail": {"requestParameters": {"evaluations": {"complianceType": ["NON_COMPLIANT"]}}, "additionalEventData": {"managedRuleIdentifier": ["S3_BUCKET_PUBLIC_READ_PROHIBITED", "S3_BUCKET_PUBLIC_WRITE_PROHIBITED"]}}}"#,
                ),
                targets: vec![RuleTarget::Responder],
            },
            EventRule {
                name: "tell".to_owned(),
                pattern: pattern(
                    r#"{"source": ["aws.config"], "detail-type": ["Config Rules Compliance Change"], "detail": {"newEvaluationResult": {"complianceType": ["NON_COMPLIANT", "INSUFFICIENT_DATA"]}}}"#,
                ),
                targets: vec![
                    RuleTarget::Topic("default".to_owned()),
                    RuleTarget::Target("queue".to_owned()),
                ],
            },
        ]);
        Watched {
            known: None,
            acl: private_acl(),
            policy: None,
            policy_unread: false,
            exception: None,
            event_rules,
            responder: ResponderSettings::default(),
            past: Past::default(),
        }
    }

    fn enforced(grace: SignedDuration) -> Watched {
        let mut watched = Watched::new();
        watched.responder.scopes.push(EnforcementScope {
            name: "all".to_owned(),
            accounts: Vec::new(),
            regions: Vec::new(),
            buckets: Vec::new(),
            tag: None,
            enabled: true,
            options: RemediationOptions {
                acl: AclRemedy::Strip,
                ..RemediationOptions::default()
            },
            grace,
        });
        watched
    }

    fn bucket(&self, now: Timestamp) -> Bucket {
        Bucket {
            name: "b".to_owned(),
            partition: "aws".to_owned(),
            owner_account: Some("111122223333".to_owned()),
            as_of: now,
            policy: match &self.policy {
                _ if self.policy_unread => Observed::Unknown(Unread::AccessDenied {
                    action: "s3:GetBucketPolicy".to_owned(),
                }),
                Some(text) => Observed::Present(Policy::parse(text).unwrap()),
                None => Observed::Absent,
            },
            acl: Observed::Present(self.acl.clone()),
            public_access_block: BlockLevels {
                bucket: Observed::Absent,
                account: Observed::Absent,
                organization: Observed::Absent,
            },
            ownership: Observed::Present(ObjectOwnership::ObjectWriter),
            access_points: Observed::Absent,
            resource_control_policies: Observed::Absent,
            enforcement: Enforcement::Aws,
        }
    }

    fn look(&mut self, now: Timestamp, events: &[EventRecord]) -> Looked {
        self.look_after(now, events, None)
    }

    fn look_after(
        &mut self,
        now: Timestamp,
        events: &[EventRecord],
        remediation: Option<&str>,
    ) -> Looked {
        let bucket = self.bucket(now);
        let verdict = judge(&bucket);
        let assessment = Assessment {
            verdict,
            bucket: bucket.clone(),
            region: Some("eu-central-1".to_owned()),
            id: None,
            source: None,
            exception: self.exception.clone(),
        };
        let taken = Taken {
            capture_time: now,
            creation_time: None,
            owner: None,
            tags: BTreeMap::new(),
            parts: BTreeMap::new(),
            object_acls: compliance::item::object_acls::ObjectAcls::default(),
            related_events: Vec::new(),
        };
        let key = ResourceKey::bucket("111122223333", "eu-central-1", "b");
        let item = item(&bucket, key, taken);
        let fingerprint = fingerprint::of(&bucket, &assessment.verdict);
        let evaluations: Vec<RuleEvaluation> = rules::evaluate(&assessment)
            .into_iter()
            .map(|evaluation| RuleEvaluation {
                rule_name: evaluation.identifier.to_ascii_lowercase().replace('_', "-"),
                identifier: evaluation.identifier.to_owned(),
                compliance_type: evaluation.compliance_type,
                annotation: evaluation.annotation,
            })
            .collect();
        self.finish(
            &item,
            Some(&assessment),
            fingerprint.as_deref(),
            &evaluations,
            events,
            remediation,
            now,
        )
    }

    fn delete(&mut self, now: Timestamp) -> Looked {
        let item = ConfigurationItem::deleted(&self.known.as_ref().unwrap().item, now);
        self.finish(&item, None, None, &[], &[], None, now)
    }

    #[expect(clippy::too_many_arguments, reason = "what a look sees, in a test")]
    fn finish(
        &mut self,
        item: &ConfigurationItem,
        assessment: Option<&Assessment>,
        fingerprint: Option<&str>,
        evaluations: &[RuleEvaluation],
        events: &[EventRecord],
        remediation: Option<&str>,
        now: Timestamp,
    ) -> Looked {
        let seen = Seen {
            item,
            assessment,
            fingerprint,
            evaluations,
            standing: &[],
            events,
            remediation,
            at: now,
        };
        let mut decision = decide(self.known.as_ref(), &seen);
        let version = self.known.as_ref().map_or(0, |known| known.version) + 1;
        let raised = self.event_rules.raise(&mut decision, version);
        let response = match assessment {
            Some(assessment) => respond(
                &Open {
                    item,
                    bucket: &assessment.bucket,
                    assessment,
                    findings: &decision.findings,
                    exposures: &decision.exposures,
                },
                &self.past,
                &self.responder,
                now,
            ),
            None => Response::Leave(Leave::NothingSent),
        };
        let notices = tell(
            &mut decision,
            &response,
            &Subject {
                item,
                assessment,
                account_label: Some("production"),
                endpoint: None,
                events,
                now,
            },
        );
        // Each change goes to the configured target once, however many rules and shapes match.
        assert!(raised.jobs.len() <= decision.changes.len());
        self.known = Some(ResourceRecord {
            version,
            item: item.clone(),
            content_hash: item.content_hash(),
            observed_at: now,
            evaluations: decision.evaluations.clone(),
            findings: decision.findings.clone(),
            exposures: decision
                .exposures
                .iter()
                .filter(|exposure| exposure.to.is_none())
                .cloned()
                .collect(),
        });
        Looked {
            decision,
            response,
            notices,
            raised,
        }
    }
}

impl Looked {
    fn told(&self) -> Vec<NoticeKind> {
        self.notices.iter().map(|notice| notice.kind).collect()
    }

    fn states(&self) -> Vec<(&str, &str)> {
        self.decision
            .findings
            .iter()
            .map(|finding| (finding.cause.as_str(), finding.state.name()))
            .collect()
    }
}

fn event(id: &str, name: &str, time: Timestamp) -> EventRecord {
    EventRecord {
        id: id.to_owned(),
        source: "cloudtrail".to_owned(),
        name: name.to_owned(),
        event_time: time,
        arrived_at: time,
        account: "111122223333".to_owned(),
        region: None,
        resource_type: "AWS::S3::Bucket".to_owned(),
        resource_id: "b".to_owned(),
        actor: Some("arn:aws:iam::111122223333:user/mallory".to_owned()),
        source_ip: Some("203.0.113.7".to_owned()),
        detail: serde_json::Value::Null,
        verdict_at: None,
        closed_at: None,
    }
}

#[test]
fn looking_again_at_the_same_decides_nothing() {
    for (acl, policy) in [
        (private_acl(), None),
        (public_acl(), None),
        (public_acl(), Some(public_policy("b", "s3:GetObject"))),
    ] {
        let mut watched = Watched::new();
        watched.acl = acl;
        watched.policy = policy;
        let first = watched.look(at(0), &[]);
        assert!(first.decision.item_is_new);
        assert_eq!(
            first.decision.changes.len(),
            2,
            "two rules, two first answers"
        );
        assert_eq!(first.raised.events.len(), 4, "each in both shapes");
        let findings = first.decision.findings;
        let second = watched.look(at(1), &[]);
        assert!(!second.decision.item_is_new);
        assert!(second.decision.changes.is_empty());
        assert_eq!(second.decision.findings, findings);
        assert!(second.notices.is_empty());
    }
}

/// One more way in: AWS Config's rule says the same as before, of which it tells nobody. Responders see the
/// evaluation, and people are told of the way that is new.
#[test]
fn one_more_way_in_is_told_and_is_no_compliance_change() {
    let mut watched = Watched::new();
    watched.acl = public_acl();
    let first = watched.look(at(0), &[]);
    assert_eq!(first.told(), [NoticeKind::Opened]);
    watched.policy = Some(public_policy("b", "s3:GetObject"));
    let second = watched.look(at(1), &[]);
    let changes = &second.decision.changes;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(!changes[0].changes_type());
    let kinds: Vec<&str> = second
        .raised
        .events
        .iter()
        .map(|event| event.event["detail-type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["AWS API Call via CloudTrail"]);
    let evaluation =
        &second.raised.events[0].event["detail"]["requestParameters"]["evaluations"][0];
    assert_eq!(
        evaluation["annotation"],
        "The S3 bucket ACL allows public read access.The S3 bucket policy allows public read access."
    );
    assert!(
        second.raised.jobs.is_empty(),
        "the target waits for changes"
    );
    // The history of evaluations has it.
    let read = second
        .decision
        .evaluations
        .iter()
        .find(|own| own.since == at(1));
    assert_eq!(read.unwrap().rule_name, "s3-bucket-public-read-prohibited");
    // And people hear of it, with Config's event for those who want that.
    assert_eq!(second.told(), [NoticeKind::Opened]);
    let policy = &second.notices[0];
    assert_eq!(policy.topics, ["default"]);
    let finding = second
        .decision
        .findings
        .iter()
        .find(|own| own.cause == "policy");
    assert!(finding.unwrap().respond);
    let mut notices = second.notices.clone();
    let events = second.raised.events.iter().chain(&second.raised.same_type);
    with_changes(&mut notices, events);
    let change = notices[0].compliance_change.as_ref().unwrap();
    assert_eq!(change["detail-type"], "Config Rules Compliance Change");
    // Closing one of both is no compliance change either; closing the other is.
    watched.acl = private_acl();
    assert_eq!(watched.look(at(2), &[]).raised.events.len(), 1);
    watched.policy = None;
    assert_eq!(watched.look(at(3), &[]).raised.events.len(), 2);
}

#[test]
fn a_public_policy_is_told_with_the_policy_and_left() {
    let mut watched = Watched::enforced(SignedDuration::ZERO);
    watched.look(at(0), &[]);
    watched.policy = Some(public_policy("b", "s3:GetObject"));
    let opened = watched.look(at(5), &[event("e-1", "PutBucketPolicy", at(4))]);
    assert!(matches!(
        opened.response,
        Response::Leave(Leave::NothingAllowed)
    ));
    assert_eq!(opened.told(), [NoticeKind::Opened]);
    let notice = &opened.notices[0];
    assert_eq!(notice.policy, watched.policy);
    assert!(notice.witness.is_some() && notice.statement.is_some());
    assert_eq!(notice.topics, ["default"]);
    let who = notice.event.as_ref().unwrap();
    assert_eq!(who.event_name.as_deref(), Some("PutBucketPolicy"));
    let exposure = &opened.decision.exposures[0];
    // From the event on, not from when it was seen.
    assert_eq!((exposure.from, exposure.detected_at), (at(4), at(5)));

    watched.policy = None;
    let closed = watched.look(at(9), &[event("e-2", "DeleteBucketPolicy", at(8))]);
    assert_eq!(closed.told(), [NoticeKind::Resolved]);
    assert_eq!(closed.states(), [("policy", "resolved")]);
    let exposure = &closed.decision.exposures[0];
    assert_eq!(exposure.to, Some(at(9)));
    assert!(exposure.closed_by.as_deref().unwrap().contains("mallory"));

    watched.policy = Some(public_policy("b", "s3:GetObject"));
    let again = watched.look(at(20), &[]);
    assert_eq!(again.told(), [NoticeKind::Recurred]);
    assert_eq!(again.notices[0].recurrence.as_ref().unwrap().count, 2);
}

#[test]
fn a_public_acl_is_closed_and_told_once() {
    let mut watched = Watched::enforced(SignedDuration::ZERO);
    watched.look(at(0), &[]);
    watched.acl = public_acl();
    let opened = watched.look(at(1), &[event("e-1", "PutBucketAcl", at(1))]);
    let Response::Act(plan) = &opened.response else {
        panic!("{:?}", opened.response)
    };
    assert!(plan.closes());
    assert_eq!(opened.told(), [], "it is told when it is closed");
    watched.acl = private_acl();
    let closed = watched.look_after(at(1), &[], Some("r-1"));
    assert_eq!(closed.states(), [("acl", "resolved")]);
    assert_eq!(
        closed.decision.exposures[0].closed_by.as_deref(),
        Some("remediation r-1")
    );

    // Both: the ACL is closed, the policy is told of before anything is written.
    watched.acl = public_acl();
    watched.policy = Some(public_policy("b", "s3:GetObject"));
    let both = watched.look(at(2), &[]);
    assert!(matches!(both.response, Response::Act(_)));
    assert_eq!(both.told(), [NoticeKind::Opened]);
    assert!(both.notices[0].policy.is_some());
}

#[test]
fn grace_begins_with_a_notice_and_ends_with_an_act() {
    let mut watched = Watched::enforced(SignedDuration::from_mins(30));
    watched.acl = public_acl();
    let opened = watched.look(at(0), &[]);
    assert!(matches!(opened.response, Response::Wait { until } if until == at(30)));
    assert_eq!(opened.told(), [NoticeKind::GraceBegins]);
    assert_eq!(opened.notices[0].closes_at, Some(at(30)));
    let waiting = watched.look(at(29), &[]);
    assert!(matches!(waiting.response, Response::Wait { .. }));
    assert_eq!(waiting.told(), []);
    let over = watched.look(at(30), &[]);
    assert!(matches!(over.response, Response::Act(_)));
}

#[test]
fn what_speaks_against_an_act_holds_it_and_is_told_once() {
    let stop = EnforcementStop {
        by: "alice".to_owned(),
        at: at(0),
        reason: "maintenance".to_owned(),
    };
    type Expected = fn(&Hold) -> bool;
    let cases: Vec<(Past, Expected)> = vec![
        (
            Past {
                stop: Some(stop),
                ..Past::default()
            },
            |hold| matches!(hold, Hold::Stopped(_)),
        ),
        (
            Past {
                on_bucket: vec![at(58), at(59), at(59)],
                ..Past::default()
            },
            |hold| matches!(hold, Hold::Loop { times: 3 }),
        ),
        (
            Past {
                others_in_last_hour: 50,
                estate: 100_000,
                ..Past::default()
            },
            |hold| matches!(hold, Hold::CircuitBreaker { changed: 51, .. }),
        ),
        (
            Past {
                others_in_last_hour: 50,
                estate: 0,
                ..Past::default()
            },
            |hold| matches!(hold, Hold::CircuitBreaker { changed: 51, .. }),
        ),
        (
            Past {
                others_in_last_hour: 10,
                estate: 40,
                ..Past::default()
            },
            |hold| matches!(hold, Hold::CircuitBreaker { changed: 11, .. }),
        ),
        (
            Past {
                taken_back: Some(("r-1".to_owned(), at(50))),
                ..Past::default()
            },
            |hold| matches!(hold, Hold::TakenBack { .. }),
        ),
    ];
    for (past, expected) in cases {
        let mut watched = Watched::enforced(SignedDuration::ZERO);
        watched.past = past.clone();
        watched.acl = public_acl();
        let held = watched.look(at(60), &[]);
        let Response::Hold { why, .. } = &held.response else {
            panic!("{past:?}: {:?}", held.response)
        };
        assert!(expected(why), "{why:?}");
        assert_eq!(held.told(), [NoticeKind::Opened], "{why}");
        assert!(held.notices[0].reason.is_some());
        assert_eq!(watched.look(at(60), &[]).told(), [], "{why}");
        // Nothing speaks against it any more.
        watched.past = Past::default();
        assert!(matches!(
            watched.look(at(61), &[]).response,
            Response::Act(_)
        ));
    }
    // Few changes on a small estate are none of the breaker's business.
    let mut watched = Watched::enforced(SignedDuration::ZERO);
    watched.past = Past {
        others_in_last_hour: 9,
        estate: 10,
        ..Past::default()
    };
    watched.acl = public_acl();
    assert!(matches!(
        watched.look(at(0), &[]).response,
        Response::Act(_)
    ));
    // Nor is a share of nobody knows how many: no sweep has ended yet.
    let mut watched = Watched::enforced(SignedDuration::ZERO);
    watched.past = Past {
        others_in_last_hour: 30,
        estate: 0,
        ..Past::default()
    };
    watched.acl = public_acl();
    assert!(matches!(
        watched.look(at(0), &[]).response,
        Response::Act(_)
    ));
}

#[test]
fn enforcement_is_off_until_a_scope_covers_the_bucket() {
    let pattern = |text: &str| {
        policy::pattern::Pattern::new(text, policy::pattern::Reading::Wildcards, false)
    };
    type Change = fn(&mut EnforcementScope);
    let cases: Vec<(Change, bool)> = vec![
        (|_| {}, true),
        (|scope| scope.enabled = false, false),
        (|scope| scope.tag = Some(("close".to_owned(), None)), false),
    ];
    for (change, acts) in cases {
        let mut watched = Watched::enforced(SignedDuration::ZERO);
        change(&mut watched.responder.scopes[0]);
        watched.acl = public_acl();
        let looked = watched.look(at(0), &[]);
        assert_eq!(matches!(looked.response, Response::Act(_)), acts);
        assert_eq!(looked.told().len(), usize::from(!acts));
    }
    for (buckets, acts) in [("b*", true), ("c*", false)] {
        let mut watched = Watched::enforced(SignedDuration::ZERO);
        watched.responder.scopes[0].buckets = vec![pattern(buckets)];
        watched.acl = public_acl();
        let looked = watched.look(at(0), &[]);
        assert_eq!(
            matches!(looked.response, Response::Act(_)),
            acts,
            "{buckets}"
        );
    }
}

#[test]
fn an_exception_silences_and_its_end_does_not() {
    let mut watched = Watched::enforced(SignedDuration::ZERO);
    watched.acl = public_acl();
    watched.exception = Some("site".to_owned());
    let excepted = watched.look(at(0), &[]);
    assert_eq!(excepted.states(), [("acl", "excepted")]);
    assert!(matches!(
        excepted.response,
        Response::Leave(Leave::Excepted)
    ));
    assert_eq!(excepted.told(), []);
    assert_eq!(
        excepted.decision.exposures.len(),
        1,
        "it is open all the same"
    );
    watched.exception = None;
    let ended = watched.look(at(60), &[]);
    assert_eq!(ended.states(), [("acl", "open")]);
    assert!(matches!(ended.response, Response::Act(_)));
}

#[test]
fn what_cannot_be_decided_is_open_and_told() {
    let mut watched = Watched::enforced(SignedDuration::ZERO);
    watched.policy_unread = true;
    let looked = watched.look(at(0), &[]);
    assert_eq!(looked.states(), [("undecided", "open")]);
    assert_eq!(looked.told(), [NoticeKind::Opened]);
    let reason = looked.notices[0].reason.clone().unwrap();
    assert!(reason.contains("s3:GetBucketPolicy"), "{reason}");
    assert!(!looked.decision.is_closed());
    assert!(
        looked.decision.exposures.is_empty(),
        "nobody is known to get in"
    );
    assert!(
        matches!(looked.response, Response::Leave(_)),
        "nothing is written"
    );
}

#[test]
fn what_cannot_be_read_any_more_is_not_called_closed() {
    let mut watched = Watched::new();
    watched.policy = Some(public_policy("b", "s3:GetObject"));
    assert_eq!(watched.look(at(0), &[]).told(), [NoticeKind::Opened]);
    watched.policy_unread = true;
    let unread = watched.look(at(1), &[]);
    assert_eq!(unread.states(), [("policy", "open"), ("undecided", "open")]);
    assert_eq!(unread.told(), [NoticeKind::Opened], "of what is undecided");
    assert_eq!(unread.decision.exposures[0].to, None);
    // It is read again, and is as it was: there is nothing to tell.
    watched.policy_unread = false;
    let read = watched.look(at(2), &[]);
    assert_eq!(
        read.states(),
        [("policy", "open"), ("undecided", "resolved")]
    );
    assert_eq!(read.told(), []);
    assert_eq!(read.decision.exposures.len(), 1, "it never ended");
    watched.policy_unread = true;
    watched.look(at(3), &[]);
    watched.policy_unread = false;
    watched.policy = None;
    let closed = watched.look(at(4), &[]);
    assert_eq!(
        closed.states(),
        [("policy", "resolved"), ("undecided", "resolved")]
    );
    assert_eq!(closed.told(), [NoticeKind::Resolved, NoticeKind::Resolved]);
    assert_eq!(closed.decision.exposures[0].to, Some(at(4)));
}

#[test]
fn what_was_open_and_cannot_be_read_any_more_is_not_told_as_closed() {
    let mut watched = Watched::new();
    watched.policy = Some(public_policy("b", "s3:PutObject"));
    watched.look(at(0), &[]);
    // Whoever opened it takes the right to read it away.
    watched.policy_unread = true;
    let hidden = watched.look(at(1), &[event("e", "PutBucketPolicy", at(1))]);
    assert_eq!(hidden.states(), [("policy", "open"), ("undecided", "open")]);
    assert_eq!(hidden.decision.resolved, [] as [String; 0]);
    assert_eq!(hidden.decision.exposures[0].to, None);
    let finding = &hidden.decision.findings[0];
    assert!(
        finding.annotation.contains("s3:GetBucketPolicy"),
        "{}",
        finding.annotation
    );
    assert_eq!(hidden.told(), [NoticeKind::Opened]);
    assert_eq!(
        hidden.notices[0].severity,
        Severity::Critical,
        "as what may still be open"
    );
    assert!(watched.look(at(2), &[]).notices.is_empty());
    // It is read again, and gone.
    watched.policy_unread = false;
    watched.policy = None;
    let closed = watched.look(at(3), &[]);
    assert_eq!(
        closed.states(),
        [("policy", "resolved"), ("undecided", "resolved")]
    );
    assert_eq!(closed.told(), [NoticeKind::Resolved, NoticeKind::Resolved]);
    assert!(closed.notices.iter().all(Notice::is_good_news));
    assert_eq!(closed.decision.exposures[0].to, Some(at(3)));
}

#[test]
fn what_was_to_be_closed_and_is_found_closed_by_nobody_known_is_told() {
    let mut watched = Watched::enforced(SignedDuration::ZERO);
    watched.acl = public_acl();
    let open = watched.look(at(0), &[]);
    assert!(matches!(open.response, Response::Act(_)));
    assert_eq!(open.told(), [], "it is about to be closed");
    // Whoever did it left no record.
    watched.acl = private_acl();
    let closed = watched.look(at(1), &[]);
    assert_eq!(closed.told(), [NoticeKind::Resolved]);
    assert!(watched.look(at(2), &[]).notices.is_empty());
}

#[test]
fn one_way_in_that_is_closed_is_no_good_news_while_another_is_open() {
    let mut watched = Watched::new();
    watched.acl = public_acl();
    watched.policy = Some(public_policy("b", "s3:GetObject"));
    watched.look(at(0), &[]);
    watched.acl = private_acl();
    let half = watched.look(at(1), &[]);
    assert_eq!(half.told(), [NoticeKind::Resolved]);
    let notice = &half.notices[0];
    assert_eq!(notice.still_open, [StillOpen::Policy]);
    assert!(!notice.is_good_news());
    let subject = notice::mail_subject(notice);
    assert!(subject.contains("STILL PUBLIC by policy"), "{subject}");
    let text = notice::text(notice);
    assert!(
        text.contains("STILL open to the public through the bucket policy"),
        "{text}"
    );
    assert!(!text.contains("complies again"), "{text}");
}

#[test]
fn what_is_open_wider_than_people_were_told_is_told_again() {
    let mut watched = Watched::new();
    watched.policy = Some(public_policy("b", "s3:GetObject"));
    let first = watched.look(at(0), &[]);
    assert_eq!(first.notices[0].severity, Severity::High);
    let known = watched.known.as_mut().unwrap();
    known.findings[0].escalation_step = 2;
    watched.policy = Some(public_policy("b", "s3:*"));
    let wider = watched.look(at(1), &[]);
    assert_eq!(wider.told(), [NoticeKind::Opened]);
    assert_eq!(wider.notices[0].severity, Severity::Critical);
    let reason = wider.notices[0].reason.clone().unwrap();
    assert!(reason.contains("has changed"), "{reason}");
    assert_eq!(wider.decision.findings[0].escalation_step, 0);
    assert!(watched.look(at(2), &[]).notices.is_empty());
    // Another way in opens: that is told, and the first is as it was.
    watched.acl = public_acl();
    let more = watched.look(at(3), &[]);
    assert_eq!(more.told(), [NoticeKind::Opened]);
    assert_eq!(more.decision.widened, [] as [String; 0]);
}

#[test]
fn rules_of_now_say_where_what_is_open_already_goes() {
    let mut watched = Watched::enforced(SignedDuration::ZERO);
    let rules = std::mem::replace(&mut watched.event_rules, EventRules::new(Vec::new()));
    watched.acl = public_acl();
    let unheard = watched.look(at(0), &[]);
    assert!(unheard.notices.is_empty(), "no rule tells anybody");
    assert!(matches!(unheard.response, Response::Leave(_)));
    watched.event_rules = rules;
    let heard = watched.look(at(1), &[]);
    assert_eq!(heard.raised.events, [], "nothing has changed");
    assert!(heard.decision.findings[0].respond);
    assert_eq!(heard.decision.findings[0].topics, ["default"]);
    assert!(matches!(heard.response, Response::Act(_)));
}

#[test]
fn a_deleted_bucket_ends_its_exposures() {
    let mut watched = Watched::new();
    watched.acl = public_acl();
    watched.look(at(0), &[]);
    let gone = watched.delete(at(1));
    assert_eq!(gone.states(), [("acl", "resolved")]);
    assert_eq!(gone.told(), [NoticeKind::Resolved]);
    assert_eq!(gone.decision.exposures[0].to, Some(at(1)));
    assert!(gone.decision.is_closed());
}

#[test]
fn acknowledged_is_what_was_open_then() {
    let mut watched = Watched::new();
    watched.policy = Some(public_policy("b", "s3:GetObject"));
    watched.look(at(0), &[]);
    let known = watched.known.as_mut().unwrap();
    known.findings[0].state = FindingState::Acknowledged {
        by: "bob".to_owned(),
        at: at(1),
        until: None,
        note: None,
    };
    assert_eq!(
        watched.look(at(2), &[]).states(),
        [("policy", "acknowledged")]
    );
    watched.policy = Some(public_policy("b", "s3:*"));
    let wider = watched.look(at(3), &[]);
    assert_eq!(wider.states(), [("policy", "open")]);
    assert_eq!(wider.told(), [NoticeKind::Opened]);
}

#[test]
fn no_exposure_begins_in_the_future_or_before_it_was_seen_closed() {
    for (time, from) in [(at(100), at(10)), (at(2), at(5)), (at(7), at(7))] {
        let mut watched = Watched::new();
        watched.look(at(5), &[]);
        watched.acl = public_acl();
        let opened = watched.look(at(10), &[event("e", "PutBucketAcl", time)]);
        assert_eq!(opened.decision.exposures[0].from, from, "event at {time}");
    }
}
