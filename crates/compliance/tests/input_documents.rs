//! Bucket documents and bare policies.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{options, read, read_with};
use compliance::input::{self, AssumedBlock, Kind};

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::example-bucket/*"}}"#;

#[test]
fn a_document_in_our_own_shapes() {
    let text = format!(
        r#"{{"bucket": "b1", "owner_account": "111122223333", "as_of": "2026-01-01T00:00:00Z", "extra": 1,
            "policy": {POLICY},
            "acl": [{{"grantee": {{"type": "Group", "uri": "http://acs.amazonaws.com/groups/global/AllUsers"}}, "permission": "READ"}}],
            "bpa": {{"bucket": {{"IgnorePublicAcls": true}}, "account": null, "organization": {{"RestrictPublicBuckets": true}}}},
            "ownership": "ObjectWriter"}}"#
    );
    assert_eq!(
        read(&text),
        "b1 111122223333: policy=[1 statements] acl=[AllUsers:READ] bucket=[-I--] account=none \
         organization=[---R] ownership=[ObjectWriter]\n"
    );
}

#[test]
fn a_document_in_the_shapes_that_the_aws_cli_prints() {
    let wrapped = serde_json::to_string(POLICY).unwrap();
    let text = format!(
        r#"{{"bucket": "b1", "policy": {{"Policy": {wrapped}}},
            "acl": {{"Owner": {{"ID": "o1"}}, "Grants": [
                {{"Grantee": {{"ID": "o1", "Type": "CanonicalUser"}}, "Permission": "FULL_CONTROL"}},
                {{"Grantee": {{"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"}}, "Permission": "READ_ACP"}}]}},
            "bpa": {{"PublicAccessBlockConfiguration": {{"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": false, "RestrictPublicBuckets": false}}}},
            "ownership": {{"OwnershipControls": {{"Rules": [{{"ObjectOwnership": "BucketOwnerEnforced"}}]}}}}}}"#
    );
    assert_eq!(
        read(&text),
        "b1: policy=[1 statements] acl=[o1:FULL_CONTROL,AuthenticatedUsers:READ_ACP] bucket=[AI--] \
         account=? organization=? ownership=[BucketOwnerEnforced]\n"
    );
}

#[test]
fn missing_null_and_unknown_are_three_things() {
    let text = r#"[{"bucket": "a"},
        {"bucket": "b", "policy": null, "acl": null, "bpa": {"bucket": null}, "ownership": null},
        {"bucket": "c", "policy": "unknown", "acl": "unknown", "bpa": "unknown", "ownership": "unknown"}]"#;
    assert_eq!(
        read(text),
        "a: policy=? acl=? bucket=? account=? organization=? ownership=?\n\
         b: policy=none acl=none bucket=none account=? organization=? ownership=none\n\
         c: policy=unknown acl=unknown bucket=unknown account=unknown organization=unknown ownership=unknown\n"
    );
}

#[test]
fn what_is_wrong_with_one_bucket_never_stops_the_others() {
    let text = r#"[{"bucket": "a", "policy": {"Statement": 7}},
 {"nothing": true},
 {"bucket": "b", "acl": [{"grantee": "AllUsers", "permission": "SOME"}], "as_of": "soon"},
 7,
 {"bucket": "c", "acl": [], "bpa": {"bucket": {"IgnorePublicAcls": "perhaps"}}, "ownership": "Mine"},
 {"bucket": "d", "policy": "not json", "acl": []}]"#;
    let out = read(text);
    for part in [
        "a: policy=unread(",
        "b: policy=? acl=unread(grant 0 of the ACL: \"SOME\" is not a permission)",
        "c: policy=? acl=[] bucket=unread(IgnorePublicAcls of Block Public Access is neither",
        "d: policy=unread(",
        "problem: f:1: bucket a: the policy cannot be read: a statement is a JSON object, this is a number (at $.Statement)",
        "problem: f:2: $[1] is not a bucket document",
        "problem: f:3: bucket b: grant 0",
        "problem: f:3: bucket b: as_of \"soon\"",
        "problem: f:4: $[3] is not a bucket document",
        "problem: f:5: bucket c: \"Mine\" is not an Object Ownership setting",
        "problem: f:6: bucket d: the policy cannot be read",
    ] {
        assert!(out.contains(part), "{part}\n---\n{out}");
    }
}

#[test]
fn a_member_that_stands_twice_is_said() {
    let out = read(r#"{"bucket": "a", "policy": null, "policy": "unknown"}"#);
    assert!(out.starts_with("a: policy=unknown "), "{out}");
    assert!(
        out.contains("problem: f:1: bucket a: \"policy\" stands twice"),
        "{out}"
    );
}

#[test]
fn documents_may_be_yaml() {
    let out = read("bucket: a\nacl:\n  - {grantee: AllUsers, permission: READ}\npolicy: ~\n");
    assert!(
        out.starts_with("a: policy=none acl=[AllUsers:READ]"),
        "{out}"
    );
}

#[test]
fn a_policy_alone_names_its_buckets() {
    let reading = input::read(POLICY.as_bytes(), "f", &options()).unwrap();
    assert_eq!(reading.kind, Kind::Policy);
    assert_eq!(reading.buckets[0].bucket.name, "example-bucket");
    assert_eq!(reading.buckets[0].source.policy_line, Some(1));

    let wrapped = format!("{{\"Policy\": {}}}", serde_json::to_string(POLICY).unwrap());
    assert!(read(&wrapped).starts_with("example-bucket: policy=[1 statements]"));
    let text = serde_json::to_string(POLICY).unwrap();
    assert!(read(&text).starts_with("example-bucket: policy=[1 statements]"));

    for (resources, names) in [
        (
            r#"["arn:aws:s3:::b1", "arn:aws:s3:::b1/*", "arn:aws:s3:::b2/x"]"#,
            vec!["b1", "b2"],
        ),
        (r#""arn:aws:s3:::logs-*/*""#, vec!["logs-x"]),
        (r#""*""#, vec!["unnamed-bucket"]),
    ] {
        let text = format!(
            r#"{{"Statement": [{{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": {resources}}}]}}"#
        );
        let reading = input::read(text.as_bytes(), "f", &options()).unwrap();
        let found: Vec<_> = reading
            .buckets
            .iter()
            .map(|b| b.bucket.name.as_str())
            .collect();
        assert_eq!(found, names, "{resources}");
    }
    let china = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws-cn:s3:::b/*"}}"#;
    let reading = input::read(china.as_bytes(), "f", &options()).unwrap();
    assert_eq!(reading.buckets[0].bucket.partition, "aws-cn");
}

#[test]
fn an_acl_alone_as_the_aws_cli_prints_it() {
    let text = r#"{"Owner": {"ID": "o"}, "Grants": [{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "WRITE"}]}"#;
    assert!(read(text).contains("policy=? acl=[AllUsers:WRITE] bucket=?"));
}

#[test]
fn the_account_block_can_be_assumed_but_never_overrides_the_document() {
    let text = r#"[{"bucket": "a"}, {"bucket": "b", "bpa": {"account": {}}}]"#;
    for (assumed, expected) in [
        (AssumedBlock::NotSaid, "?"),
        (AssumedBlock::On, "[AIPR]"),
        (AssumedBlock::Off, "none"),
        (AssumedBlock::Unknown, "unknown"),
    ] {
        let mut options = options();
        options.account_block = assumed;
        let out = read_with(text, &options);
        let lines: Vec<_> = out.lines().collect();
        assert!(lines[0].contains(&format!("account={expected} ")), "{out}");
        assert!(lines[1].contains("account=[----] "), "{out}");
    }
}

#[test]
fn the_time_of_the_verdict() {
    let text = r#"[{"bucket": "a"}, {"bucket": "b", "as_of": "2020-05-05T00:00:00Z"}]"#;
    let at = |options: &input::Options| {
        let reading = input::read(text.as_bytes(), "f", options).unwrap();
        reading
            .buckets
            .iter()
            .map(|b| b.bucket.as_of.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        at(&options()),
        ["2026-01-01T00:00:00Z", "2020-05-05T00:00:00Z"]
    );
    let mut asked = options();
    asked.as_of = Some("2030-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(at(&asked), ["2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z"]);
}

#[test]
fn files_that_are_no_documents_say_so() {
    for (bytes, part) in [
        (&b""[..], "the file is empty"),
        (b" \n ", "the file is empty"),
        (b"\xff\xfe{\x00", "not a text in UTF-8"),
        (b"\x7fELF\0\0", "a binary file"),
        (b"{\"bucket\": \"a\", ", "is the file complete?"),
        (b"{\"a\": 1}", "not a document that check reads"),
        (b"hello", "not a document that check reads"),
        (
            b"<html><body>502</body></html>",
            "not a document that check reads",
        ),
        (b"7", "not a document that check reads"),
        (b"\"seven\"", "not a document that check reads"),
        (b"\x1f\x8b\x08\x00", "damaged or cut short"),
    ] {
        let problem = input::read(bytes, "f", &options()).unwrap_err();
        assert!(problem.message.contains(part), "{bytes:?}: {problem}");
    }
    let deep = "[".repeat(1_000_000);
    let problem = input::read(deep.as_bytes(), "f", &options()).unwrap_err();
    assert!(problem.message.contains("nested"), "{problem}");
}

#[test]
fn ten_megabytes_are_read_and_a_policy_that_large_is_undecided() {
    let padding = "x".repeat(10 << 20);
    let text = format!(
        r#"[{{"bucket": "a", "policy": {{"Id": "{padding}", "Statement": []}}}}, {{"bucket": "b"}}]"#
    );
    let out = read(&text);
    assert!(out.contains("a: policy=unread("), "{}", &out[..200]);
    assert!(out.contains("\nb: policy=?"));
}
