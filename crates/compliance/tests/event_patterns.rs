//! Event patterns against the events that the Amazon EventBridge User Guide shows, and what is refused.
//!
//! Each section names the page that its rules come from. The cases are ours.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use compliance::pattern::{EventPattern, RuleSet};
use serde_json::{Value, json};

/// A pattern, events that match it, and events that do not.
fn check(pattern: &str, matching: &[Value], others: &[Value]) {
    let parsed = EventPattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let set = RuleSet::new([((), parsed.clone())]);
    let events = matching.iter().map(|event| (event, true));
    for (event, expected) in events.chain(others.iter().map(|event| (event, false))) {
        let what = if expected {
            "must match"
        } else {
            "must not match"
        };
        assert_eq!(parsed.matches(event), expected, "{pattern} {what} {event}");
        // The fast reading too; it refuses the text of what is not an object.
        let found = set
            .matching(&event.to_string())
            .is_ok_and(|ids| !ids.is_empty());
        assert_eq!(found, expected, "at once: {pattern} {what} {event}");
    }
}

fn refused(pattern: &str) -> String {
    match EventPattern::parse(pattern) {
        Ok(_) => panic!("{pattern} must be refused"),
        Err(error) => error.to_string(),
    }
}

/// "Creating event patterns".
mod structure {
    use super::*;

