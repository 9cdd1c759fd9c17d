//! Terraform plans and states.

mod common;

use common::read;
use serde_json::{Value, json};

fn resource(address: &str, kind: &str, values: Value) -> Value {
    let name = address
        .rsplit(&format!("{kind}."))
        .next()
        .unwrap_or_default();
    let (name, index) = match name.split_once('[') {
        Some((name, index)) => (name, Some(index.trim_matches(['"', ']']).to_owned())),
        None => (name, None),
    };
    json!({"address": address, "mode": "managed", "type": kind, "name": name, "index": index, "values": values})
}

fn change(address: &str, actions: &[&str], after_unknown: Value) -> Value {
    json!({"address": address, "change": {"actions": actions, "after_unknown": after_unknown}})
}

#[test]
fn a_new_bucket_and_what_surrounds_it() {
    let plan = json!({
        "format_version": "1.2", "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": [
            resource("aws_s3_bucket.logs", "aws_s3_bucket", json!({"bucket": "logs"})),
            resource("aws_s3_bucket.site", "aws_s3_bucket", json!({"bucket": "site"})),
            resource("aws_s3_bucket_public_access_block.site", "aws_s3_bucket_public_access_block",
                json!({"bucket": "site", "block_public_acls": false, "ignore_public_acls": false, "block_public_policy": true, "restrict_public_buckets": false})),
            resource("aws_s3_bucket_ownership_controls.site", "aws_s3_bucket_ownership_controls",
                json!({"bucket": "site", "rule": [{"object_ownership": "ObjectWriter"}]})),
            resource("aws_s3_bucket_acl.site", "aws_s3_bucket_acl", json!({"bucket": "site", "acl": "public-read"})),
            resource("aws_s3_bucket_policy.site", "aws_s3_bucket_policy",
                json!({"bucket": "site", "policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::site/*\"}]}"})),
        ]}},
        "resource_changes": [
            change("aws_s3_bucket.logs", &["create"], json!({"id": true, "acl": true, "policy": true, "grant": true})),
            change("aws_s3_bucket.site", &["delete", "create"], json!({"id": true, "policy": true})),
            change("aws_s3_bucket_policy.site", &["create"], json!({"id": true})),
        ],
        "prior_state": {"values": {"root_module": {"resources": [
            {"address": "data.aws_caller_identity.me", "mode": "data", "type": "aws_caller_identity", "name": "me", "values": {"account_id": "111122223333"}}]}}}
    });
    assert_eq!(
        read(&plan.to_string()),
        "logs 111122223333: policy=none acl=[] bucket=[AIPR] account=? organization=? ownership=[BucketOwnerEnforced]\n\
         site 111122223333: policy=[1 statements] acl=[AllUsers:READ] bucket=[--P-] account=? organization=? ownership=[ObjectWriter]\n"
    );
}

#[test]
fn unknown_values_are_named_and_references_followed() {
    let plan = json!({
        "format_version": "1.2",
        "planned_values": {"root_module": {
            "resources": [
                resource("aws_s3_bucket.a", "aws_s3_bucket", json!({})),
                resource("aws_s3_bucket_policy.a", "aws_s3_bucket_policy", json!({})),
                resource("aws_s3_bucket.n[\"x\"]", "aws_s3_bucket", json!({"bucket": "n-x"})),
                resource("aws_s3_bucket.n[\"y\"]", "aws_s3_bucket", json!({"bucket": "n-y"})),
                resource("aws_s3_bucket_public_access_block.n[\"y\"]", "aws_s3_bucket_public_access_block",
                    json!({"block_public_acls": true, "ignore_public_acls": true, "block_public_policy": false})),
                resource("aws_s3_bucket_acl.lost", "aws_s3_bucket_acl", json!({"acl": "private"})),
            ],
            "child_modules": [{
                "address": "module.m",
                "resources": [
                    resource("module.m.aws_s3_bucket.this[0]", "aws_s3_bucket", json!({"bucket_prefix": "m"})),
                    resource("module.m.aws_s3_bucket_acl.this", "aws_s3_bucket_acl",
                        json!({"access_control_policy": [{"grant": [{"permission": "READ", "grantee": [{"type": "Group", "uri": "http://acs.amazonaws.com/groups/global/AllUsers", "id": ""}]}], "owner": [{"id": "o"}]}]})),
                ],
                "child_modules": [{"address": "module.m.module.inner", "resources": [
                    resource("module.m.module.inner.aws_s3_bucket_ownership_controls.o", "aws_s3_bucket_ownership_controls",
                        json!({"rule": [{"object_ownership": "BucketOwnerPreferred"}]}))]}]
            }]
        }},
        "resource_changes": [
            change("aws_s3_bucket.a", &["create"], json!({"bucket": true, "policy": true})),
            change("aws_s3_bucket_policy.a", &["create"], json!({"bucket": true, "policy": true})),
            change("aws_s3_bucket.n[\"x\"]", &["create"], json!({})),
            change("aws_s3_bucket.n[\"y\"]", &["create"], json!({})),
            change("aws_s3_bucket_public_access_block.n[\"y\"]", &["create"], json!({"bucket": true, "restrict_public_buckets": true})),
            change("module.m.aws_s3_bucket.this[0]", &["create"], json!({"bucket": true})),
        ],
        "configuration": {"root_module": {
            "resources": [
                {"address": "aws_s3_bucket_policy.a", "type": "aws_s3_bucket_policy", "name": "a",
                 "expressions": {"bucket": {"references": ["aws_s3_bucket.a.id", "aws_s3_bucket.a"]}}},
                {"address": "aws_s3_bucket_public_access_block.n", "type": "aws_s3_bucket_public_access_block", "name": "n",
                 "expressions": {"bucket": {"references": ["each.value.id", "each.value"]}},
                 "for_each_expression": {"references": ["aws_s3_bucket.n"]}},
                {"address": "aws_s3_bucket_acl.lost", "type": "aws_s3_bucket_acl", "name": "lost",
                 "expressions": {"bucket": {"references": ["local.name"]}}},
            ],
            "module_calls": {"m": {"module": {
                "resources": [{"type": "aws_s3_bucket_acl", "name": "this",
                    "expressions": {"bucket": {"references": ["aws_s3_bucket.this[0].id", "aws_s3_bucket.this[0]", "aws_s3_bucket.this"]}}}],
                "module_calls": {"inner": {
                    "expressions": {"name": {"references": ["aws_s3_bucket.this[0].id", "aws_s3_bucket.this[0]", "aws_s3_bucket.this"]}},
                    "module": {"resources": [{"type": "aws_s3_bucket_ownership_controls", "name": "o",
                        "expressions": {"bucket": {"references": ["var.name"]}}}]}}}
            }}}
        }}
    });
    assert_eq!(
        read(&plan.to_string()),
        "aws_s3_bucket.a: policy=later(aws_s3_bucket_policy.a.policy) acl=[] bucket=[AIPR] account=? organization=? ownership=[BucketOwnerEnforced]\n\
         n-x: policy=none acl=[] bucket=[AIPR] account=? organization=? ownership=[BucketOwnerEnforced]\n\
         n-y: policy=none acl=[] bucket=later(aws_s3_bucket_public_access_block.n[\"y\"].restrict_public_buckets) account=? organization=? ownership=[BucketOwnerEnforced]\n\
         module.m.aws_s3_bucket.this[0]: policy=none acl=[AllUsers:READ] bucket=[AIPR] account=? organization=? ownership=[BucketOwnerPreferred]\n\
         aws_s3_bucket_acl.lost: policy=? acl=[] bucket=? account=? organization=? ownership=?\n\
         problem: f:1: bucket aws_s3_bucket_acl.lost: the plan does not tell which bucket aws_s3_bucket_acl.lost belongs to; it is judged alone\n"
    );
}

