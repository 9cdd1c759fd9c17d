//! What the parser makes of documents, good and bad.
#![expect(clippy::unwrap_used, reason = "tests")]

use policy::action::ActionTable;
use policy::document::{Effect, Policy, Principal, Version};

#[test]
fn a_whole_document() {
    let text = r#"{
  "Version": "2012-10-17",
  "Id": "logs",
  "Statement": [
    {
      "Sid": "Write",
      "Effect": "Allow",
      "Principal": {"Service": "cloudtrail.amazonaws.com", "AWS": ["111122223333", "*"]},
      "Action": ["s3:PutObject", "S3:GetBucketAcl"],
      "Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"],
      "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}
    },
    {"Effect": "Deny", "NotPrincipal": {"CanonicalUser": "abc"}, "NotAction": "s3:Get*", "NotResource": "*"}
  ]
}"#;
    let policy = Policy::parse(text).unwrap();
    assert_eq!(policy.diagnostics, []);
    assert_eq!(policy.version, Version::V2012);
    assert_eq!(policy.id.as_deref(), Some("logs"));
    let [first, second] = &policy.statements[..] else {
        unreachable!();
    };
    assert_eq!(first.sid.as_deref(), Some("Write"));
    assert_eq!((first.effect, second.effect), (Effect::Allow, Effect::Deny));
    assert_eq!(
        first.principal.entries,
        [
            Principal::Service("cloudtrail.amazonaws.com".to_owned()),
            Principal::Account("111122223333".to_owned()),
            Principal::Everyone,
        ]
    );
    let table = ActionTable::get();
    let names = |set: policy::action::ActionSet| {
        set.iter()
            .map(|i| table.action(i).name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(first.action.known),
        ["s3:GetBucketAcl", "s3:PutObject"]
    );
    assert_eq!(first.action.patterns[1].text(), "S3:GetBucketAcl");
    assert!(first.action.patterns[1].matches("s3:getbucketacl"));
    let condition = &first.conditions[0];
    assert_eq!(
        condition.path,
        "$.Statement[0].Condition.StringEquals['s3:x-amz-acl']"
    );
    assert!(second.principal.negated && second.action.negated && second.resource.negated);
    assert!(
        names(second.action.known)
            .iter()
            .all(|n| !n.starts_with("s3:Get"))
    );
    assert!(names(second.action.known).contains(&"s3:PutObject"));
    assert_eq!(second.path, "$.Statement[1]");
    assert!(text[second.span.clone()].starts_with("{\"Effect\": \"Deny\""));
}

/// Parses a document that is no policy and shows what is said about it.
fn refusal(text: &str) -> String {
    let error = Policy::parse(text).unwrap_err();
    let first = &error.diagnostics[0];
    format!(
        "[{}] {error} {}",
        first.code,
        first.help.as_deref().unwrap_or("")
    )
}

#[test]
fn what_is_no_policy_is_refused_with_place_and_advice() {
    let deep = "[".repeat(100_000);
    let huge = " ".repeat(10 << 20);
    let cases: [(&str, &str); 14] = [
        (
            "",
            "[not-json] not JSON: EOF while parsing a value (at $, line 1, column 1) the text is empty",
        ),
        (
            "<html>",
            "[not-json] not JSON: expected value (at $, line 1, column 1) this looks like HTML or XML: is it the answer of the right endpoint?",
        ),
        (
            r#"{"Statement": [{"Effect": "All"#,
            "[not-json] not JSON: EOF while parsing a string (at $, line 1, column 30) the text ends too early: is it cut off?",
        ),
        (&deep, "[not-json]"),
        (
            &huge,
            "[too-large] the text has 10485760 bytes, more than the 1048576 that are read (at $, line 1, column 1)",
        ),
        (
            r#""{\"Statement\": []}""#,
            "[policy-is-a-string] the policy is a JSON string that holds JSON",
        ),
        (
            "[]",
            "[not-an-object] a policy is a JSON object, this is a list",
        ),
        (
            "null",
            "[not-an-object] a policy is a JSON object, this is null",
        ),
        ("{}", "[missing-element] the policy has no `Statement`"),
        (
            r#"{"Statements": []}"#,
            "[missing-element] the policy has no `Statement` (at $, line 1, column 1) did you mean `Statement` instead of `Statements`?",
        ),
        (
            r#"{"Statement": ["x"]}"#,
            "[wrong-type] a statement is a JSON object, this is a string (at $.Statement[0], line 1, column 16)",
        ),
        (
            r#"{"Statement": {"Effect": "allow"}}"#,
            "[unknown-effect] `Effect` is `Allow` or `Deny`, not `allow` (at $.Statement.Effect, line 1, column 26) did you mean `Allow`?",
        ),
        (
            r#"{"Statement": {"Effect": "Allow", "Effect": "Deny"}}"#,
            "[duplicate-key] `Effect` occurs more than once (at $.Statement.Effect, line 1, column 35)",
        ),
        (
            r#"{"Statement": {"Principal": "*"}}"#,
            "[missing-element] the statement has no `Effect`",
        ),
    ];
    for (text, expected) in cases {
        let found = refusal(text);
        let shown: String = text.chars().take(80).collect();
        assert!(
            found.starts_with(expected),
            "{shown}\n found {found}\n wanted {expected}"
        );
    }
}

