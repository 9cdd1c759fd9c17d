//! Lint, finding by finding: what it finds, and the nearest policies where there is nothing to find.

use policy::document::Policy;
use policy::lint::{BucketName, lint};

/// Lints the policy of the bucket `logs`: `code path` of each finding, in the order of the text.
fn findings(text: &str) -> Vec<String> {
    let policy = Policy::parse(text).unwrap_or_else(|error| unreachable!("{error}\n{text}"));
    let bucket = BucketName {
        partition: "aws".to_owned(),
        name: "logs".to_owned(),
    };
    lint(&policy, Some(&bucket))
        .iter()
        .inspect(|d| assert!(d.line > 0 && d.column > 1 && !d.message.is_empty(), "{d:?}"))
        .map(|d| format!("{} {}", d.code, d.path))
        .collect()
}

fn document(statements: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#)
}

/// A statement on every object with this action, effect and condition.
fn conditioned(effect: &str, action: &str, condition: &str) -> String {
    format!(
        r#"{{"Effect": "{effect}", "Principal": "*", "Action": "{action}", "Resource": "arn:aws:s3:::logs/*", "Condition": {condition}}}"#
    )
}

const PLAIN: &str = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::logs/*"}"#;

/// Whole documents with what is found in them.
fn documents() -> Vec<(String, Vec<&'static str>)> {
    let allow = |rest: &str| document(&format!(r#"{{"Effect": "Allow", {rest}}}"#));
    let on_objects = |action: &str| {
        allow(&format!(
            r#""Principal": "*", "Action": {action}, "Resource": "arn:aws:s3:::logs/*""#
        ))
    };
    let resource = |resource: &str| {
        allow(&format!(
            r#""Principal": "*", "Action": "s3:*", "Resource": {resource}"#
        ))
    };
    let with_deny = |deny: &str| document(&format!(r#"{PLAIN}, {{"Effect": "Deny", {deny}}}"#));
    vec![
        (document(PLAIN), vec![]),
        (
            document(&format!("{0}, {0}", PLAIN.replacen('{', r#"{"Sid": "a", "#, 1))),
            vec!["duplicate-sid $.Statement[1].Sid"],
        ),
        (document(&format!("{PLAIN}, {PLAIN}")), vec![]),
        // Dead statements.
        (
            with_deny(r#""Principal": "*", "Action": ["s3:PutObject", "s3:Get*"], "Resource": "*""#),
            vec!["dead-allow $.Statement[0]"],
        ),
        (with_deny(r#""Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::logs/a*""#), vec![]),
        (with_deny(r#""Principal": {"AWS": "111122223333"}, "Action": "s3:*", "Resource": "*""#), vec![]),
        (with_deny(r#""Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}"#), vec![]),
        (with_deny(r#""Principal": "*", "Action": "s3:*", "Resource": "*", "Conditions": {}"#), vec![]),
        (with_deny(r#""Principal": "*", "NotAction": "s3:Put*", "Resource": "*""#), vec![]),
        // Everything but a list.
        (allow(r#""NotPrincipal": {"AWS": "111122223333"}, "Action": "s3:*", "Resource": "*""#), vec!["allow-not-principal $.Statement[0].NotPrincipal"]),
        (allow(r#""Principal": "*", "NotAction": "s3:Put*", "Resource": "*""#), vec!["allow-not-action $.Statement[0].NotAction"]),
        (allow(r#""Principal": "*", "Action": "s3:*", "NotResource": "arn:aws:s3:::logs/a/*""#), vec!["allow-not-resource $.Statement[0].NotResource"]),
        (document(r#"{"Effect": "Deny", "NotPrincipal": {"AWS": "111122223333"}, "NotAction": "s3:Put*", "NotResource": "arn:aws:s3:::logs/a/*"}"#), vec![]),
        // Principals.
        (
            allow(r#""Principal": {"Service": "config.amazonaws.com", "AWS": ["111122223333", "AIDAEXAMPLEEXAMPLE123"]}, "Action": "s3:*", "Resource": "*""#),
            vec!["deleted-principal $.Statement[0].Principal.AWS[1]"],
        ),
        // Actions.
        (on_objects(r#""GetObject""#), vec!["invalid-action $.Statement[0].Action"]),
        (on_objects(r#"["s3:GetObject", "s3:GetObjects"]"#), vec!["unsupported-action $.Statement[0].Action[1]"]),
        (on_objects(r#""s3:Fetch*""#), vec!["unsupported-action $.Statement[0].Action"]),
        (on_objects(r#""ec2:*""#), vec!["action-of-other-service $.Statement[0].Action"]),
        (on_objects(r#""s3:ListAllMyBuckets""#), vec!["action-not-on-buckets $.Statement[0].Action"]),
        (on_objects(r#""*""#), vec![]),
        (on_objects(r#""s3:ListBucket""#), vec!["action-without-resource $.Statement[0].Action"]),
        (
            allow(r#""Principal": "*", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": "arn:aws:s3:::logs""#),
            vec!["action-without-resource $.Statement[0].Action[1]"],
        ),
        (allow(r#""Principal": "*", "Action": "s3:ListBucket", "Resource": ["arn:aws:s3:::logs/*", "arn:aws:s3:::logs"]"#), vec![]),
        (allow(r#""Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::log?""#), vec![]),
        (allow(r#""Principal": "*", "Action": "s3:ListBucket", "NotResource": "arn:aws:s3:::logs/*""#), vec!["allow-not-resource $.Statement[0].NotResource"]),
        // Resources.
        (resource(r#""logs/*""#), vec!["not-an-arn $.Statement[0].Resource"]),
        (resource(r#"["arn:aws:s3:::logs", "arn:aws:s3:::other/*"]"#), vec!["other-bucket $.Statement[0].Resource[1]"]),
        (resource(r#""arn:aws-cn:s3:::logs/*""#), vec!["other-bucket $.Statement[0].Resource"]),
        (resource(r#""arn:aws:s3:::logs-*""#), vec!["other-bucket $.Statement[0].Resource"]),
        (resource(r#""arn:aws:s3:::lo*""#), vec![]),
        (resource(r#""arn:aws:s3:::${aws:username}/*""#), vec![]),
        (resource(r#""*""#), vec![]),
        (
            r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::logs/${aws:username}"],
                "Condition": {"StringLike": {"s3:prefix": "${aws:username}/*"}}}]}"#.to_owned(),
            vec![
                "variable-in-old-version $.Statement[0].Resource[0]",
                "variable-in-old-version $.Statement[0].Condition.StringLike['s3:prefix']",
            ],
        ),
    ]
}

/// Conditions with effect and action, and what is found in them.
const CONDITIONS: &[(&str, &str, &str, &[&str])] = &[
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringEquals": {"aws:PrincipalOrgID": ["o-1", "o-*"]}}"#,
        &["wildcard-in-literal StringEquals['aws:PrincipalOrgID'][1]"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringNotEqualsIgnoreCase": {"aws:PrincipalOrgID": "o-?"}}"#,
        &["wildcard-in-literal StringNotEqualsIgnoreCase['aws:PrincipalOrgID']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringEquals": {"aws:PrincipalTag/a": "b${*}"}, "StringLike": {"aws:PrincipalOrgID": "o-*"}}"#,
        &[],
    ),
    // Several values.
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringNotLike": {"aws:PrincipalOrgPaths": "o-1/*"}}"#,
        &["negated-on-multivalued StringNotLike['aws:PrincipalOrgPaths']"],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"ForAllValues:StringNotLike": {"aws:PrincipalOrgPaths": "o-1/*"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"ForAllValues:StringEquals": {"aws:SourceVpce": "vpce-1"}}"#,
        &["for-all-values-in-allow ['ForAllValues:StringEquals']['aws:SourceVpce']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"ForAllValues:StringEquals": {"aws:SourceVpce": "vpce-1"}, "Null": {"aws:sourcevpce": "false"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"ForAllValues:StringEquals": {"aws:SourceVpce": "vpce-1"}, "Null": {"aws:SourceVpce": "true"}}"#,
        &["for-all-values-in-allow ['ForAllValues:StringEquals']['aws:SourceVpce']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-1/*"}, "ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/*"}}"#,
        &[],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"ForAllValues:StringEquals": {"aws:SourceVpce": "vpce-1"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}"#,
        &["if-exists-in-allow StringEqualsIfExists['aws:PrincipalOrgID']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringEqualsIfExists": {"aws:RequestedRegion": "eu-west-1"}}"#,
        &[],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}"#,
        &[],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"ForAnyValue:StringNotLike": {"aws:PrincipalOrgPaths": "o-1/*"}}"#,
        &["for-any-value-in-deny ['ForAnyValue:StringNotLike']['aws:PrincipalOrgPaths']"],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/*"}}"#,
        &[],
    ),
    // Source addresses.
    (
        "Allow",
        "s3:GetObject",
        r#"{"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "10.1.0.0/16", "::1"]}}"#,
        &[
            "private-source-ip IpAddress['aws:SourceIp'][1]",
            "private-source-ip IpAddress['aws:SourceIp'][2]",
        ],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"NotIpAddress": {"aws:SourceIp": "192.168.0.0/16"}}"#,
        &["private-source-ip NotIpAddress['aws:SourceIp']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"IpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"IpAddress": {"aws:SourceIp": "8.0.0.0/6"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"IpAddress": {"aws:SourceIp": ["0.0.0.0/0", "::/0"]}}"#,
        &[
            "source-ip-everybody IpAddress['aws:SourceIp'][0]",
            "source-ip-everybody IpAddress['aws:SourceIp'][1]",
        ],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"IpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}}"#,
        &["deny-only-ipv4 IpAddress['aws:SourceIp']"],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"]}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}"#,
        &["allow-every-ipv6 NotIpAddress['aws:SourceIp']"],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}"#,
        &[],
    ),
    // Forgeable.
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringLike": {"aws:Referer": ["http://www.example.com/*"]}}"#,
        &["forgeable-key StringLike['aws:Referer']"],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"StringNotEquals": {"aws:UserAgent": "secret"}}"#,
        &["forgeable-key StringNotEquals['aws:UserAgent']"],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"StringLike": {"aws:UserAgent": "bot*"}}"#,
        &[],
    ),
    // Contradictions.
    (
        "Allow",
        "s3:ListBucket*",
        r#"{"StringEquals": {"s3:prefix": ["a/", "b/"]}, "StringNotEquals": {"s3:prefix": ["b/", "a/"]}}"#,
        &["contradictory-conditions StringNotEquals['s3:prefix']"],
    ),
    (
        "Allow",
        "s3:ListBucket*",
        r#"{"StringEquals": {"s3:prefix": ["a/", "b/"]}, "StringLike": {"s3:prefix": "b*"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:ListBucket*",
        r#"{"StringLike": {"s3:prefix": "a/b*"}, "StringNotLike": {"s3:prefix": "a/*"}}"#,
        &["contradictory-conditions StringNotLike['s3:prefix']"],
    ),
    (
        "Allow",
        "s3:ListBucket*",
        r#"{"StringLike": {"s3:prefix": "a/*"}, "StringNotLike": {"s3:prefix": "a/b*"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:ListBucket*",
        r#"{"StringLikeIfExists": {"s3:prefix": "a/b*"}, "StringNotLike": {"s3:prefix": "a/*"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:ListBucket*",
        r#"{"StringLike": {"s3:prefix": "${aws:username}/*"}, "StringNotLike": {"s3:prefix": "${aws:username}/*"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:ListBucket*",
        r#"{"NumericGreaterThan": {"s3:max-keys": ["10", "20"]}, "NumericLessThanEquals": {"s3:max-keys": 10}}"#,
        &["contradictory-conditions NumericLessThanEquals['s3:max-keys']"],
    ),
    (
        "Allow",
        "s3:ListBucket*",
        r#"{"NumericGreaterThanEquals": {"s3:max-keys": 10}, "NumericLessThanEquals": {"s3:max-keys": 10}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"DateGreaterThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}, "DateLessThan": {"aws:CurrentTime": "2029-01-01T00:00:00Z"}}"#,
        &["contradictory-conditions DateLessThan['aws:CurrentTime']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"DateGreaterThan": {"aws:CurrentTime": "2028-01-01T00:00:00Z"}, "DateLessThan": {"aws:CurrentTime": "2029-01-01T00:00:00Z"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"Bool": {"aws:SecureTransport": "true"}, "Null": {"aws:SecureTransport": "true"}}"#,
        &["contradictory-conditions Null['aws:SecureTransport']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"Bool": {"aws:SecureTransport": "true"}, "BoolIfExists": {"aws:SecureTransport": "false"}}"#,
        &["contradictory-conditions BoolIfExists['aws:SecureTransport']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"IpAddress": {"aws:SourceIp": "203.0.113.7"}, "NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"]}}"#,
        &["contradictory-conditions NotIpAddress['aws:SourceIp']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*"}, "ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:*"}}"#,
        &["contradictory-conditions ArnNotLike['aws:PrincipalArn']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"IpAddress": {"aws:SourceIp": "203.0.113.7"}, "StringEquals": {"aws:SourceVpc": "vpc-1"}}"#,
        &["contradictory-conditions StringEquals['aws:SourceVpc']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"IpAddressIfExists": {"aws:SourceIp": "203.0.113.7"}, "StringEquals": {"aws:SourceVpc": "vpc-1"}}"#,
        &["if-exists-in-allow IpAddressIfExists['aws:SourceIp']"],
    ),
    // A key with several values can satisfy both.
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringEquals": {"aws:PrincipalOrgPaths": "o-1/r-1/"}, "StringLike": {"aws:PrincipalOrgPaths": "o-2/*"}}"#,
        &[],
    ),
    // Keys.
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringLike": {"s3:prefix": "a/*"}}"#,
        &["key-not-with-action StringLike['s3:prefix']"],
    ),
    (
        "Deny",
        "s3:GetObject",
        r#"{"StringNotEquals": {"s3:x-amz-acl": "private"}}"#,
        &["key-not-with-action StringNotEquals['s3:x-amz-acl']"],
    ),
    (
        "Allow",
        "s3:*",
        r#"{"StringLike": {"s3:prefix": "a/*"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}"#,
        &[],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringEquals": {"aws:PrincipalOrgIDs": "o-1"}}"#,
        &["unknown-key StringEquals['aws:PrincipalOrgIDs']"],
    ),
    (
        "Allow",
        "s3:PutObject",
        r#"{"StringEquals": {"s3:x-amz-acls": "private"}}"#,
        &["unknown-key StringEquals['s3:x-amz-acls']"],
    ),
    (
        "Allow",
        "s3:GetObject",
        r#"{"StringEquals": {"aws:SomethingNewAndDifferent": "o-1"}}"#,
        &[],
    ),
];

#[test]
fn whole_documents() {
    for (text, expected) in documents() {
        assert_eq!(findings(&text), expected, "{text}");
    }
}

#[test]
fn conditions() {
    for (effect, action, condition, expected) in CONDITIONS {
        let mut text = document(&conditioned(effect, action, condition));
        if action.contains("List") {
            text = text.replace("logs/*", "logs");
        }
        let expected: Vec<String> = expected
            .iter()
            .map(|e| e.replacen(" [", " $.Statement[0].Condition[", 1))
            .map(|e| match e.contains(" $") {
                true => e,
                false => e.replacen(' ', " $.Statement[0].Condition.", 1),
            })
            .collect();
        assert_eq!(findings(&text), expected, "{text}");
    }
}

#[test]
fn every_code_of_the_list_has_a_case() {
    let list = include_str!("../src/lint.rs").lines();
    let cells = list.filter_map(|line| line.strip_prefix("//! | `"));
    let codes: Vec<&str> = cells
        .filter_map(|cells| cells.split(" | ").next())
        .flat_map(|cell| cell.split(", "))
        .map(|code| code.trim_matches('`'))
        .collect();
    assert!(codes.len() > 20, "{codes:?}");
    let documents = documents();
    let cases = documents
        .iter()
        .flat_map(|(_, expected)| expected.iter().copied());
    let cases: Vec<&str> = cases
        .chain(CONDITIONS.iter().flat_map(|row| row.3.iter().copied()))
        .filter_map(|finding| finding.split(' ').next())
        .collect();
    for code in &codes {
        assert!(cases.contains(code), "no case finds {code}");
    }
    for code in cases {
        assert!(codes.contains(&code), "{code} is not in the list");
    }
}

#[test]
fn findings_are_bounded_and_sorted_by_place() {
    let statements = vec![
        r#"{"Sid": "a", "Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}, "NotAction": "x", "NotResource": "y"}"#;
        5_000
    ];
    let policy = Policy::parse(&document(&statements.join(",\n"))).ok();
    let findings = policy.map(|p| lint(&p, None)).unwrap_or_default();
    assert_eq!(findings.len(), 100);
    assert!(findings.is_sorted_by_key(|d| (d.line, d.column)));
}

#[test]
fn comparing_statements_takes_bounded_time() {
    // A thousand Allows against a thousand Denies of a thousand wildcards each would never end.
    let deny = format!(
        r#"{{"Effect": "Deny", "Principal": "*", "Action": "s3:Put*", "Resource": "arn:aws:s3:::{}x"}}"#,
        "*a".repeat(200)
    );
    let allow = format!(
        r#"{{"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::{}"}}"#,
        "*a".repeat(200)
    );
    let statements = [vec![deny; 900], vec![allow; 900]].concat();
    let policy = Policy::parse(&document(&statements.join(","))).ok();
    assert!(policy.is_some_and(|p| lint(&p, None).is_empty()));
}

#[test]
fn a_statement_as_written() {
    let text = document(&format!("{PLAIN}, {}", conditioned("Deny", "s3:*", "{}")));
    let policy = Policy::parse(&text).ok();
    let texts: Vec<&str> = policy
        .iter()
        .flat_map(|p| (0..3).map(|i| p.statement_text(i)))
        .collect();
    assert_eq!(texts, [PLAIN, &conditioned("Deny", "s3:*", "{}"), ""]);
}
