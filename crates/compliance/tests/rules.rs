//! What holds for every managed rule, and how rules are configured.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use compliance::item::{BUCKET, ConfigurationItem, ItemStatus, ResourceKey, VOLUME};
use compliance::rules::configured::{CUSTOM_LAMBDA, Frequency, LambdaTarget, RuleConfig, RuleSet};
use compliance::rules::{
    ALL, Annotation, BUILT_IN, ComplianceType, Parameters, RuleEvaluation, Subject, evaluate_one,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

fn item(resource_type: &str) -> ConfigurationItem {
    ConfigurationItem {
        key: ResourceKey {
            account: "111122223333".to_owned(),
            region: "eu-central-1".to_owned(),
            resource_type: resource_type.to_owned(),
            resource_id: "r".to_owned(),
        },
        status: ItemStatus::Ok,
        capture_time: Timestamp::UNIX_EPOCH,
        resource_name: None,
        arn: "arn:aws:s3:::r".to_owned(),
        creation_time: None,
        tags: BTreeMap::new(),
        related_events: Vec::new(),
        relationships: Vec::new(),
        configuration: json!({}),
        supplementary_configuration: Map::new(),
        portcullis: Value::Null,
    }
}

/// A bucket that everybody can list.
fn open() -> ConfigurationItem {
    let mut open = item(BUCKET);
    open.supplementary_configuration = json!({
        "AccessControlList": "{\"grantList\":[{\"grantee\":\"AllUsers\",\"permission\":\"Read\"}],\"owner\":{\"id\":\"o\"}}",
        "BucketPolicy": {"policyText": null},
        "BucketOwnershipControls": null,
    })
    .as_object()
    .unwrap()
    .clone();
    open
}

fn subject(item: &ConfigurationItem) -> Subject<'_> {
    Subject::of(item, item.capture_time)
}

fn configs(toml: &str) -> Vec<RuleConfig> {
    #[derive(serde::Deserialize)]
    struct File {
        rule: Vec<RuleConfig>,
    }
    toml::from_str::<File>(toml).unwrap().rule
}

fn rules(toml: &str) -> RuleSet {
    RuleSet::new(configs(toml)).unwrap()
}

fn refused(toml: &str) -> String {
    RuleSet::new(configs(toml)).unwrap_err().to_string()
}

fn lines(evaluations: &[RuleEvaluation]) -> Vec<String> {
    evaluations
        .iter()
        .map(|one| {
            let why = one.annotation.as_ref().map_or("", Annotation::as_str);
            format!("{}: {} {why}", one.rule_name, one.compliance_type.as_str())
                .trim_end()
                .to_owned()
        })
        .collect()
}

#[test]
fn every_rule_says_what_it_is() {
    let identifiers: BTreeSet<&str> = ALL.iter().map(|rule| rule.identifier()).collect();
    assert_eq!(identifiers.len(), ALL.len());
    for rule in ALL {
        let about = rule.about();
        assert_eq!(
            about.name.replace('-', "_").to_uppercase(),
            about.identifier
        );
        // AWS Config has a page about each of its rules, and none about what is ours.
        let of_config = about.source.ends_with(&format!("/{}.html", about.name));
        assert!(
            of_config || about.detail.starts_with("Portcullis's own"),
            "{}",
            about.source
        );
        assert!(
            about.description.ends_with('.') && about.detail.ends_with('.'),
            "{}",
            about.name
        );
        assert!(
            !about.reads.is_empty() && !about.annotations.is_empty(),
            "{}",
            about.name
        );
        for action in about.reads {
            let (service, name) = action.split_once(':').unwrap();
            assert!(["s3", "iam", "ec2"].contains(&service), "{action}");
            assert!(name.starts_with(char::is_uppercase), "{action}");
        }
        for text in about.annotations {
            assert!(text.chars().count() <= Annotation::MAX, "{text}");
        }
        // Defaults are values that the rule itself takes.
        rule.check(&Parameters::defaults(about)).unwrap();
        let config = format!("[[rule]]\nname = 'r'\nidentifier = '{}'", about.identifier);
        assert_eq!(rules(&config).get("r").unwrap().trigger(), about.trigger);
    }
}

