use compliance::item::BUCKET;
use guard::repository::{FindingFilter, Repository, RepositoryError};
use guard::state::{Commit, Finding, FindingState, FindingUpdate, NoticeRecord};
use serde_json::json;
use store::Store;

use super::place::Place;
use super::samples::{ACCOUNT, at, commit, exposure, finding, key, look};

async fn list(
    store: &Store,
    states: &[&str],
    resource_id: Option<&str>,
    limit: u32,
) -> Vec<String> {
    let filter = FindingFilter {
        states: states.iter().map(|state| (*state).to_owned()).collect(),
        resource_id: resource_id.map(str::to_owned),
        account: Some(ACCOUNT.to_owned()),
        limit,
    };
    let findings = store.findings(&filter).await.unwrap();
    findings
        .into_iter()
        .map(|finding| format!("{} {}", finding.key.resource_id, finding.cause))
        .collect()
}

fn with(state: FindingState, finding: Finding) -> Finding {
    Finding { state, ..finding }
}

pub(crate) async fn findings_are_listed_and_counted(place: &Place) {
    let store = place.open().await;
    let acknowledged = FindingState::Acknowledged {
        by: "eve".to_owned(),
        at: at(3),
        until: Some(at(1_000)),
        note: Some("on it".to_owned()),
    };
    let excepted = FindingState::Excepted {
        exception: "website".to_owned(),
    };
    let all = [
        (
            "a",
            vec![
                finding("a", "acl", 1),
                with(acknowledged.clone(), finding("a", "policy", 4)),
            ],
        ),
        ("b", vec![with(excepted, finding("b", "policy", 2))]),
        (
            "c",
            vec![with(FindingState::Resolved, finding("c", "acl", 3))],
        ),
    ];
    for (name, findings) in &all {
        let commit = Commit {
            findings: findings.clone(),
            ..commit(name, "open", None, 0)
        };
        store.commit(&commit, None, at(0)).await.unwrap();
    }
    assert_eq!(
        list(&store, &[], None, 10).await,
        ["a policy", "c acl", "b policy", "a acl"],
        "the last opened first"
    );
    assert_eq!(list(&store, &[], None, 2).await, ["a policy", "c acl"]);
    assert_eq!(
        list(&store, &["open", "excepted"], None, 10).await,
        ["b policy", "a acl"]
    );
    assert_eq!(
        list(&store, &[], Some("a"), 10).await,
        ["a policy", "a acl"]
    );
    assert_eq!(list(&store, &["resolved"], Some("a"), 10).await, [""; 0]);
    assert_eq!(list(&store, &["no such state"], None, 10).await, [""; 0]);
    let other = FindingFilter {
        account: Some("999999999999".to_owned()),
        limit: 10,
        ..FindingFilter::default()
    };
    assert_eq!(store.findings(&other).await.unwrap(), []);
    let all_of = |state: &str| (state.to_owned(), 1_u64);
    assert_eq!(
        store.totals().await.unwrap().findings,
        [
            all_of("acknowledged"),
            all_of("excepted"),
            all_of("open"),
            all_of("resolved")
        ]
    );
    let one = &all[0].1[1];
    assert_eq!(store.finding(&one.id).await.unwrap().as_ref(), Some(one));
    assert_eq!(store.finding("none").await.unwrap(), None);
    // Resolved: counted anew, written whole.
    let mut resolved = one.clone();
    resolved.state = FindingState::Resolved;
    resolved.resolved_at = Some(at(9));
    resolved.resolved_by = Some("remediation r-1".to_owned());
    resolved.occurrences = 2;
    resolved.witness = None;
    resolved.fingerprint = None;
    resolved.response = Some("closed".to_owned());
    resolved.topics.clear();
    let again = Commit {
        expected_version: Some(1),
        findings: vec![resolved.clone()],
        ..Commit::of(key("a"), at(9))
    };
    store.commit(&again, None, at(9)).await.unwrap();
    assert_eq!(store.finding(&one.id).await.unwrap(), Some(resolved));
    assert_eq!(
        store.totals().await.unwrap().findings,
        [
            all_of("excepted"),
            all_of("open"),
            ("resolved".to_owned(), 2)
        ]
    );
}

pub(crate) async fn people_change_only_what_is_theirs(place: &Place) {
    let store = place.open().await;
    let open = finding("a", "acl", 0);
    let commit_of = |finding: &Finding, version| Commit {
        findings: vec![finding.clone()],
        ..commit("a", "open", version, 0)
    };
    store
        .commit(&commit_of(&open, None), None, at(0))
        .await
        .unwrap();

    let acknowledged = FindingUpdate {
        // What is not theirs is not written, whatever stands in what they read.
        read: Finding {
            annotation: "something else".to_owned(),
            respond: false,
            ..open.clone()
        },
        state: acknowledged_by("eve"),
        escalation_step: 2,
        escalated_at: Some(at(5)),
    };
    let notice = |id: &str| NoticeRecord {
        id: id.to_owned(),
        finding_id: Some(open.id.clone()),
        created_at: at(5),
        document: json!({}),
    };
    store
        .update_findings(
            std::slice::from_ref(&acknowledged),
            &[notice("n-1")],
            &[look("a", 5)],
            None,
            at(5),
        )
        .await
        .unwrap();
    let expected = Finding {
        state: acknowledged_by("eve"),
        escalation_step: 2,
        escalated_at: Some(at(5)),
        ..open.clone()
    };
    assert_eq!(
        store.finding(&open.id).await.unwrap().as_ref(),
        Some(&expected)
    );
    assert_eq!(store.notice("n-1").await.unwrap(), Some(notice("n-1")));
    assert_eq!(
        store.totals().await.unwrap().findings,
        [("acknowledged".to_owned(), 1)]
    );
    let known = store.resource(ACCOUNT, BUCKET, "a").await.unwrap().unwrap();
    assert_eq!((known.version, &known.findings[..]), (2, &[expected][..]));
}

