//! The plain reading, rule by rule: each row is a condition, what the request has, and whether the
//! statement applies. The rules are those of the IAM user guide, "Condition operators",
//! "Single-valued vs. multivalued context keys" and "Policy variables".

use policy::document::Policy;
use policy::evaluate::{Decision, Matches, StatementRef, evaluate, statement_matches};
use policy::request::{Caller, Context, Request};

fn policy(text: &str) -> Policy {
    Policy::parse(text).unwrap_or_else(|error| unreachable!("{error}\n{text}"))
}

fn read_object(context: Context) -> Request {
    Request {
        caller: Caller::Anonymous,
        action: "s3:GetObject".to_owned(),
        resource: "arn:aws:s3:::bucket/key".to_owned(),
        context,
    }
}

/// Whether an Allow with this condition applies to a request with these values.
fn holds(condition: &str, values: &[(&str, &[&str])]) -> Matches {
    let policy = policy(&format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": "*",
            "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*", "Condition": {condition}}}}}"#
    ));
    let mut context = Context::new();
    for (key, values) in values {
        context.set(key, values.iter().map(|v| (*v).to_owned()).collect());
    }
    statement_matches(&policy.statements[0], &policy, &read_object(context))
}

type Row<'a> = (&'a str, &'a [(&'a str, &'a [&'a str])], Matches);