/// Parses one statement with a doubt and shows `code: help` of all diagnostics.
fn doubts(statement: &str) -> Vec<String> {
    let policy = Policy::parse(&format!(
        r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#
    ))
    .unwrap();
    assert_eq!(
        policy.statements[0].not_understood.len(),
        policy.diagnostics.len(),
        "{statement}"
    );
    policy
        .diagnostics
        .iter()
        .map(|d| {
            format!(
                "{} {}: {}",
                d.path,
                d.code,
                d.help.as_deref().unwrap_or("-")
            )
        })
        .collect()
}

#[test]
fn doubts_name_the_place_and_what_was_probably_meant() {
    let rest = r#""Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*""#;
    let condition = |text: &str| format!(r#"{{{rest}, "Condition": {text}}}"#);
    let cases = [
        (
            condition(r#"{"ForAnyValue:StringLikeIfExists": {"k": "v"}}"#),
            "$.Statement[0].Condition['ForAnyValue:StringLikeIfExists'] unsettled-operator: leave IfExists out, or make two statements of it",
        ),
        (format!(r#"{{{rest}, "Conditions": {{}}}}"#), "$.Statement[0].Conditions unknown-element: did you mean `Condition`?"),
        (condition(r#"{"StringEqual": {"k": "v"}}"#), "$.Statement[0].Condition.StringEqual unknown-operator: did you mean `StringEquals`?"),
        (condition(r#"{"ForAnyValues:StringLike": {"k": "v"}}"#), "$.Statement[0].Condition['ForAnyValues:StringLike'] unknown-operator: did you mean `ForAnyValue:StringLike`?"),
        (condition(r#"{"StringEqualIfExists": {"k": "v"}}"#), "$.Statement[0].Condition.StringEqualIfExists unknown-operator: did you mean `StringEqualsIfExists`?"),
        (condition(r#"{"Matches": {"k": "v"}}"#), "$.Statement[0].Condition.Matches unknown-operator: -"),
        (condition(r#"{"NullIfExists": {"k": "true"}}"#), "$.Statement[0].Condition.NullIfExists unknown-operator: `Null` asks whether a key is there: it takes neither `IfExists` nor a set operator"),
        (condition(r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "10.*"]}}"#), "$.Statement[0].Condition.IpAddress['aws:SourceIp'][1] invalid-value: it wants an address or a CIDR block such as `203.0.113.0/24` or `2001:db8::/32`"),
        (condition(r#"{"Bool": {"a": "${aws:SecureTransport}"}}"#), "$.Statement[0].Condition.Bool.a invalid-value: it wants `true` or `false`"),
        (format!(r#"{{{rest}, "Action": "s3:Get*"}}"#), "$.Statement[0].Action duplicate-key: keep one of them"),
        (format!(r#"{{{rest}, "NotAction": "s3:Get*"}}"#), "$.Statement[0].NotAction conflicting-elements: keep one of them"),
        (r#"{"Effect": "Allow", "Principal": "*", "Action": ["s3:*", 1], "Resource": "*"}"#.to_owned(), "$.Statement[0].Action[1] wrong-type: -"),
        (r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:${aws:x}::b"}"#.to_owned(), "$.Statement[0].Resource variable-in-arn-prefix: variables are recognised only behind the fifth colon"),
        (r#"{"Effect": "Allow", "Principal": "arn:aws:iam::111122223333:root", "Action": "s3:*", "Resource": "*"}"#.to_owned(), "$.Statement[0].Principal wrong-type: write {\"AWS\": \"arn:aws:iam::111122223333:root\"}"),
        (r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#.to_owned(), "$.Statement[0] missing-element: a bucket policy names a principal in every statement; a policy without one is attached to a user or role and grants nothing to others"),
    ];
    for (statement, expected) in cases {
        assert_eq!(doubts(&statement), [expected], "{statement}");
    }
}

#[test]
fn a_misspelt_element_leaves_two_doubts() {
    assert_eq!(
        doubts(r#"{"Effect": "Allow", "Principals": "*", "Action": "s3:*", "Resource": "*"}"#)[0],
        "$.Statement[0].Principals unknown-element: did you mean `Principal`?"
    );
}

#[test]
fn hostile_numbers_of_mistakes_are_counted_not_listed() {
    let elements: Vec<String> = (0..10_000).map(|i| format!(r#""x{i}": 1"#)).collect();
    let text = format!(
        r#"{{"Statement": {{"Effect": "Allow", {}}}}}"#,
        elements.join(",")
    );
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(policy.diagnostics.len(), 100);
    assert_eq!(policy.statements[0].not_understood.len(), 20);
}

/// Every element with every kind of JSON value: it is one of the values listed here, or something
/// is said about it.
#[test]
fn wrong_types_never_pass_in_silence() {
    const VALUES: &[&str] = &[
        "null",
        "true",
        "1",
        r#""x""#,
        "[]",
        "{}",
        "[1]",
        "[null]",
        "[[]]",
        "[{}]",
        r#"["x", {}]"#,
    ];
    let fine: &[(&str, &[&str])] = &[
        ("Version", &[]),
        ("Id", &[r#""x""#]),
        ("Statement", &["[]"]),
        ("Sid", &[r#""x""#]),
        ("Effect", &[]),
        ("Principal", &[]),
        ("NotPrincipal", &[]),
        ("AWS", &[]),
        ("Service", &[r#""x""#]),
        ("Action", &[r#""x""#]),
        ("NotAction", &[r#""x""#]),
        ("Resource", &[r#""x""#]),
        ("NotResource", &[r#""x""#]),
        ("Condition", &["{}"]),
        ("StringEquals", &["{}"]),
        ("key", &["true", "1", r#""x""#, "[1]"]),
    ];
    for (element, fine) in fine {
        for value in VALUES {
            let member = format!(r#""{element}": {value}"#);
            let with = |name: &str, default: &str| match *element {
                e if e == name || e.strip_prefix("Not") == Some(name) => member.clone(),
                _ => format!(r#""{name}": {default}"#),
            };
            let principals = with("AWS", r#""*""#);
            let principals = if *element == "Service" {
                member.clone()
            } else {
                principals
            };
            let statement = format!(
                r#"{{{}, {}, {}, {}, {}, {}}}"#,
                with("Sid", r#""s""#),
                with("Effect", r#""Allow""#),
                with("Principal", &format!("{{{principals}}}")),
                with("Action", r#""s3:*""#),
                with("Resource", r#""*""#),
                with(
                    "Condition",
                    &format!(
                        "{{{}}}",
                        with("StringEquals", &format!("{{{}}}", with("key", r#""v""#)))
                    )
                ),
            );
            let text = format!(
                "{{{}, {}, {}}}",
                with("Version", r#""2012-10-17""#),
                with("Id", r#""i""#),
                with("Statement", &statement)
            );
            let said = Policy::parse(&text).map_or_else(|e| e.diagnostics, |p| p.diagnostics);
            assert_eq!(said.is_empty(), fine.contains(value), "{text}\n{said:?}");
        }
    }
}

#[test]
fn control_characters_of_a_policy_do_not_reach_a_terminal() {
    let text = r#"{"Statement": {"Effect": "Allow", "\u001b[2J\u202e": 1}}"#;
    let policy = Policy::parse(text).unwrap();
    for diagnostic in &policy.diagnostics {
        let shown = diagnostic.to_string();
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    }
    assert!(
        policy.diagnostics[0]
            .message
            .contains(r"`\u{1b}[2J\u{202e}`")
    );
}