#[test]
fn what_is_gone_or_of_another_type_is_not_applicable() {
    for rule in ALL {
        let parameters = Parameters::defaults(rule.about());
        let types = match rule.about().resource_types {
            [] => &[BUCKET],
            types => types,
        };
        for resource_type in types {
            let last = item(resource_type);
            let mut gone = ConfigurationItem::deleted(&last, last.capture_time);
            for status in [
                ItemStatus::ResourceDeleted,
                ItemStatus::ResourceDeletedNotRecorded,
                ItemStatus::ResourceNotRecorded,
            ] {
                gone.status = status;
                let evaluation = evaluate_one(*rule, &subject(&gone), &parameters);
                assert_eq!(
                    evaluation.compliance_type,
                    ComplianceType::NotApplicable,
                    "{} {status:?}",
                    rule.name()
                );
            }
        }
        if !rule.about().resource_types.is_empty() {
            let other = item("AWS::Lambda::Function");
            let evaluation = evaluate_one(*rule, &subject(&other), &parameters);
            assert_eq!(evaluation.compliance_type, ComplianceType::NotApplicable);
        }
    }
}

/// Nothing at all is known of it: no rule may say that it complies.
#[test]
fn an_empty_item_never_complies() {
    for rule in ALL {
        for resource_type in rule.about().resource_types {
            let empty = item(resource_type);
            let parameters = Parameters::defaults(rule.about());
            let evaluation = evaluate_one(*rule, &subject(&empty), &parameters);
            assert_ne!(
                evaluation.compliance_type,
                ComplianceType::Compliant,
                "{} on {resource_type}",
                rule.name()
            );
        }
    }
}

#[test]
fn the_default_set_is_the_rules_about_public_access() {
    let set = RuleSet::default_set();
    assert_eq!(
        lines(&set.on_change(&subject(&open()))),
        [
            "s3-bucket-public-read-prohibited: NON_COMPLIANT The S3 bucket ACL allows public read access.",
            "s3-bucket-public-write-prohibited: COMPLIANT",
            "s3-object-acl-public-access-prohibited: NOT_APPLICABLE",
        ]
    );
    assert_eq!(set.resource_types(), BTreeSet::from([BUCKET]));
    assert_eq!(
        set.frequencies(),
        BTreeSet::from([Frequency::TwentyFourHours])
    );
    assert_eq!(
        set.periodic(Frequency::TwentyFourHours, &subject(&open()))
            .len(),
        2
    );
    assert_eq!(set.periodic(Frequency::OneHour, &subject(&open())), []);
    assert!(set.reads().contains("s3:GetBucketAcl"));
    assert_eq!(set.iter().count(), BUILT_IN.len());
}