fn check(rows: &[Row<'_>]) {
    for (condition, values, expected) in rows {
        assert_eq!(
            holds(condition, values),
            *expected,
            "{condition} with {values:?}"
        );
    }
}

const YES: Matches = Matches::Yes;
const NO: Matches = Matches::No;
const UNKNOWN: Matches = Matches::Unknown;

/// Every operator with a value, a request value that satisfies it and one that does not.
const OPERATORS: &[(&str, &str, &str, &str)] = &[
    ("StringEquals", "a*", "a*", "ab"),
    ("StringNotEquals", "a*", "ab", "a*"),
    ("StringEqualsIgnoreCase", "Äb", "äB", "ab"),
    ("StringNotEqualsIgnoreCase", "Ab", "b", "aB"),
    ("StringLike", "a?c*", "abc/d:e", "Abc"),
    ("StringNotLike", "a?c*", "ac", "abc"),
    ("NumericEquals", "10", "10.0", "11"),
    ("NumericNotEquals", "10", "11", "1e1"),
    ("NumericLessThan", "10", "9.5", "10"),
    ("NumericLessThanEquals", "10", "10", "10.5"),
    ("NumericGreaterThan", "-1", "0", "-1"),
    ("NumericGreaterThanEquals", "10", "10", "9"),
    (
        "DateEquals",
        "2026-01-31T00:00:00Z",
        "1769817600",
        "1769817601",
    ),
    (
        "DateNotEquals",
        "2026-01-31",
        "2026-01-31T00:00:01Z",
        "2026-01-31T01:00:00+01:00",
    ),
    (
        "DateLessThan",
        "2026-01-31T00:00:00Z",
        "2026-01-30T23:59:59Z",
        "2026-01-31T00:00:00Z",
    ),
    (
        "DateLessThanEquals",
        "1769817600",
        "2026-01-31T00:00:00Z",
        "2026-01-31T00:00:01Z",
    ),
    (
        "DateGreaterThan",
        "2026-01-31T00:00:00Z",
        "2026-01-31T00:00:01Z",
        "2026-01-31T00:00:00Z",
    ),
    (
        "DateGreaterThanEquals",
        "2026-01-31T00:00:00Z",
        "2026-01-31T00:00:00Z",
        "2026-01-30T00:00:00Z",
    ),
    ("Bool", "true", "true", "false"),
    ("BinaryEquals", "YWJj", "YWJj", "YWJk"),
    ("IpAddress", "203.0.113.0/24", "203.0.113.77", "203.0.114.1"),
    (
        "NotIpAddress",
        "2001:db8::/32",
        "2001:db9::1",
        "2001:db8::1",
    ),
    (
        "ArnEquals",
        "arn:aws:iam::*:role/x",
        "arn:aws:iam::1:role/x",
        "arn:aws:iam::1:2:role/x",
    ),
    (
        "ArnLike",
        "arn:aws:sns:*:111122223333:t?",
        "arn:aws:sns:us-east-1:111122223333:t1",
        "arn:aws:sns:us-east-1:111122223333:T",
    ),
    (
        "ArnNotEquals",
        "arn:aws:s3:::b",
        "arn:aws:s3:::B",
        "arn:aws:s3:::b",
    ),
    (
        "ArnNotLike",
        "arn:aws:s3:::b*",
        "arn:aws:s3:::c",
        "arn:aws:s3:::b/c:d",
    ),
];

fn is_negated(operator: &str) -> bool {
    operator.contains("Not")
}

#[test]
fn every_operator_has_a_row() {
    let rows = OPERATORS.iter().map(|row| row.0).chain(["Null"]);
    let all: Vec<&str> = policy::condition::ALL
        .iter()
        .map(|(_, name)| *name)
        .collect();
    assert_eq!(rows.collect::<Vec<_>>(), all);
}

#[test]
fn operators_present_absent_and_with_if_exists() {
    for (operator, value, good, bad) in OPERATORS {
        let absent = is_negated(operator);
        for (name, when_absent) in [
            (operator.to_string(), absent),
            (format!("{operator}IfExists"), true),
            (operator.to_uppercase(), absent),
        ] {
            let condition = format!(r#"{{"{name}": {{"x:Key": "{value}"}}}}"#);
            check(&[
                (&condition, &[("x:key", &[good])], YES),
                (&condition, &[("X:KEY", &[bad])], NO),
                (&condition, &[], when_absent.into()),
                (&condition, &[("x:key", &[])], when_absent.into()),
                (&condition, &[("x:other", &[good])], when_absent.into()),
            ]);
        }
    }
}

#[test]
fn set_operators_over_several_values() {
    for (operator, value, good, bad) in OPERATORS {
        let all = format!(r#"{{"ForAllValues:{operator}": {{"k": "{value}"}}}}"#);
        let some = format!(r#"{{"ForAnyValue:{operator}": {{"k": "{value}"}}}}"#);
        let plain = format!(r#"{{"{operator}": {{"k": "{value}"}}}}"#);
        let some_if_exists = format!(r#"{{"forAnyValue:{operator}IfExists": {{"k": "{value}"}}}}"#);
        check(&[
            (&all, &[("k", &[good, good])], YES),
            (&all, &[("k", &[good, bad])], NO),
            (&all, &[], YES),
            (&all, &[("k", &[])], YES),
            (&some, &[("k", &[bad, good])], YES),
            (&some, &[("k", &[bad])], NO),
            (&some, &[], NO),
            (&some, &[("k", &[])], NO),
            (&some_if_exists, &[], UNKNOWN),
            // Without a set operator: some value of several for a positive operator, none of them
            // for a negated one.
            (
                &plain,
                &[("k", &[good, bad])],
                (!is_negated(operator)).into(),
            ),
            (&plain, &[("k", &[good, good])], YES),
            (&plain, &[("k", &[bad, bad])], NO),
        ]);
    }
}

#[test]
fn values_of_one_key_are_alternatives_and_conditions_add_up() {
    check(&[
        (
            r#"{"StringEquals": {"k": ["a", "b"]}}"#,
            &[("k", &["b"])],
            YES,
        ),
        (
            r#"{"StringNotEquals": {"k": ["a", "b"]}}"#,
            &[("k", &["b"])],
            NO,
        ),
        (
            r#"{"StringNotEquals": {"k": ["a", "b"]}}"#,
            &[("k", &["c"])],
            YES,
        ),
        (
            r#"{"StringEquals": {"k": "a", "l": "b"}}"#,
            &[("k", &["a"])],
            NO,
        ),
        (
            r#"{"StringEquals": {"k": "a", "l": "b"}}"#,
            &[("k", &["a"]), ("l", &["b"])],
            YES,
        ),
        (
            r#"{"StringEquals": {"k": "a"}, "StringNotEquals": {"l": "b"}}"#,
            &[("k", &["a"])],
            YES,
        ),
        (
            r#"{"StringLike": {"k": "a*"}, "StringNotEquals": {"k": "ab"}}"#,
            &[("k", &["ab"])],
            NO,
        ),
        (
            r#"{"StringLike": {"k": "a*"}, "StringNotEquals": {"k": "ab"}}"#,
            &[("k", &["ac"])],
            YES,
        ),
    ]);
}

#[test]
fn null_asks_whether_the_key_is_there() {
    check(&[
        (r#"{"Null": {"k": "true"}}"#, &[], YES),
        (r#"{"Null": {"k": true}}"#, &[("k", &["v"])], NO),
        (r#"{"Null": {"k": "false"}}"#, &[], NO),
        (r#"{"Null": {"k": false}}"#, &[("k", &["v"])], YES),
        (r#"{"Null": {"k": "true"}}"#, &[("k", &[])], YES),
        (r#"{"Null": {"k": ["true", "false"]}}"#, &[], YES),
    ]);
}

#[test]
fn addresses_of_the_two_families_never_match_each_other() {
    let every_v4 = r#"{"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}"#;
    let not_v4 = r#"{"NotIpAddress": {"aws:SourceIp": "0.0.0.0/0"}}"#;
    check(&[
        (every_v4, &[("aws:SourceIp", &["198.51.100.1"])], YES),
        (every_v4, &[("aws:SourceIp", &["2001:db8::1"])], NO),
        (not_v4, &[("aws:SourceIp", &["2001:db8::1"])], YES),
        (
            r#"{"IpAddress": {"aws:SourceIp": "::/0"}}"#,
            &[("aws:SourceIp", &["198.51.100.1"])],
            NO,
        ),
        (
            r#"{"IpAddress": {"aws:SourceIp": "198.51.100.1"}}"#,
            &[("aws:SourceIp", &["198.51.100.1"])],
            YES,
        ),
        (
            r#"{"IpAddress": {"aws:SourceIp": "198.51.100.1"}}"#,
            &[("aws:SourceIp", &["198.51.100.2"])],
            NO,
        ),
        // A block with bits beyond its length means the block.
        (
            r#"{"IpAddress": {"aws:SourceIp": "10.1.2.3/8"}}"#,
            &[("aws:SourceIp", &["10.9.9.9"])],
            YES,
        ),
        (not_v4, &[("aws:SourceIp", &["no address"])], YES),
    ]);
}

#[test]
fn variables_resolve_or_match_nothing() {
    let equals = r#"{"StringEquals": {"k": "${aws:username}"}}"#;
    let user = ("aws:username", ["alice"].as_slice());
    check(&[
        (equals, &[("k", &["alice"]), user], YES),
        (equals, &[("k", &["${aws:username}"]), user], NO),
        (equals, &[("k", &["alice"])], NO),
        (
            r#"{"StringNotEquals": {"k": "${aws:username}"}}"#,
            &[("k", &["alice"])],
            YES,
        ),
        (
            r#"{"StringNotEquals": {"k": "${aws:username}"}}"#,
            &[("k", &["alice"]), user],
            NO,
        ),
        // Only the one value is lost.
        (
            r#"{"StringEquals": {"k": ["${aws:username}", "bob"]}}"#,
            &[("k", &["bob"])],
            YES,
        ),
        (
            r#"{"StringEquals": {"k": "${aws:username, 'nobody'}"}}"#,
            &[("k", &["nobody"])],
            YES,
        ),
        (
            r#"{"StringEquals": {"k": "${aws:username, 'nobody'}"}}"#,
            &[("k", &["alice"]), user],
            YES,
        ),
        // Case is ignored in a variable's value, too.
        (
            r#"{"StringEqualsIgnoreCase": {"k": "${AWS:UserName}"}}"#,
            &[("k", &["aLICE"]), ("aws:username", &["Alice"])],
            YES,
        ),
        // A wildcard in a value is itself.
        (
            r#"{"StringLike": {"k": "${aws:username}/*"}}"#,
            &[("k", &["x/y"]), ("aws:username", &["*"])],
            NO,
        ),
        (
            r#"{"StringLike": {"k": "${aws:username}/${*}"}}"#,
            &[("k", &["alice/*"]), user],
            YES,
        ),
        (
            r#"{"StringLike": {"k": "${aws:username}/${*}"}}"#,
            &[("k", &["alice/x"]), user],
            NO,
        ),
        (
            r#"{"ArnLike": {"k": "arn:aws:iam::${aws:PrincipalAccount}:role/*"}}"#,
            &[
                ("k", &["arn:aws:iam::7:role/a"]),
                ("aws:PrincipalAccount", &["7"]),
            ],
            YES,
        ),
    ]);
}

#[test]
fn what_is_not_understood_leaves_the_statement_open() {
    check(&[
        (r#"{"StringMatches": {"k": "a"}}"#, &[], UNKNOWN),
        (
            r#"{"StringMatches": {"k": "a"}, "Bool": {"b": "true"}}"#,
            &[],
            NO,
        ),
        (
            r#"{"IpAddress": {"aws:SourceIp": "10.*"}}"#,
            &[("aws:SourceIp", &["198.51.100.1"])],
            UNKNOWN,
        ),
        (r#"{"IpAddress": {"aws:SourceIp": "10.*"}}"#, &[], NO),
        (
            r#"{"IpAddress": {"aws:SourceIp": ["10.*", "198.51.100.0/24"]}}"#,
            &[("aws:SourceIp", &["198.51.100.1"])],
            UNKNOWN,
        ),
        (
            r#"{"NumericLessThan": {"k": "1*"}}"#,
            &[("k", &["5"])],
            UNKNOWN,
        ),
        (
            r#"{"DateLessThan": {"k": "2030"}}"#,
            &[("k", &["2020-01-01T00:00:00Z"])],
            UNKNOWN,
        ),
        (
            r#"{"ArnLike": {"k": "arn:aws:s3"}}"#,
            &[("k", &["arn:aws:s3:::b"])],
            UNKNOWN,
        ),
        (
            r#"{"ArnLike": {"k": "*"}}"#,
            &[("k", &["arn:aws:s3:::b"])],
            YES,
        ),
        (r#"{"NullIfExists": {"k": "true"}}"#, &[], UNKNOWN),
        (r#"{"Bool": {"k": "yes"}}"#, &[("k", &["true"])], UNKNOWN),
        (
            r#"{"StringEquals": {"k": null}}"#,
            &[("k", &["true"])],
            UNKNOWN,
        ),
        (
            r#"{"StringEquals": {"k": []}}"#,
            &[("k", &["true"])],
            UNKNOWN,
        ),
        (r#"{"StringEquals": []}"#, &[], UNKNOWN),
        (
            r#"{"StringEquals": {"k": "a", "K": "b"}}"#,
            &[("k", &["a"])],
            UNKNOWN,
        ),
    ]);
}

/// Whether a principal element means a caller.
fn means(element: &str, caller: &Caller) -> Matches {
    let policy = policy(&format!(
        r#"{{"Statement": {{"Effect": "Allow", {element}, "Action": "*", "Resource": "*"}}}}"#
    ));
    let request = Request {
        caller: caller.clone(),
        ..read_object(Context::new())
    };
    statement_matches(&policy.statements[0], &policy, &request)
}

#[test]
fn principals() {
    let user = "arn:aws:iam::111122223333:user/alice";
    let session = "arn:aws:sts::111122223333:assumed-role/app/i-1";
    let principal = |arn: &str| Caller::Principal(arn.to_owned());
    let service = Caller::Service("cloudtrail.amazonaws.com".to_owned());
    let web = Caller::Federated("graph.facebook.com".to_owned());
    let rows = [
        (r#""Principal": "*""#, Caller::Anonymous, YES),
        (r#""Principal": {"AWS": "*"}"#, Caller::Anonymous, YES),
        (r#""Principal": {"AWS": ["*"]}"#, service.clone(), YES),
        (r#""Principal": "*""#, web.clone(), YES),
        (
            r#""Principal": {"AWS": "111122223333"}"#,
            principal(user),
            YES,
        ),
        (
            r#""Principal": {"AWS": "arn:aws:iam::111122223333:root"}"#,
            principal(session),
            YES,
        ),
        (
            r#""Principal": {"AWS": "arn:aws-cn:iam::111122223333:root"}"#,
            principal(user),
            YES,
        ),
        (
            r#""Principal": {"AWS": "111122223333"}"#,
            Caller::Anonymous,
            NO,
        ),
        (
            r#""Principal": {"AWS": "111122223333"}"#,
            principal("arn:aws:iam::999988887777:user/alice"),
            NO,
        ),
        (
            r#""Principal": {"AWS": "arn:aws:iam::111122223333:user/alice"}"#,
            principal(user),
            YES,
        ),
        (
            r#""Principal": {"AWS": "arn:aws:iam::111122223333:user/Alice"}"#,
            principal(user),
            NO,
        ),
        (
            r#""Principal": {"AWS": "arn:aws:iam::111122223333:user/*"}"#,
            principal(user),
            NO,
        ),
        (
            r#""Principal": {"AWS": "arn:aws:iam::111122223333:role/path/app"}"#,
            principal(session),
            YES,
        ),
        (
            r#""Principal": {"AWS": "arn:aws:iam::111122223333:role/ap"}"#,
            principal(session),
            NO,
        ),
        (
            r#""Principal": {"AWS": "arn:aws:iam::999988887777:role/app"}"#,
            principal(session),
            NO,
        ),
        (
            r#""Principal": {"AWS": "arn:aws-cn:iam::111122223333:role/app"}"#,
            principal(session),
            NO,
        ),
        (
            r#""Principal": {"CanonicalUser": "79a59df9"}"#,
            principal("79a59df9"),
            YES,
        ),
        (
            r#""Principal": {"CanonicalUser": "79a59df9"}"#,
            Caller::Anonymous,
            NO,
        ),
        (
            r#""Principal": {"CanonicalUser": "65a011a29cdf8ec533ec3d1ccaae921c"}"#,
            Caller::Anonymous,
            UNKNOWN,
        ),
        (
            r#""Principal": {"AWS": "AIDAEXAMPLEEXAMPLE123"}"#,
            principal(user),
            NO,
        ),
        (
            r#""Principal": {"Service": "cloudtrail.amazonaws.com"}"#,
            service.clone(),
            YES,
        ),
        (
            r#""Principal": {"Service": "config.amazonaws.com"}"#,
            service.clone(),
            NO,
        ),
        (r#""Principal": {"Service": "*"}"#, service.clone(), YES),
        (r#""Principal": {"Service": "*"}"#, principal(user), NO),
        (
            r#""Principal": {"Federated": "graph.facebook.com"}"#,
            web.clone(),
            YES,
        ),
        (
            r#""Principal": {"Federated": "graph.facebook.com"}"#,
            Caller::Anonymous,
            NO,
        ),
        (
            r#""NotPrincipal": {"AWS": "111122223333"}"#,
            Caller::Anonymous,
            YES,
        ),
        (
            r#""NotPrincipal": {"AWS": "111122223333"}"#,
            principal(user),
            NO,
        ),
        (r#""NotPrincipal": {"AWS": "111122223333"}"#, service, YES),
        (r#""NotPrincipal": "*""#, Caller::Anonymous, NO),
        (
            r#""NotPrincipal": {"AWS": "arn:aws:iam::111122223333:role/app"}"#,
            principal(session),
            YES,
        ),
        // A name that misses its target must not turn the statement on everybody for certain.
        (
            r#""NotPrincipal": {"AWS": "arn:aws:iam::111122223333:user/*"}"#,
            Caller::Anonymous,
            UNKNOWN,
        ),
        (r#""Principals": "*""#, Caller::Anonymous, UNKNOWN),
        (
            r#""Principal": {"Aws": "111122223333"}"#,
            Caller::Anonymous,
            UNKNOWN,
        ),
        (r#""Principal": ["*"]"#, Caller::Anonymous, UNKNOWN),
        (
            r#""Principal": {"Federated": "*"}"#,
            Caller::Anonymous,
            UNKNOWN,
        ),
    ];
    for (element, caller, expected) in rows {
        assert_eq!(
            means(element, &caller),
            expected,
            "{element} and {caller:?}"
        );
    }
}

#[test]
fn actions_ignore_case_and_resources_do_not() {
    let applies = |rest: &str, action: &str, resource: &str| {
        let policy = policy(&format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": "*", {rest}}}}}"#
        ));
        let request = Request {
            action: action.to_owned(),
            resource: resource.to_owned(),
            ..read_object(Context::new())
        };
        statement_matches(&policy.statements[0], &policy, &request)
    };
    let object = "arn:aws:s3:::bucket/a/b";
    let rows = [
        (r#""Action": "S3:getOBJECT", "Resource": "*""#, YES),
        (
            r#""Action": "s3:Get*", "Resource": "arn:aws:s3:::bucket/*"}"#,
            YES,
        ),
        (
            r#""Action": "s3:GetObjec?", "Resource": "arn:aws:s3:::bucket/?/b""#,
            YES,
        ),
        (r#""Action": "s3:GetObject?", "Resource": "*""#, NO),
        (r#""Action": "GetObject", "Resource": "*""#, NO),
        (
            r#""Action": "s3:GetObject", "Resource": "arn:aws:s3:::Bucket/*""#,
            NO,
        ),
        (
            r#""Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket""#,
            NO,
        ),
        (
            r#""Action": "s3:GetObject", "Resource": "arn:aws:s3:::*""#,
            YES,
        ),
        (r#""NotAction": "s3:put*", "Resource": "*""#, YES),
        (
            r#""NotAction": ["s3:put*", "s3:getobject"], "Resource": "*""#,
            NO,
        ),
        (
            r#""Action": "*", "NotResource": "arn:aws:s3:::bucket/a/*""#,
            NO,
        ),
        (
            r#""Action": "*", "NotResource": "arn:aws:s3:::bucket/c/*""#,
            YES,
        ),
        (r#""Action": [], "Resource": "*""#, NO),
    ];
    for (rest, expected) in rows {
        let rest = rest.trim_end_matches('}');
        assert_eq!(applies(rest, "s3:GetObject", object), expected, "{rest}");
    }
}

#[test]
fn without_the_current_version_variables_are_plain_text() {
    let statement = r#"{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"k": "${aws:username}"}}}"#;
    let mut context = Context::new();
    context.set("k", vec!["${aws:username}".to_owned()]);
    context.set("aws:username", vec!["alice".to_owned()]);
    for (version, expected) in [
        ("", YES),
        (r#""Version": "2008-10-17","#, YES),
        (r#""Version": "2012-10-17","#, NO),
        // Which of the two readings holds is not known.
        (r#""Version": "2020-01-01","#, UNKNOWN),
    ] {
        let policy = policy(&format!(r#"{{{version} "Statement": [{statement}]}}"#));
        let found = statement_matches(
            &policy.statements[0],
            &policy,
            &read_object(context.clone()),
        );
        assert_eq!(found, expected, "{version}");
    }
}

#[test]
fn deny_wins_and_doubt_shows_where_it_matters() {
    let allow = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}"#;
    let deny = r#"{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}"#;
    let doubtful = |effect: &str| {
        format!(
            r#"{{"Effect": "{effect}", "Principal": "*", "Action": "s3:GetObject", "Resource": "*",
                "Condition": {{"StringMatches": {{"k": "v"}}}}}}"#
        )
    };
    let (allow_doubt, deny_doubt) = (doubtful("Allow"), doubtful("Deny"));
    let decide = |statements: &[&str]| {
        let policy = policy(&format!(r#"{{"Statement": [{}]}}"#, statements.join(",")));
        evaluate(&[&policy], &read_object(Context::new()))
    };
    let first = |index| {
        vec![StatementRef {
            policy: 0,
            statement: index,
        }]
    };
    assert_eq!(decide(&[]), Decision::ImplicitlyDenied);
    assert_eq!(decide(&[allow]), Decision::Allowed { by: first(0) });
    assert_eq!(decide(&[allow, deny]), Decision::Denied { by: first(1) });
    assert_eq!(
        decide(&[&deny_doubt, allow, deny]),
        Decision::Denied { by: first(2) }
    );
    assert_eq!(decide(&[&deny_doubt]), Decision::ImplicitlyDenied);
    assert_eq!(
        decide(&[&allow_doubt, allow]),
        Decision::Allowed { by: first(1) }
    );
    for statements in [
        vec![&*allow_doubt],
        vec![allow, &deny_doubt],
        vec![&allow_doubt, &deny_doubt],
    ] {
        let decision = decide(&statements);
        let Decision::Undecided { reasons } = decision else {
            unreachable!("{statements:?}: {decision:?}");
        };
        assert!(
            reasons.iter().all(|r| r.contains("StringMatches")),
            "{reasons:?}"
        );
        assert_eq!(
            reasons.len(),
            if statements.len() == 2 && statements[0] != allow {
                2
            } else {
                1
            }
        );
    }
}

#[test]
fn several_policies_are_one_decision() {
    let allow = policy(
        r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}"#,
    );
    let deny = policy(
        r#"{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}"#,
    );
    let by = vec![StatementRef {
        policy: 1,
        statement: 0,
    }];
    assert_eq!(
        evaluate(&[&allow, &deny], &read_object(Context::new())),
        Decision::Denied { by }
    );
}