    #[test]
    fn every_field_has_to_match_and_others_do_not_matter() {
        check(
            r#"{"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"], "detail": {"state": ["terminated"]}}"#,
            &[
                json!({"version": "0", "source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification",
                "detail": {"instance-id": "i-1234567890abcdef0", "state": "terminated"}}),
            ],
            &[
                json!({"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "detail": {"state": "running"}}),
                json!({"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "state": "terminated"}),
                json!({"source": "aws.ec2", "detail": {"state": "terminated"}}),
                json!({}),
                json!(["aws.ec2"]),
            ],
        );
    }

    #[test]
    fn texts_match_character_by_character_and_in_their_case() {
        check(
            r#"{"State": ["Running"]}"#,
            &[json!({"State": "Running"})],
            &[
                json!({"State": "running"}),
                json!({"state": "Running"}),
                json!({"State": "Running "}),
            ],
        );
    }

    #[test]
    fn numbers_match_by_value() {
        for pattern in [r#"{"n": [300]}"#, r#"{"n": [300.0]}"#, r#"{"n": [3.0e2]}"#] {
            check(
                pattern,
                &[
                    json!({"n": 300}),
                    json!({"n": 300.0}),
                    serde_json::from_str(r#"{"n": 3.0e2}"#).unwrap(),
                ],
                &[json!({"n": "300"}), json!({"n": 300.5}), json!({"n": null})],
            );
        }
        check(
            r#"{"account": [111122223333]}"#,
            &[json!({"account": 111_122_223_333_u64})],
            &[json!({"account": 111_122_223_334_u64})],
        );
    }

    #[test]
    fn names_with_dots_are_nested_names() {
        let events = [
            json!({"detail": {"state": {"status": "running"}}}),
            json!({"detail": {"state.status": "running"}}),
            json!({"detail.state": {"status": "running"}}),
        ];
        for pattern in [
            r#"{"detail": {"state.status": ["running"]}}"#,
            r#"{"detail": {"state": {"status": ["running"]}}}"#,
            r#"{"detail.state.status": ["running"]}"#,
        ] {
            check(pattern, &events, &[json!({"detail": {"state": "status"}})]);
        }
        // In one object, the nested spelling counts.
        check(
            r#"{"a": {"b": [1]}}"#,
            &[json!({"a": {"b": 1}, "a.b": 2})],
            &[json!({"a": {"b": 2}, "a.b": 1})],
        );
    }

    #[test]
    fn names_may_be_escaped_or_empty() {
        check(
            r#"{"\u0061": {"": ["x"]}}"#,
            &[json!({"a": {"": "x"}}), json!({"a.": "x"})],
            &[json!({"a": "x"})],
        );
    }
}

/// "Arrays in event patterns"; for array consistency Event Ruler's README, "JSON array matching".
mod arrays {
    use super::*;

    #[test]
    fn one_element_in_common_is_enough() {
        check(
            r#"{"resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-b188560f", "arn:aws:ec2:us-east-1:111122223333:instance/i-b188560f"]}"#,
            &[
                json!({"resources": ["arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:eb56d16b", "arn:aws:ec2:us-east-1:111122223333:instance/i-b188560f"]}),
                json!({"resources": "arn:aws:ec2:us-east-1:123456789012:instance/i-b188560f"}),
                json!({"resources": [["arn:aws:ec2:us-east-1:123456789012:instance/i-b188560f"]]}),
            ],
            &[
                json!({"resources": []}),
                json!({"resources": ["i-b188560f"]}),
                json!({"resources": [{}]}),
            ],
        );
    }

    #[test]
    fn fields_of_one_pattern_match_in_the_same_element() {
        check(
            r#"{"employees": {"firstName": ["Anna"], "lastName": ["Smith"]}}"#,
            &[
                json!({"employees": [{"firstName": "John", "lastName": "Doe"}, {"firstName": "Anna", "lastName": "Smith"}]}),
                json!({"employees": {"firstName": "Anna", "lastName": "Smith"}}),
                json!({"employees": [[{"firstName": "Anna", "lastName": "Smith"}]]}),
            ],
            &[
                json!({"employees": [{"firstName": "Anna", "lastName": "Jones"}, {"firstName": "Peter", "lastName": "Smith"}]}),
                json!({"employees": [[{"firstName": "Anna"}, {"lastName": "Smith"}]]}),
            ],
        );
    }

    #[test]
    fn fields_of_different_arrays_are_independent() {
        check(
            r#"{"a": {"x": [1]}, "b": {"y": [2]}}"#,
            &[json!({"a": [{"x": 0}, {"x": 1}], "b": [{"y": 2}, {"y": 0}]})],
            &[json!({"a": [{"x": 1}], "b": [{"y": 1}, {"x": 2}]})],
        );
        // The inner arrays are different ones, but both elements of the outer one.
        check(
            r#"{"a": {"b": {"x": [1]}, "c": {"y": [2]}}}"#,
            &[json!({"a": [{"b": [{"x": 0}, {"x": 1}], "c": [{"y": 2}]}]})],
            &[json!({"a": [{"b": [{"x": 1}]}, {"c": [{"y": 2}]}]})],
        );
    }

    #[test]
    fn scalars_of_an_array_exclude_nothing() {
        check(
            r#"{"a": ["x"], "a.b": [1]}"#,
            &[
                json!({"a": ["x", {"b": 1}]}),
                json!({"a": [["x", {"b": 1}]]}),
            ],
            &[json!({"a": [["x"], {"b": 1}]})],
        );
    }

    #[test]
    fn a_scalar_beside_the_elements_is_no_absence() {
        let a = |value: Value| [json!({"a": value}), json!({"x": [{"a": value}]})];
        for (pattern, at) in [
            (r#"{"a": [{"exists": false}, 1], "a.b": [2]}"#, 0),
            (r#"{"x": {"a": [{"exists": false}, 1], "a.b": [2]}}"#, 1),
        ] {
            check(
                pattern,
                &[
                    a(json!([[6], {"b": 2}]))[at].clone(),
                    a(json!([1, [6], {"b": 2}]))[at].clone(),
                ],
                &[a(json!([5, [6], {"b": 2}]))[at].clone()],
            );
        }
    }

    #[test]
    fn absence_speaks_of_the_element_that_the_others_chose() {
        let pattern = r#"{"evaluations": {"annotation": [{"exists": false}], "complianceType": ["NON_COMPLIANT"]}}"#;
        check(
            pattern,
            &[
                json!({"evaluations": [{"complianceType": "NON_COMPLIANT"}]}),
                json!({"evaluations": [{"complianceType": "COMPLIANT", "annotation": "a"}, {"complianceType": "NON_COMPLIANT"}]}),
            ],
            &[
                json!({"evaluations": [{"complianceType": "NON_COMPLIANT", "annotation": "a"}, {"complianceType": "COMPLIANT"}]}),
                json!({"evaluations": []}),
            ],
        );
        check(
            r#"{"a": {"b": [{"exists": false}]}}"#,
            &[json!({"a": [{"c": 1}, {}]}), json!({"a": []}), json!({})],
            &[json!({"a": [{"c": 1}, {"b": 1}]})],
        );
        check(
            r#"{"a": {"b": [{"exists": false}, 1], "c": [{"exists": false}, 1]}}"#,
            &[
                json!({"a": [{"b": 1}, {"c": 2}]}),
                json!({"a": [{}]}),
                json!({"a": [{"b": 2}, {"b": 1, "c": 1}]}),
            ],
            &[
                json!({"a": [{"b": 1, "c": 2}, {}]}),
                json!({"a": [{"b": 2}]}),
            ],
        );
    }
}

/// "Null values and empty strings in event patterns".
mod null_and_empty {
    use super::*;

    #[test]
    fn null_empty_and_absent_are_three_things() {
        let (null, empty, absent) = (json!({"a": null}), json!({"a": ""}), json!({"b": 1}));
        check(
            r#"{"a": [null]}"#,
            std::slice::from_ref(&null),
            &[empty.clone(), absent.clone(), json!({"a": []})],
        );
        check(
            r#"{"a": [""]}"#,
            std::slice::from_ref(&empty),
            &[null.clone(), absent.clone()],
        );
        check(
            r#"{"a": [{"exists": false}]}"#,
            std::slice::from_ref(&absent),
            &[null.clone(), empty.clone()],
        );
        check(
            r#"{"a": [{"exists": true}]}"#,
            &[null, empty],
            &[absent, json!({"a": []}), json!({"a": {}})],
        );
    }

    #[test]
    fn booleans_are_no_texts() {
        check(
            r#"{"a": [true]}"#,
            &[json!({"a": true})],
            &[json!({"a": "true"}), json!({"a": false}), json!({"a": 1})],
        );
    }
}

/// "Comparison operators for use in event patterns".
mod operators {
    use super::*;

    #[test]
    fn prefix() {
        check(
            r#"{"time": [{"prefix": "2017-10-02"}]}"#,
            &[
                json!({"time": "2017-10-02T18:43:48Z"}),
                json!({"time": "2017-10-02"}),
            ],
            &[
                json!({"time": "2017-10-03T18:43:48Z"}),
                json!({"time": 2017}),
                json!({"time": null}),
            ],
        );
        check(
            r#"{"service": [{"prefix": {"equals-ignore-case": "EventB"}}]}"#,
            &[
                json!({"service": "EVENTBRIDGE"}),
                json!({"service": "eventbridge"}),
            ],
            &[
                json!({"service": "event"}),
                json!({"service": "myeventbridge"}),
            ],
        );
        check(
            r#"{"a": [{"prefix": ""}]}"#,
            &[json!({"a": ""}), json!({"a": "x"})],
            &[json!({"a": 1}), json!({})],
        );
    }

    #[test]
    fn suffix() {
        check(
            r#"{"FileName": [{"suffix": ".png"}]}"#,
            &[json!({"FileName": "a.png"}), json!({"FileName": ".png"})],
            &[json!({"FileName": "a.PNG"}), json!({"FileName": "png"})],
        );
        check(
            r#"{"FileName": [{"suffix": {"equals-ignore-case": ".PNG"}}]}"#,
            &[json!({"FileName": "a.png"}), json!({"FileName": "a.PnG"})],
            &[json!({"FileName": "a.png.txt"})],
        );
    }

    #[test]
    fn anything_but() {
        check(
            r#"{"detail": {"state": [{"anything-but": "initializing"}]}}"#,
            &[
                json!({"detail": {"state": "running"}}),
                json!({"detail": {"state": null}}),
                json!({"detail": {"state": 1}}),
            ],
            &[
                json!({"detail": {"state": "initializing"}}),
                json!({"detail": {}}),
                json!({}),
            ],
        );
        check(
            r#"{"x-limit": [{"anything-but": 123}]}"#,
            &[json!({"x-limit": 122}), json!({"x-limit": "123"})],
            &[json!({"x-limit": 123}), json!({"x-limit": 123.0})],
        );
        check(
            r#"{"state": [{"anything-but": ["stopped", "overloaded"]}]}"#,
            &[
                json!({"state": "running"}),
                json!({"state": ["stopped", "running"]}),
            ],
            &[
                json!({"state": "stopped"}),
                json!({"state": ["stopped", "overloaded"]}),
                json!({"state": []}),
            ],
        );
        check(
            r#"{"n": [{"anything-but": [100, 200, 300]}]}"#,
            &[json!({"n": 150})],
            &[json!({"n": 200}), json!({"n": 3e2})],
        );
    }

    #[test]
    fn anything_but_with_an_operator() {
        check(
            r#"{"state": [{"anything-but": {"equals-ignore-case": ["initializing", "stopped"]}}]}"#,
            &[json!({"state": "running"}), json!({"state": null})],
            &[
                json!({"state": "INITIALIZING"}),
                json!({"state": "Stopped"}),
                json!({}),
            ],
        );
        check(
            r#"{"state": [{"anything-but": {"prefix": "init"}}]}"#,
            &[json!({"state": "running"}), json!({"state": 5})],
            &[json!({"state": "initializing"})],
        );
        check(
            r#"{"file": [{"anything-but": {"suffix": [".txt", ".rtf"]}}]}"#,
            &[json!({"file": "a.png"})],
            &[json!({"file": "a.txt"}), json!({"file": "b.rtf"})],
        );
        check(
            r#"{"path": [{"anything-but": {"wildcard": "*/lib/*"}}]}"#,
            &[json!({"path": "/usr/bin/a"}), json!({"path": 5})],
            &[json!({"path": "/usr/lib/a"})],
        );
        check(
            r#"{"path": [{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}]}"#,
            &[json!({"path": "/usr/share/a"})],
            &[json!({"path": "/usr/lib/a"}), json!({"path": "/usr/bin/a"})],
        );
    }

    #[test]
    fn numeric() {
        let n = |value: f64| json!({"n": value});
        check(
            r#"{"n": [{"numeric": ["=", 3.018e2]}]}"#,
            &[n(301.8)],
            &[n(301.81), json!({"n": "301.8"})],
        );
        check(
            r#"{"n": [{"numeric": [">", 10, "<=", 20]}]}"#,
            &[n(10.000_001), n(20.0)],
            &[n(10.0), n(20.000_001)],
        );
        check(
            r#"{"n": [{"numeric": [">=", 10, "<", 20]}]}"#,
            &[n(10.0), n(19.999_999)],
            &[n(9.999_999), n(20.0)],
        );
        check(
            r#"{"n": [{"numeric": ["<", 0]}]}"#,
            &[n(-1.0), n(-5e9)],
            &[n(0.0), n(-5.1e9)],
        );
        check(
            r#"{"n": [{"numeric": [">", -5.0e9]}]}"#,
            &[n(5e9)],
            &[n(-5e9), n(5.1e9), json!({"n": null})],
        );
    }

    #[test]
    fn equals_ignore_case() {
        check(
            r#"{"detail-type": [{"equals-ignore-case": "ec2 instance State-change"}]}"#,
            &[json!({"detail-type": "EC2 INSTANCE state-change"})],
            &[
                json!({"detail-type": "EC2 INSTANCE"}),
                json!({"detail-type": 2}),
            ],
        );
    }

    #[test]
    fn wildcard() {
        check(
            r#"{"EventBusArn": [{"wildcard": "arn:aws:events:us-east-1:*:event-bus/*"}]}"#,
            &[json!({"EventBusArn": "arn:aws:events:us-east-1:111122223333:event-bus/my"})],
            &[
                json!({"EventBusArn": "arn:aws:events:us-west-2:111122223333:event-bus/my"}),
                json!({"EventBusArn": null}),
            ],
        );
        check(
            r#"{"a": [{"wildcard": "\\*\\\\*"}]}"#,
            &[json!({"a": r"*\x"})],
            &[json!({"a": "xx"}), json!({"a": "*x"})],
        );
        check(
            r#"{"a": [{"wildcard": ""}]}"#,
            &[json!({"a": ""})],
            &[json!({"a": "x"})],
        );
    }

    #[test]
    fn cidr() {
        check(
            r#"{"ip": [{"cidr": "10.0.0.0/24"}]}"#,
            &[json!({"ip": "10.0.0.255"})],
            &[
                json!({"ip": "10.0.1.0"}),
                json!({"ip": "::1"}),
                json!({"ip": "ten"}),
                json!({"ip": 10}),
            ],
        );
        check(
            r#"{"ip": [{"cidr": "2001:db8:1234:1a00::/56"}]}"#,
            &[json!({"ip": "2001:0db8:1234:1aff::1"})],
            &[
                json!({"ip": "2001:db8:1234:1b00::1"}),
                json!({"ip": "10.0.0.1"}),
            ],
        );
    }

    #[test]
    fn exists_is_about_leaves() {
        check(
            r#"{"detail": {"c-count": [{"exists": false}]}}"#,
            &[
                json!({"detail": {"d-count": 3}}),
                json!({"detail": {"c-count": {"c1": 100}}}),
            ],
            &[json!({"detail": {"c-count": 3}})],
        );
        check(
            r#"{"a": [{"exists": false}, "x"]}"#,
            &[json!({}), json!({"a": "x"})],
            &[json!({"a": "y"})],
        );
    }

    #[test]
    fn or() {
        check(
            r#"{"detail": {"$or": [{"c-count": [{"numeric": [">", 0, "<=", 5]}]}, {"d-count": [{"numeric": ["<", 10]}]}, {"x-limit": [{"numeric": ["=", 3.018e2]}]}]}}"#,
            &[
                json!({"detail": {"c-count": 5}}),
                json!({"detail": {"c-count": 6, "d-count": 9}}),
                json!({"detail": {"x-limit": 301.8}}),
            ],
            &[
                json!({"detail": {"c-count": 6, "d-count": 10}}),
                json!({"c-count": 5}),
            ],
        );
        // Two of them, one with an "and" inside, one nested.
        check(
            r#"{"source": ["s"], "$or": [{"a": [1]}, {"b": [2], "$or": [{"c": [3]}, {"d": [4]}]}], "detail": {"$or": [{"e": [5]}, {"f": [6]}]}}"#,
            &[
                json!({"source": "s", "a": 1, "detail": {"f": 6}}),
                json!({"source": "s", "b": 2, "d": 4, "detail": {"e": 5}}),
            ],
            &[
                json!({"source": "s", "b": 2, "detail": {"e": 5}}),
                json!({"source": "s", "a": 1, "c": 3}),
                json!({"source": "t", "a": 1, "detail": {"f": 6}}),
            ],
        );
    }

    #[test]
    fn a_list_is_an_or() {
        check(
            r#"{"a": [{"prefix": "x"}, {"numeric": [">", 5]}, null, 3]}"#,
            &[
                json!({"a": "xy"}),
                json!({"a": 6}),
                json!({"a": null}),
                json!({"a": 3}),
            ],
            &[json!({"a": "y"}), json!({"a": 4}), json!({})],
        );
    }
}

/// The events that patterns mostly see here: AWS Config's.
mod config {
    use super::*;

    /// The event that CloudTrail makes of Config's PutEvaluations.
    fn put_evaluations(compliance: &str, rule: &str) -> Value {
        json!({"version": "0", "id": "1", "detail-type": "AWS API Call via CloudTrail", "source": "aws.config",
            "account": "111122223333", "time": "2026-01-01T00:00:00Z", "region": "us-east-1", "resources": [],
            "detail": {"eventVersion": "1.08", "eventSource": "config.amazonaws.com", "eventName": "PutEvaluations", "awsRegion": "us-east-1",
                "requestParameters": {"evaluations": [{"complianceResourceType": "AWS::S3::Bucket", "complianceResourceId": "example-bucket",
                    "complianceType": compliance, "annotation": "The S3 bucket policy allows public read access.",
                    "orderingTimestamp": "Jan 1, 2026 12:00:00 AM"}], "resultToken": "t", "testMode": false},
                "additionalEventData": {"managedRuleIdentifier": rule, "configRuleName": "s3-bucket-public-read-prohibited",
                    "configRuleArn": "arn:aws:config:us-east-1:111122223333:config-rule/config-rule-abc123"}}})
    }

    #[test]
    fn the_pattern_that_people_have_for_public_buckets_matches_put_evaluations() {
        check(
            r#"{"source": ["aws.config"], "detail": {"requestParameters": {"evaluations": {"complianceType": ["NON_COMPLIANT"]}},
                "additionalEventData": {"managedRuleIdentifier": ["S3_BUCKET_PUBLIC_READ_PROHIBITED", "S3_BUCKET_PUBLIC_WRITE_PROHIBITED"]}}}"#,
            &[
                put_evaluations("NON_COMPLIANT", "S3_BUCKET_PUBLIC_READ_PROHIBITED"),
                put_evaluations("NON_COMPLIANT", "S3_BUCKET_PUBLIC_WRITE_PROHIBITED"),
            ],
            &[
                put_evaluations("COMPLIANT", "S3_BUCKET_PUBLIC_READ_PROHIBITED"),
                put_evaluations("NON_COMPLIANT", "ENCRYPTED_VOLUMES"),
            ],
        );
    }

    #[test]
    fn a_compliance_change_matches_by_rule_and_result() {
        let change = json!({"version": "0", "id": "1", "detail-type": "Config Rules Compliance Change", "source": "aws.config",
            "detail": {"messageType": "ComplianceChangeNotification", "configRuleName": "s3-bucket-public-read-prohibited",
                "resourceType": "AWS::S3::Bucket", "resourceId": "example-bucket",
                "newEvaluationResult": {"complianceType": "NON_COMPLIANT", "annotation": "The S3 bucket policy allows public read access."}}});
        check(
            r#"{"source": ["aws.config"], "detail-type": ["Config Rules Compliance Change"], "detail": {"messageType": ["ComplianceChangeNotification"],
                "configRuleName": [{"prefix": "s3-bucket-public-"}], "newEvaluationResult": {"complianceType": ["NON_COMPLIANT"]},
                "oldEvaluationResult": {"complianceType": [{"exists": false}, "COMPLIANT"]}}}"#,
            &[change],
            &[],
        );
    }
}

/// What Event Ruler's `JsonRuleCompiler` refuses, and the limits.
mod refusals {
    use super::*;

    #[test]
    fn the_error_names_the_place_and_what_to_do() {
        for (pattern, expected) in [
            (
                r#"{"source": "aws.ec2"}"#,
                r#"$.source: a string stands where a list of values or an object should stand; write ["aws.ec2"]"#,
            ),
            (
                r#"{"detail": {"n": 5}}"#,
                "$.detail.n: a number stands where a list of values or an object should stand; write [5]",
            ),
            (
                r#"["aws.ec2"]"#,
                r#"$: a list stands where an object should stand; write {"source": ["aws.config"]}"#,
            ),
            (
                r#"{"a": []}"#,
                r#"$.a: the list is empty and would match nothing; remove it, or write [{"exists": true}]"#,
            ),
            (
                r#"{"a": {}}"#,
                "$.a: the object is empty and would match nothing; remove it, or name the fields that have to match",
            ),
            (
                r#"{"a": [["b"]]}"#,
                "$.a[0]: a list stands where a value or an operator should stand; write its values into the outer list",
            ),
            (
                r#"{"a": [{"regex": "b"}]}"#,
                "$.a[0].regex: `regex` is no operator here; it takes prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, exists or cidr",
            ),
            (
                r#"{"a": ["x", {"prefix": "b", "suffix": "c"}]}"#,
                "$.a[1]: one operator belongs in an object, not 2; write each in an object of its own",
            ),
            (
                r#"{"a": [1], "a": [2]}"#,
                "$.a: the field `a` is given more than once; list its values in one place",
            ),
            (
                r#"{"a": [{"wildcard": "x**"}]}"#,
                r"$.a[0].wildcard: two `*` in a row; one says the same, and `\*` is a star itself",
            ),
            (
                r#"{"a": [{"numeric": ["=", 5000000001]}]}"#,
                "$.a[0].numeric[1]: 5000000001 cannot be compared; numbers go from -5.0e9 to 5.0e9 with at most 6 decimals",
            ),
            (
                r#"{"a": [{"numeric": [">", 5, "<", 5]}]}"#,
                r#"$.a[0].numeric: this is no range: its bottom must be less than its top; write ["=", 5], ["<", 10] or [">", 0, "<=", 5]"#,
            ),
            (
                r#"{"a": [{"cidr": "10.0.0.0/33"}]}"#,
                "$.a[0].cidr: `10.0.0.0/33` is no address block; write one such as 10.0.0.0/24 or 2001:db8::/32",
            ),
            (
                r#"{"a": [{"anything-but": ["x", 5]}]}"#,
                "$.a[0]['anything-but'][1]: a number stands where a value like those before it should stand; list either strings or numbers; a second operator takes the others",
            ),
            (
                r#"{"$or": [{"a": [1]}]}"#,
                r#"$['$or']: a list of one stands where a list of at least two objects should stand; write {"$or": [{"a": ["x"]}, {"b": ["y"]}]}"#,
            ),
            (
                r#"{"$or": [{"prefix": [1]}, {"b": [1]}]}"#,
                "$['$or'][0].prefix: `prefix` is an operator and cannot name a field inside `$or`; write the field's name, and the operator in its list",
            ),
            (
                "{\n \"a\": [1,]}",
                "$: this is not JSON (line 2, column 10): expected value",
            ),
        ] {
            assert_eq!(refused(pattern), expected);
        }
    }

    #[test]
    fn what_an_operator_does_not_take_is_refused() {
        for pattern in [
            "{}",
            "null",
            r#"{"a": null}"#,
            r#"{"a": [{}]}"#,
            r#"{"a": [{"prefix": 1}]}"#,
            r#"{"a": [{"prefix": ["x"]}]}"#,
            r#"{"a": [{"prefix": {"wildcard": "x"}}]}"#,
            r#"{"a": [{"suffix": null}]}"#,
            r#"{"a": [{"suffix": {"equals-ignore-case": 1}}]}"#,
            r#"{"a": [{"equals-ignore-case": ["x"]}]}"#,
            r#"{"a": [{"exists": "true"}]}"#,
            r#"{"a": [{"wildcard": "x\\y"}]}"#,
            r#"{"a": [{"wildcard": "x\\"}]}"#,
            r#"{"a": [{"wildcard": ["x"]}]}"#,
            r#"{"a": [{"cidr": "10.0.0.0"}]}"#,
            r#"{"a": [{"cidr": 10}]}"#,
            r#"{"a": [{"anything-but": []}]}"#,
            r#"{"a": [{"anything-but": null}]}"#,
            r#"{"a": [{"anything-but": [null]}]}"#,
            r#"{"a": [{"anything-but": [true]}]}"#,
            r#"{"a": [{"anything-but": 0.0000001}]}"#,
            r#"{"a": [{"anything-but": {"prefix": ""}}]}"#,
            r#"{"a": [{"anything-but": {"suffix": [""]}}]}"#,
            r#"{"a": [{"anything-but": {"prefix": []}}]}"#,
            r#"{"a": [{"anything-but": {"prefix": 1}}]}"#,
            r#"{"a": [{"anything-but": {"prefix": {"equals-ignore-case": "x"}}}]}"#,
            r#"{"a": [{"anything-but": {"numeric": ["=", 1]}}]}"#,
            r#"{"a": [{"anything-but": {"wildcard": "**"}}]}"#,
            r#"{"a": [{"anything-but": {"prefix": "x", "suffix": "y"}}]}"#,
            r#"{"a": [{"numeric": 1}]}"#,
            r#"{"a": [{"numeric": []}]}"#,
            r#"{"a": [{"numeric": [">"]}]}"#,
            r#"{"a": [{"numeric": [5]}]}"#,
            r#"{"a": [{"numeric": ["!=", 5]}]}"#,
            r#"{"a": [{"numeric": [">", "5"]}]}"#,
            r#"{"a": [{"numeric": ["<", 5, ">", 0]}]}"#,
            r#"{"a": [{"numeric": ["=", 5, "<", 6]}]}"#,
            r#"{"a": [{"numeric": [">", 5, ">=", 6]}]}"#,
            r#"{"a": [{"numeric": [">", 0, "<", 5, "<", 6]}]}"#,
            r#"{"a": [{"numeric": [">", 0, "<", 1e10]}]}"#,
            r#"{"$or": []}"#,
            r#"{"$or": {"a": [1]}}"#,
            r#"{"$or": [{"a": [1]}, "b"]}"#,
            r#"{"$or": [{"a": [1]}, {}]}"#,
            r#"{"a": [1], "$or": [{"a": [2]}, {"b": [3]}]}"#,
            r#"{"a.b": [1], "a": {"b": [2]}}"#,
            r#"{"a": [1]} {}"#,
            r#"{"a": [01]}"#,
        ] {
            refused(pattern);
        }
    }

    #[test]
    fn a_pattern_is_bounded() {
        let long = format!(r#"{{"a": ["{}"]}}"#, "x".repeat(4096));
        assert_eq!(
            refused(&long),
            "$: 4107 characters, and a pattern has at most 4096; split it into several rules"
        );
        let fits = format!(r#"{{"a": ["{}"]}}"#, "ä".repeat(4096 - 11));
        assert!(EventPattern::parse(&fits).is_ok());

        let deep = format!("{}[1]{}", r#"{"a":"#.repeat(100), "}".repeat(100));
        assert_eq!(
            refused(&deep),
            "$: nested deeper than 64 levels; name the field with dots, or match less of it"
        );
        assert!(EventPattern::parse(&format!(r#"{{"{}": [1]}}"#, "a.".repeat(2000))).is_ok());

        let or = |at: usize| format!(r#"{{"$or":[{{"a{at}":[1]}},{{"b{at}":[1]}}]}}"#);
        let ors = |count: usize| {
            let members: Vec<String> = (0..count)
                .map(|at| format!(r#""x{at}":{}"#, or(at)))
                .collect();
            format!("{{{}}}", members.join(","))
        };
        // 2^9 combinations, and 2^10.
        assert!(EventPattern::parse(&ors(9)).is_ok());
        assert_eq!(
            refused(&ors(10)),
            "$.x9['$or']: `$or` makes more than 1000 combinations; split the pattern into several rules"
        );
        // As many as the length allows are refused without being made.
        refused(&ors(90));
    }

    #[test]
    fn a_value_is_read_as_its_text() {
        let pattern = EventPattern::from_value(&json!({"a": [{"numeric": [">", 0.5]}]})).unwrap();
        assert!(pattern.matches(&json!({"a": 1})));
        assert!(EventPattern::from_value(&json!({"a": 1})).is_err());
    }
}