#[test]
fn a_configuration_says_which_rules_with_which_parameters() {
    let set = rules(
        r#"
        [[rule]]
        name = "who-owns-it"
        identifier = "REQUIRED_TAGS"
        parameters = { tag1Key = "team", tag1Value = ["web", "ops"] }
        resource-types = ["AWS::S3::Bucket", "AWS::EC2::Volume"]

        [[rule]]
        name = "logs"
        source = "managed"
        identifier = "S3_BUCKET_LOGGING_ENABLED"
        tag-key = "team"
        tag-value = "web"

        [[rule]]
        name = "root"
        identifier = "ROOT_ACCOUNT_MFA_ENABLED"
        frequency = "6h"

        [[rule]]
        name = "off"
        identifier = "S3_BUCKET_VERSIONING_ENABLED"
        parameters = { isMfaDeleteEnabled = true }
        enabled = false
        "#,
    );
    let mut bucket = open();
    assert_eq!(
        lines(&set.on_change(&subject(&bucket))),
        [
            "who-owns-it: NON_COMPLIANT Tags are missing: team.",
            "logs: NOT_APPLICABLE",
        ]
    );
    bucket.tags.insert("team".to_owned(), "web".to_owned());
    assert_eq!(
        lines(&set.on_change(&subject(&bucket))),
        [
            "who-owns-it: COMPLIANT",
            "logs: INSUFFICIENT_DATA Not decided: logging was not read (the configuration item does \
             not show BucketLoggingConfiguration; s3:GetBucketLogging reads it)",
        ]
    );
    bucket.tags.insert("team".to_owned(), "ops".to_owned());
    assert_eq!(
        lines(&set.on_change(&subject(&bucket)))[1],
        "logs: NOT_APPLICABLE"
    );
    // Whether the bucket has the tag, nobody knows.
    bucket.tags.clear();
    bucket.portcullis = json!({"unread": {"BucketTaggingConfiguration": {"reason": "accessDenied", "action": "s3:GetBucketTagging"}}});
    let unread =
        "Not decided: the tags were not read (access denied: s3:GetBucketTagging is missing)";
    assert_eq!(
        lines(&set.on_change(&subject(&bucket))),
        [
            format!("who-owns-it: INSUFFICIENT_DATA {unread}"),
            format!("logs: INSUFFICIENT_DATA {unread}"),
        ]
    );

    assert_eq!(lines(&set.on_change(&subject(&item(VOLUME)))).len(), 1);
    assert_eq!(set.on_change(&subject(&item("AWS::::Account"))), []);
    let root = set.periodic(Frequency::SixHours, &subject(&item("AWS::::Account")));
    assert_eq!(root.len(), 1);
    assert_eq!(root[0].identifier, "ROOT_ACCOUNT_MFA_ENABLED");
    assert_eq!(set.frequencies(), BTreeSet::from([Frequency::SixHours]));
    assert_eq!(set.evaluate(&subject(&open())).len(), 2);
    let off = set.get("off").unwrap();
    assert!(!off.is_enabled() && off.evaluate(&subject(&open())).is_some());
    assert!(!set.reads().contains("s3:GetBucketVersioning"));
}

#[test]
fn what_cannot_be_evaluated_is_refused_with_the_rule_and_what_is_allowed() {
    for (toml, expected) in [
        (
            "identifier = 'REQUIRED_TAG'",
            "\"REQUIRED_TAG\" is none of the managed rules: S3_BUCKET_PUBLIC_READ_PROHIBITED",
        ),
        (
            "",
            "needs an `identifier`, one of S3_BUCKET_PUBLIC_READ_PROHIBITED",
        ),
        (
            "identifier = 'S3_BUCKET_LOGGING_ENABLED'\nparameters = {bucket = 'x'}",
            "\"bucket\" is not a parameter of S3_BUCKET_LOGGING_ENABLED; it has targetBucket, targetPrefix",
        ),
        (
            "identifier = 'S3_BUCKET_PUBLIC_READ_PROHIBITED'\nparameters = {x = 1}",
            "it has none",
        ),
        (
            "identifier = 'S3_BUCKET_VERSIONING_ENABLED'\nparameters = {isMfaDeleteEnabled = 'yes'}",
            "parameter `isMfaDeleteEnabled` is \"yes\", but must be true or false",
        ),
        (
            "identifier = 'ENCRYPTED_VOLUMES'\nparameters = {kmsId = 'a,,b'}",
            "parameter `kmsId` is \"a,,b\", but must be texts with commas between them, none empty",
        ),
        (
            "identifier = 'REQUIRED_TAGS'\nparameters = {tag2Value = 'x'}",
            "`tag2Value` needs `tag2Key`",
        ),
        (
            "identifier = 'REQUIRED_TAGS'\nresource-types = ['Bucket']",
            "\"Bucket\" is not a resource type",
        ),
        (
            "identifier = 'ENCRYPTED_VOLUMES'\nresource-types = ['AWS::S3::Bucket']",
            "ENCRYPTED_VOLUMES is not about AWS::S3::Bucket, only about AWS::EC2::Volume",
        ),
        (
            "identifier = 'REQUIRED_TAGS'\ntag-value = 'x'",
            "`tag-value` needs a `tag-key`",
        ),
        (
            "identifier = 'REQUIRED_TAGS'\nfrequency = '1h'",
            "leave out `frequency`",
        ),
        (
            "identifier = 'REQUIRED_TAGS'\nguard = 'rule x { }'",
            "`guard` does not belong to a rule with source = \"managed\"",
        ),
        (
            "source = 'lambda'\nidentifier = 'REQUIRED_TAGS'",
            "`identifier` does not belong",
        ),
        ("source = 'lambda'", "needs `lambda`"),
        (
            "source = 'lambda'\nlambda = 'arn:aws:s3:::x'",
            "`lambda` is neither the ARN of a function",
        ),
        (
            "source = 'guard'",
            "needs `guard` (the rule's text) or `guard-file`",
        ),
        (
            "source = 'guard'\nguard-file = 'a.guard'",
            "the file \"a.guard\" was not read",
        ),
        (
            "source = 'guard'\nguard = ''\nfrequency = '1h'",
            "leave out `frequency`",
        ),
        (
            "source = 'guard'\nguard = ''\nparameters = {x = 1}",
            "it has none",
        ),
    ] {
        let message = refused(&format!("[[rule]]\nname = 'mine'\n{toml}"));
        assert!(message.starts_with("rule \"mine\": "), "{message}");
        assert!(message.contains(expected), "{toml}: {message}");
    }
    let twice = "[[rule]]\nname = 'a'\nidentifier = 'REQUIRED_TAGS'\n".repeat(2);
    assert_eq!(refused(&twice), "rule \"a\": two rules have this name");
    for name in ["", " ", &"x".repeat(129)] {
        let message = refused(&format!(
            "[[rule]]\nname = '{name}'\nidentifier = 'REQUIRED_TAGS'"
        ));
        assert!(message.contains("1 to 128 characters"), "{message}");
    }
}

