use compliance::item::BUCKET;
use guard::repository::{FindingFilter, Repository};
use guard::state::{Commit, Finding, FindingState, NoticeRecord};
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

    let mut changed = open.clone();
    changed.state = FindingState::Acknowledged {
        by: "eve".to_owned(),
        at: at(5),
        until: None,
        note: None,
    };
    changed.escalation_step = 2;
    changed.escalated_at = Some(at(5));
    changed.annotation = "something else".to_owned();
    changed.respond = false;
    let notice = NoticeRecord {
        id: "n-1".to_owned(),
        finding_id: Some(open.id.clone()),
        created_at: at(5),
        document: json!({}),
    };
    let changed_all = std::slice::from_ref(&changed);
    store
        .update_findings(
            changed_all,
            std::slice::from_ref(&notice),
            &[look("a", 5)],
            None,
            at(5),
        )
        .await
        .unwrap();
    let expected = Finding {
        annotation: open.annotation.clone(),
        respond: true,
        ..changed.clone()
    };
    assert_eq!(
        store.finding(&open.id).await.unwrap().as_ref(),
        Some(&expected)
    );
    assert_eq!(store.notice("n-1").await.unwrap(), Some(notice));
    assert_eq!(
        store.totals().await.unwrap().findings,
        [("acknowledged".to_owned(), 1)]
    );
    let known = store.resource(ACCOUNT, BUCKET, "a").await.unwrap().unwrap();
    assert_eq!((known.version, known.findings), (2, vec![expected]));

    // Resolved, and opened again, meanwhile: what was said of the earlier one does not count.
    let mut resolved = open.clone();
    resolved.state = FindingState::Resolved;
    store
        .commit(&commit_of(&resolved, Some(2)), None, at(6))
        .await
        .unwrap();
    store
        .update_findings(changed_all, &[], &[], None, at(7))
        .await
        .unwrap();
    assert_eq!(
        store.finding(&open.id).await.unwrap().as_ref(),
        Some(&resolved)
    );
    let mut reopened = open.clone();
    reopened.occurrences = 2;
    store
        .commit(&commit_of(&reopened, Some(4)), None, at(8))
        .await
        .unwrap();
    store
        .update_findings(changed_all, &[], &[], None, at(9))
        .await
        .unwrap();
    assert_eq!(store.finding(&open.id).await.unwrap(), Some(reopened));
    assert_eq!(
        store.totals().await.unwrap().findings,
        [("open".to_owned(), 1)]
    );
    // One that is not there is passed over.
    store
        .update_findings(&[finding("z", "acl", 0)], &[], &[], None, at(9))
        .await
        .unwrap();
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