fn acknowledged_by(who: &str) -> FindingState {
    FindingState::Acknowledged {
        by: who.to_owned(),
        at: at(5),
        until: None,
        note: None,
    }
}

/// What is decided on a finding that was read holds for that finding only: otherwise it is refused whole,
/// with the notices and the work that it makes, and decided anew.
pub(crate) async fn what_changed_since_it_was_read_is_not_written_over(place: &Place) {
    let store = place.open().await;
    let read = finding("a", "acl", 0);
    let climbed = FindingUpdate {
        state: FindingState::Open,
        escalation_step: 1,
        escalated_at: Some(at(6)),
        read: read.clone(),
    };
    let acknowledged = FindingUpdate::to_state(read.clone(), acknowledged_by("eve"));
    let kept = |change: &dyn Fn(&mut Finding)| {
        let mut kept = read.clone();
        change(&mut kept);
        kept
    };
    let cases: [(&str, Finding); 5] = [
        (
            "acknowledged",
            kept(&|kept| kept.state = acknowledged_by("eve")),
        ),
        (
            "climbed",
            kept(&|kept| {
                kept.escalation_step = 1;
                kept.escalated_at = Some(at(5));
            }),
        ),
        (
            "excepted",
            kept(&|kept| {
                kept.state = FindingState::Excepted {
                    exception: "x".to_owned(),
                };
            }),
        ),
        (
            "resolved",
            kept(&|kept| kept.state = FindingState::Resolved),
        ),
        ("opened again", kept(&|kept| kept.occurrences = 2)),
    ];
    let mut version = None;
    for (name, kept) in cases {
        store
            .commit(
                &Commit {
                    findings: vec![kept.clone()],
                    ..commit("a", "open", version, 0)
                },
                None,
                at(5),
            )
            .await
            .unwrap();
        let record = store.resource(ACCOUNT, BUCKET, "a").await.unwrap().unwrap();
        let totals = store.totals().await.unwrap();
        for update in [&climbed, &acknowledged] {
            let notice = NoticeRecord {
                id: "refused".to_owned(),
                finding_id: Some(read.id.clone()),
                created_at: at(6),
                document: json!({}),
            };
            conflict(
                store
                    .update_findings(
                        std::slice::from_ref(update),
                        &[notice],
                        &[look("refused", 6)],
                        None,
                        at(6),
                    )
                    .await,
                name,
            );
        }
        assert_eq!(store.finding(&read.id).await.unwrap(), Some(kept), "{name}");
        assert!(store.notice("refused").await.unwrap().is_none(), "{name}");
        assert_eq!(store.totals().await.unwrap(), totals, "{name}");
        version = Some(record.version);
    }
    let missing = FindingUpdate::to_state(finding("z", "acl", 0), FindingState::Open);
    conflict(
        store
            .update_findings(&[missing], &[], &[], None, at(9))
            .await,
        "not there",
    );
}

fn conflict(result: Result<(), RepositoryError>, name: &str) {
    assert!(
        matches!(result, Err(RepositoryError::Conflict(_))),
        "{name}: {result:?}"
    );
}

pub(crate) async fn exposures_run_and_end(place: &Place) {
    let store = place.open().await;
    let mut finding = finding("a", "acl", 0);
    let first = exposure(&finding, 0);
    let commit_of = |finding: &Finding, exposures, version| Commit {
        findings: vec![finding.clone()],
        exposures,
        ..commit("a", "open", version, 0)
    };
    store
        .commit(&commit_of(&finding, vec![first.clone()], None), None, at(0))
        .await
        .unwrap();
    assert_eq!(store.totals().await.unwrap().exposures_open, 1);
    let mut ended = first.clone();
    ended.to = Some(at(10));
    ended.closed_by = Some("remediation r-1".to_owned());
    ended.classes = vec!["read".to_owned(), "write".to_owned()];
    store
        .commit(
            &commit_of(&finding, vec![ended.clone()], Some(1)),
            None,
            at(10),
        )
        .await
        .unwrap();
    assert_eq!(store.totals().await.unwrap().exposures_open, 0);
    let known = store.resource(ACCOUNT, BUCKET, "a").await.unwrap().unwrap();
    assert_eq!(known.exposures, [], "only those that run");
    finding.occurrences = 2;
    let second = exposure(&finding, 20);
    store
        .commit(
            &commit_of(&finding, vec![second.clone()], Some(2)),
            None,
            at(20),
        )
        .await
        .unwrap();
    assert_eq!(
        store.exposures(&finding.id).await.unwrap(),
        [second, ended],
        "the last first"
    );
}