#[test]
fn a_member_that_nobody_knows_is_refused() {
    let wrong =
        toml::from_str::<RuleConfig>("name = 'a'\nidentifer = 'REQUIRED_TAGS'").unwrap_err();
    assert!(wrong.to_string().contains("identifer"), "{wrong}");
}

#[test]
fn lambda_functions_are_called_for_what_they_are_about() {
    let set = rules(
        r#"
        [[rule]]
        name = "changes"
        source = "lambda"
        lambda = "arn:aws:lambda:eu-central-1:111122223333:function:check:live"
        tag-key = "team"

        [[rule]]
        name = "both"
        source = "lambda"
        lambda = "https://rules.example.com/check"
        resource-types = ["AWS::EC2::Volume"]
        frequency = "Three_Hours"
        parameters = { limit = 30, strict = true }

        [[rule]]
        name = "clock"
        source = "lambda"
        lambda = "http://127.0.0.1:9000/check"
        frequency = "1h"
        "#,
    );
    let names = |calls: &[compliance::rules::configured::LambdaCall<'_>]| {
        calls
            .iter()
            .map(|call| (call.rule.name().to_owned(), call.left_scope))
            .collect::<Vec<_>>()
    };
    let plain = open();
    let mut tagged = open();
    tagged.tags.insert("team".to_owned(), "web".to_owned());
    assert_eq!(names(&set.lambdas_on_change(&subject(&plain))), []);
    let inside = [("changes".to_owned(), false)];
    assert_eq!(names(&set.lambdas_on_change(&subject(&tagged))), inside);
    // The tag was taken away, or the bucket is gone: the function is told so.
    let left = [("changes".to_owned(), true)];
    let gone = ConfigurationItem::deleted(&tagged, tagged.capture_time);
    for now in [&plain, &gone] {
        let left_scope = Subject {
            previous: Some(&tagged),
            ..subject(now)
        };
        assert_eq!(names(&set.lambdas_on_change(&left_scope)), left);
    }
    assert_eq!(
        names(&set.lambdas_on_change(&subject(&item(VOLUME)))),
        [("both".to_owned(), false)]
    );
    assert_eq!(
        names(&set.lambdas_periodic(Frequency::ThreeHours)),
        [("both".to_owned(), false)]
    );
    assert_eq!(
        names(&set.lambdas_periodic(Frequency::OneHour)),
        [("clock".to_owned(), false)]
    );
    let both = set.get("both").unwrap();
    assert_eq!(both.identifier(), CUSTOM_LAMBDA);
    assert_eq!(both.frequency(), Some(Frequency::ThreeHours));
    let lambda = both.lambda().unwrap();
    assert_eq!(
        lambda.parameters,
        BTreeMap::from([
            ("limit".to_owned(), "30".to_owned()),
            ("strict".to_owned(), "true".to_owned())
        ])
    );
    assert_eq!(
        set.evaluate(&subject(&tagged)),
        [],
        "nothing is evaluated here"
    );
}