#[test]
fn an_output_of_a_module_leads_to_its_bucket() {
    let plan = json!({
        "format_version": "1.2",
        "planned_values": {"root_module": {
            "resources": [resource("aws_s3_bucket_acl.a", "aws_s3_bucket_acl", json!({"acl": "public-read-write"}))],
            "child_modules": [
                {"address": "module.s[\"eu\"]", "resources": [resource("module.s[\"eu\"].aws_s3_bucket.b", "aws_s3_bucket", json!({}))]},
                {"address": "module.s[\"us\"]", "resources": [resource("module.s[\"us\"].aws_s3_bucket.b", "aws_s3_bucket", json!({}))]}]
        }},
        "resource_changes": [
            change("module.s[\"eu\"].aws_s3_bucket.b", &["create"], json!({"bucket": true})),
            change("module.s[\"us\"].aws_s3_bucket.b", &["create"], json!({"bucket": true})),
        ],
        "configuration": {"root_module": {
            "resources": [{"type": "aws_s3_bucket_acl", "name": "a",
                "expressions": {"bucket": {"references": ["module.s[\"us\"].id", "module.s[\"us\"]", "module.s"]}}}],
            "module_calls": {"s": {"module": {"outputs": {"id": {"expression": {"references": ["aws_s3_bucket.b.id", "aws_s3_bucket.b"]}}},
                "resources": [{"type": "aws_s3_bucket", "name": "b"}]}}}
        }}
    });
    let out = read(&plan.to_string());
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(lines[0].contains("acl=[] "), "{out}");
    assert!(
        lines[1].contains("acl=[AllUsers:READ,AllUsers:WRITE] "),
        "{out}"
    );
}

#[test]
fn of_an_existing_bucket_the_plan_shows_only_what_it_manages() {
    let plan = json!({
        "format_version": "1.2", "complete": false,
        "planned_values": {"root_module": {"resources": [
            resource("aws_s3_bucket.old", "aws_s3_bucket", json!({
                "bucket": "old", "policy": "{\"Statement\":[]}",
                "grant": [{"id": "o", "type": "CanonicalUser", "permissions": ["FULL_CONTROL"], "uri": ""},
                          {"id": "", "type": "Group", "permissions": ["READ", "WRITE"], "uri": "http://acs.amazonaws.com/groups/global/AllUsers"}]})),
            resource("aws_s3_account_public_access_block.me", "aws_s3_account_public_access_block",
                json!({"block_public_acls": true, "block_public_policy": true, "ignore_public_acls": true, "restrict_public_buckets": true})),
        ]}},
        "resource_changes": [
            change("aws_s3_bucket.old", &["no-op"], json!({})),
            {"address": "aws_s3_bucket_public_access_block.old", "type": "aws_s3_bucket_public_access_block",
             "change": {"actions": ["delete"], "before": {"bucket": "old", "ignore_public_acls": true}}},
            {"address": "aws_s3_bucket_policy.old", "type": "aws_s3_bucket_policy",
             "change": {"actions": ["delete"], "before": {"bucket": "old"}}},
        ]
    });
    assert_eq!(
        read(&plan.to_string()),
        "old: policy=none acl=[o:FULL_CONTROL,AllUsers:READ,AllUsers:WRITE] bucket=none account=[AIPR] organization=? \
         ownership=unread(the bucket exists already and the plan does not show its Object Ownership)\n\
         problem: f: the plan is not complete: what it leaves out was not looked at\n"
    );
}