#[test]
fn a_function_is_named_by_an_arn_or_a_safe_url() {
    for good in [
        "arn:aws:lambda:us-east-1:111122223333:function:check",
        "arn:aws-cn:lambda:cn-north-1:111122223333:function:check:7",
        "https://example.com",
        "https://example.com:8443/a?b=c",
        "http://localhost:9000/",
        "http://[::1]:9000/x",
    ] {
        assert!(LambdaTarget::parse(good).is_some(), "{good}");
    }
    for bad in [
        "",
        "check",
        "arn:aws:lambda:us-east-1:111122223333:layer:check",
        "arn:aws:lambda:::function:check",
        "http://example.com/",
        "http://localhost.example.com/",
        "http://127.0.0.1@example.com/",
        "https://user:secret@example.com/",
        "https://exa mple.com",
        "https://",
        "ftp://example.com",
    ] {
        assert_eq!(LambdaTarget::parse(bad), None, "{bad}");
    }
}

#[test]
fn the_reference_page_is_fresh() {
    let written = include_str!("../../../docs/rules.md");
    assert!(
        compliance::rules::reference::page() == written,
        "docs/rules.md is out of date: run `cargo xtask docs`"
    );
}

#[test]
fn the_examples_on_the_reference_page_are_rules() {
    let page = compliance::rules::reference::page();
    let examples: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        if cfg!(feature = "guard-rules") || !example.contains("guard = ") {
            rules(example);
        } else {
            assert!(refused(example).contains("built without Guard rules"));
        }
    }
}

/// Consumers compare the annotation literally, or look for the four texts in it.
#[test]
fn annotations_serve_both_kinds_of_consumers() {
    const TEXTS: [&str; 4] = [
        "The S3 bucket ACL allows public read access.",
        "The S3 bucket policy allows public read access.",
        "The S3 bucket ACL allows public write access.",
        "The S3 bucket policy allows public write access.",
    ];
    let policy = |action: &str| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
            "Action": action, "Resource": "arn:aws:s3:::r/*"}]})
        .to_string()
    };
    let both_classes = ["s3:GetObject", "s3:PutObject"];
    for (class, permission) in ["Read", "Write"].iter().enumerate() {
        let acl = |public: bool| {
            let grants = if public {
                json!([{"grantee": "AllUsers", "permission": permission}])
            } else {
                json!([])
            };
            json!({"grantList": grants, "owner": {"id": "o"}}).to_string()
        };
        for (public_acl, public_policy) in [(true, false), (false, true), (true, true)] {
            let mut bucket = open();
            let parts = &mut bucket.supplementary_configuration;
            parts.insert("AccessControlList".to_owned(), json!(acl(public_acl)));
            let text = public_policy.then(|| policy(both_classes[class]));
            parts.insert("BucketPolicy".to_owned(), json!({"policyText": text}));
            let evaluations = RuleSet::default_set().on_change(&subject(&bucket));
            let annotation = evaluations[class].annotation.as_ref().unwrap().as_str();
            let (acl_text, policy_text) = (TEXTS[2 * class], TEXTS[2 * class + 1]);
            // The literal consumer of the published set-up: one text, or both without a separator.
            let literal = match (public_acl, public_policy) {
                (true, false) => acl_text.to_owned(),
                (false, true) => policy_text.to_owned(),
                _ => format!("{acl_text}{policy_text}"),
            };
            assert_eq!(annotation, literal);
            // The consumer by containment sees each cause, and no other.
            let seen = TEXTS.map(|text| annotation.contains(text));
            let mut expected = [false; 4];
            expected[2 * class] = public_acl;
            expected[2 * class + 1] = public_policy;
            assert_eq!(seen, expected);
            assert_eq!(evaluations[1 - class].annotation, None);
        }
    }
}
