//! The file as people write it: what is taken, what is refused in which words, and what it becomes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use compliance::exceptions::Exceptions;
use compliance::notice::{NoticeKind, Severity};
use guard::event_rules::RuleTarget;
use guard::watch::Settings;
use serde_json::json;

use super::*;

/// The smallest useful file.
const SMALL: &str = r#"account = [{ id = "111122223333", profile = "audit" }]
mail = { server = "smtp.example.com", from = "portcullis@example.com" }
subscription = [{ protocol = "email", endpoint = "security@example.com", confirmed = true }]
"#;

fn said(text: &str) -> Vec<String> {
    let found = read(text, |_| Vec::new());
    found
        .problems
        .iter()
        .map(|problem| problem.render("f.toml"))
        .collect()
}

fn config(text: &str) -> Config {
    let found = read(text, |_| Vec::new());
    let said: Vec<_> = found.problems.iter().map(|p| p.render("f.toml")).collect();
    found.config.unwrap_or_else(|| panic!("{said:#?}"))
}

fn settings_of(config: &Config) -> Settings {
    let read = |secret: &SecretRef| Ok(format!("https://secret.example/{secret}"));
    settings::settings(
        config,
        rule::rules(config).unwrap(),
        Exceptions::default(),
        &read,
    )
    .unwrap()
}

#[test]
fn three_lines_are_enough_and_change_nothing() {
    let config = config(SMALL);
    let settings = settings_of(&config);
    assert_eq!(settings.subscriptions.len(), 1);
    assert_eq!(settings.subscriptions[0].topic, "default");
    assert!(settings.subscriptions[0].confirmed);
    assert!(settings.responder.scopes.is_empty());
    assert!(settings.recorder.records_bucket("any"));
    let rules = settings.event_rules.rules();
    let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["tell", "respond"]);
    assert_eq!(rules[0].targets, [RuleTarget::Topic("default".to_owned())]);
    assert_eq!(rules[1].targets, [RuleTarget::Responder]);
    // And is told that it waits for sweeps.
    let warnings = said(SMALL);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("found by sweeps alone, every 15m"));
}

#[test]
fn an_account_can_have_intervals_and_a_rate_of_its_own() {
    let text = SMALL.replace(
        "account = [{ id = \"111122223333\", profile = \"audit\" }]",
        "account = [{ id = \"111122223333\", profile = \"audit\" },
           { id = \"444455556666\", profile = \"archive\", sweep-interval = \"6h\",
             record-interval = \"7d\", calls-per-second = 5 }]",
    );
    let config = config(&format!(
        "{text}[recorder]\nsweep-interval = \"5m\"\ncalls-per-second = 50\n"
    ));
    let settings = settings_of(&config);
    let minutes = jiff::SignedDuration::from_mins;
    assert_eq!(settings.sweep_every("111122223333"), minutes(5));
    assert_eq!(settings.sweep_every("444455556666"), minutes(6 * 60));
    assert_eq!(settings.record_every("111122223333"), minutes(24 * 60));
    assert_eq!(settings.record_every("444455556666"), minutes(7 * 24 * 60));
    let rates = config.account.iter();
    let rates: Vec<_> = rates
        .map(|own| own.calls_per_second(&config.recorder))
        .collect();
    assert_eq!(rates, [Some(50), Some(5)]);
    let wrong = text.replace("6h", "1s");
    let said = said(&wrong);
    let part = "account[1].sweep-interval: less than 10 seconds";
    assert!(said.iter().any(|line| line.contains(part)), "{said:#?}");
}

#[test]
fn an_intake_can_be_behind_proxies_and_have_its_keys_elsewhere() {
    let intake = |more: &str| {
        format!("{SMALL}[intake]\nlisten = \"0.0.0.0:9465\"\napi-keys = [\"env:KEY\"]\n{more}")
    };
    let open = said(&intake(""));
    assert!(
        open.iter().any(|line| line.contains("travel in clear")),
        "{open:#?}"
    );
    let good = intake(
        "proxies = [\"10.0.0.0/24\", \"2001:db8::7\"]\napi-key-header = \"X-Portcullis-Key\"\n",
    );
    let own = config(&good).intake.unwrap();
    assert_eq!(own.proxies.len(), 2);
    for (more, part) in [
        (
            "proxies = [\"proxy.example.com\"]\n",
            "neither an address nor a network",
        ),
        ("proxies = [\"0.0.0.0/0\"]\n", "this is everybody"),
        (
            "proxies = [\"10.0.0.7\"]\napi-key-header = \"a b\"\n",
            "no header",
        ),
        (
            "proxies = [\"10.0.0.7\"]\napi-key-header = \"Host\"\n",
            "no header",
        ),
    ] {
        let said = said(&intake(more));
        assert!(
            said.iter().any(|line| line.contains(part)),
            "{part}: {said:#?}"
        );
    }
}

#[test]
fn reminders_are_as_configured() {
    let usual = settings_of(&config(SMALL)).reminders;
    assert_eq!(usual.topics, ["default"]);
    let days = |days: i64| jiff::SignedDuration::from_hours(days * 24);
    assert_eq!(usual.exceptions_end, [days(14), days(3), days(1)]);
    assert_eq!((usual.silent_after, usual.sweeps_missed), (None, 3));
    let own = "[[topic]]\nname = \"owners\"\n[reminders]\nexceptions-end = [\"30d\"]\n\
               topics = [\"owners\"]\nsilent-after = \"2d\"\nsweeps-missed = 1\n";
    let own = settings_of(&config(&format!("{SMALL}{own}"))).reminders;
    assert_eq!(own.topics, ["owners"]);
    assert_eq!(own.exceptions_end, [days(30)]);
    assert_eq!((own.silent_after, own.sweeps_missed), (Some(days(2)), 1));
    let wrong = "[reminders]\ntopics = [\"owner\"]\nexceptions-end = [\"0s\"]\n\
                 silent-after = \"1m\"\nsweeps-missed = 0\n";
    let said = said(&format!("{SMALL}{wrong}"));
    for part in [
        "there is no topic \"owner\"",
        "reminders.exceptions-end[0]",
        "give 5m or more",
        "give 1 or more",
    ] {
        assert!(
            said.iter().any(|line| line.contains(part)),
            "{part}: {said:#?}"
        );
    }
}

#[test]
fn the_built_in_rules_match_what_they_are_for() {
    let config = config(SMALL);
    let rules = settings::event_rules(&config).unwrap();
    let change = |compliance: &str| {
        json!({"source": "aws.config", "detail-type": "Config Rules Compliance Change",
               "detail": {"newEvaluationResult": {"complianceType": compliance}}})
    };
    let reported = |compliance: &str, identifier: &str| {
        json!({"source": "aws.config", "detail-type": "AWS API Call via CloudTrail",
               "detail": {"requestParameters": {"evaluations": [{"complianceType": compliance}]},
                          "additionalEventData": {"managedRuleIdentifier": identifier}}})
    };
    let matching = |event: &serde_json::Value| -> Vec<String> {
        let matching = rules
            .rules()
            .iter()
            .filter(|rule| rule.pattern.matches(event));
        matching.map(|rule| rule.name.clone()).collect()
    };
    assert_eq!(matching(&change("NON_COMPLIANT")), ["tell"]);
    assert_eq!(matching(&change("INSUFFICIENT_DATA")), ["tell"]);
    assert!(matching(&change("COMPLIANT")).is_empty());
    let read = "S3_BUCKET_PUBLIC_READ_PROHIBITED";
    assert_eq!(matching(&reported("NON_COMPLIANT", read)), ["respond"]);
    let objects = "S3_OBJECT_ACL_PUBLIC_ACCESS_PROHIBITED";
    assert_eq!(matching(&reported("NON_COMPLIANT", objects)), ["respond"]);
    assert!(matching(&reported("INSUFFICIENT_DATA", read)).is_empty());
    assert!(matching(&reported("NON_COMPLIANT", "REQUIRED_TAGS")).is_empty());
}

#[test]
fn the_example_is_in_order_and_fits_the_schema() {
    let config = config(EXAMPLE);
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document = as_json(toml::from_str::<toml::Value>(EXAMPLE).unwrap());
    let errors: Vec<_> = validator
        .iter_errors(&document)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    // The schema refuses what the program refuses.
    for (pointer, wrong) in [
        ("/account/0/label", json!(5)),
        ("/account/0/calls-per-second", json!(0)),
        ("/subscription/0/protocol", json!("emial")),
        ("/mail/password", json!("hunter2")),
        ("/store/keep", json!("forever")),
        ("/enforcement/breaker/share", json!(1.5)),
        ("/exception/0/fingerprint", json!("sha256:12")),
    ] {
        let mut document = document.clone();
        *document.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&document), "{pointer}");
    }
    let mut document = document;
    document["account"][0]["labell"] = json!("x");
    assert!(!validator.is_valid(&document));

    let settings = settings_of(&config);
    // The second scope names the account by its label; the guard knows ids.
    let production = &settings.responder.scopes[1];
    assert!(
        production
            .accounts
            .iter()
            .any(|pattern| pattern.matches("111122223333"))
    );
    assert!(
        !production
            .accounts
            .iter()
            .any(|pattern| pattern.matches("archive"))
    );
    assert_eq!(
        settings.responder.scopes[2].tag,
        Some(("data-class".to_owned(), Some("internal".to_owned())))
    );
    assert!(!settings.recorder.records_bucket("scratch-7"));
    let chat = &settings.subscriptions[1];
    assert_eq!(
        chat.endpoint.expose(),
        "https://secret.example/file:/etc/portcullis/slack.url"
    );
    assert_eq!(chat.filter.severity, Some(Severity::High));
    // `tell` replaces the built-in rule and keeps its pattern.
    let names: Vec<_> = settings
        .event_rules
        .rules()
        .iter()
        .map(|r| r.name.as_str())
        .collect();
    assert_eq!(names, ["respond", "tell", "production-to-siem"]);
}

fn as_json(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::Table(table) => table
            .into_iter()
            .map(|(key, value)| (key, as_json(value)))
            .collect(),
        toml::Value::Array(array) => array.into_iter().map(as_json).collect(),
        toml::Value::Datetime(moment) => moment.to_string().into(),
        other => serde_json::to_value(other).unwrap(),
    }
}

/// What is said about the small file with some lines more. The lines begin at line 4.
#[track_caller]
fn expect(more: &str, wanted: &[&str]) {
    let text = format!("{SMALL}{more}");
    let said = said(&text);
    for wanted in wanted {
        assert!(
            said.iter().any(|problem| problem.contains(wanted)),
            "{wanted}\nis not in {said:#?}"
        );
    }
}

#[test]
fn errors_say_where_what_and_what_to_do() {
    let text = "account = [{ id = \"111122223333\", labell = \"x\" }]";
    assert_eq!(
        said(text),
        [
            "error: f.toml:1:35: account[0].labell: unknown field `labell`, expected one of `id`, \
          `label`, `profile`, `role-arn`, `external-id`, `enforcement-role-arn`, `endpoint-url`, \
          `access-key-id`, `secret-access-key`, `session-token`, `region`, `volume-regions`, \
          `calls-per-second`, `call-timeout`, `call-attempts`, `sweep-interval`, `record-interval`\n  \
          hint: did you mean `label`?"
        ]
    );
    assert_eq!(
        said("account = ["),
        ["error: f.toml:1:12: unclosed array, expected `]`"]
    );
    assert_eq!(said(""), ["error: f.toml:1:1: missing field `account`"]);
    expect(
        "[[event-rule]]\nname = \"x\"\ntargets = [\"topic:defualt\"]\npattern = { source = [\"aws.config\"] }\n",
        &[
            "error: f.toml:6:12: event-rule[0].targets[0]: there is no target \"topic:defualt\"\n  \
           hint: did you mean `topic:default`?",
        ],
    );
    expect(
        "[[event-rule]]\nname = \"x\"\ntargets = [\"responder\"]\npattern = { source = \"aws.config\" }\n",
        &[
            "error: f.toml:7:1: event-rule[0].pattern: not an event pattern: $.source: a string stands",
        ],
    );
    expect(
        "[log]\nlevel = \"inof\"\n",
        &["log.level: unknown variant `inof`", "did you mean `info`?"],
    );
    expect("[recorder]\nparts = [\"tag\"]\n", &["did you mean `tags`?"]);
}

#[test]
fn names_are_known_and_unique() {
    expect(
        "[[source]]\nname = \"q\"\nkind = \"sqs\"\n",
        &["source[0]: kind = \"sqs\" needs `queue-url`"],
    );
    expect(
        "[[source]]\nname = \"q\"\nkind = \"sqs\"\nqueue-url = \"https://q\"\nsocket = \"/x\"\naccount = \"prod\"\n",
        &[
            "source[0].socket: `socket` does not belong to kind = \"sqs\", only to ops-log",
            "source[0].account: there is no account \"prod\"",
        ],
    );
    expect(
        "[[topic]]\nname = \"a\"\n[[topic]]\nname = \"a\"\n",
        &["f.toml:7:1: topic[1].name: a topic is called \"a\" already, at topic[0].name"],
    );
    expect(
        "[escalation]\nsteps = [{ after = \"1h\", topics = [\"boss\"] }]\n",
        &["f.toml:5:36: escalation.steps[0].topics[0]: there is no topic \"boss\""],
    );
    expect(
        "[[target]]\nname = \"responder\"\nkind = \"event-bus\"\n",
        &["means something else"],
    );
    expect(
        "[[target]]\nname = \"x\"\nkind = \"event-bus\"\n",
        &["no event rule sends anything to \"x\""],
    );
    let twice = format!(
        "{SMALL}\n[[exception]]\nid = \"e\"\nbucket = \"b\"\nowner = \"o\"\nreason = \"r\"\nexpires = 2030-01-01\nfingerprint = \"sha256:{}\"\n",
        "0".repeat(64)
    );
    assert_eq!(said(&twice).len(), 1, "{:#?}", said(&twice));
    let exception = twice.strip_prefix(SMALL).unwrap();
    expect(
        &format!("{exception}{exception}"),
        &["exception[1].id: exception \"e\": id stands there twice"],
    );
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    for (text, path) in [
        (
            "store = { url = \"postgres://u:hunter2@h/d\" }\n",
            "store.url",
        ),
        (
            "server = { token-secret = \"hunter2\" }\n",
            "server.token-secret",
        ),
        (
            "intake = { listen = \"127.0.0.1:1\", api-keys = [\"hunter2\"] }\n",
            "intake.api-keys[0]",
        ),
        ("server = \"hunter2\"\n", "server"),
    ] {
        let said = said(&format!("{SMALL}{text}"));
        assert!(
            said.iter()
                .any(|problem| problem.contains(&format!(": {path}: "))),
            "{said:#?}"
        );
        assert!(
            !said.iter().any(|problem| problem.contains("hunter2")),
            "{said:#?}"
        );
    }
    let slack = "account = [{ id = \"111122223333\" }]\n\
                 subscription = [{ protocol = \"slack\", endpoint = \"https://hooks.slack.com/hunter2\" }]\n";
    let said = said(slack);
    assert!(
        said[0].contains("subscription[0].endpoint: whoever has this address"),
        "{said:#?}"
    );
    assert!(!said.iter().any(|problem| problem.contains("hunter2")));
}

#[test]
fn a_scope_that_never_covers_anything_is_an_error() {
    expect(
        "[[enforcement.scope]]\nname = \"p\"\nenabled = true\naccounts = [\"prod\"]\n",
        &[
            "error: f.toml:7:13: enforcement.scope[0].accounts[0]: no account that is watched is called \"prod\"",
        ],
    );
    expect(
        "[[enforcement.scope]]\nname = \"all\"\nenabled = true\n[[enforcement.scope]]\nname = \"www\"\nbuckets = [\"www-*\"]\nenabled = false\n",
        &[
            "error: f.toml:7:1: enforcement.scope[1]: every bucket that it covers is covered by \"all\"",
        ],
    );
    expect(
        "[recorder]\nexclude-buckets = [\"www-*\"]\n[[enforcement.scope]]\nname = \"www\"\nbuckets = [\"www-a\"]\nenabled = true\n",
        &["the recorder leaves out \"www-a\""],
    );
    // Handed to the guard all the same, such a scope must not become one for all accounts.
    let mut config = config(&format!(
        "{SMALL}[[enforcement.scope]]\nname = \"p\"\nenabled = true\naccounts = [\"1111*\"]\n"
    ));
    config.account[0].id = "222233334444".to_owned();
    let scope = &settings::responder(&config).scopes[0];
    assert!(!scope.accounts.is_empty());
    assert!(
        !scope
            .accounts
            .iter()
            .any(|pattern| pattern.matches("222233334444"))
    );
}

#[test]
fn risks_are_told() {
    expect(
        "allow-tag-exceptions = true\n[[enforcement.scope]]\nname = \"all\"\nenabled = true\npolicy = \"remove-statement\"\nacl = \"private\"\n",
        &[
            "warning: f.toml:4:1: allow-tag-exceptions: whoever may tag a bucket",
            "warning: f.toml:8:1: enforcement.scope[0].policy: statements are removed from the policies of every bucket",
            "enforcement.scope[0].acl: grants to other accounts",
        ],
    );
    expect(
        "[server]\nlisten = \"0.0.0.0:9464\"\n",
        &["warning: f.toml:5:1: server.listen: others can connect"],
    );
    expect(
        "[intake]\nlisten = \"0.0.0.0:9465\"\napi-keys = [\"env:K\"]\n",
        &["error: f.toml:5:1: intake.listen: others can connect to this address, and API keys"],
    );
}

#[test]
fn links_need_somebody_who_serves_them() {
    expect(
        "[server]\nbase-url = \"https://p.example.com\"\n",
        &[
            "error: f.toml:5:1: server.base-url: links in mails are signed, which needs a `token-secret`",
            "warning: f.toml:5:1: server.base-url: nothing serves the links",
        ],
    );
    expect(
        "[intake]\nlisten = \"127.0.0.1:1\"\n",
        &["error: f.toml:4:2: intake: nobody could send"],
    );
    let links = "[server]\nbase-url = \"https://p.example.com\"\ntoken-secret = \"env:T\"\n\
                 [intake]\nlisten = \"127.0.0.1:1\"\n";
    assert_eq!(said(&format!("{SMALL}{links}")), Vec::<String>::new());
}

#[test]
fn mail_needs_a_server_that_keeps_it_private() {
    let text = "account = [{ id = \"111122223333\" }]\n\
                subscription = [{ protocol = \"email\", endpoint = \"security@example.com\" }]\n";
    assert!(said(text)[0].contains("subscription[0]: a mail needs a server that takes it"));
    let clear = SMALL.replace("from =", "security = \"none\", from =");
    assert!(said(&clear)[0].contains("mail.security: notices must not travel in clear"));
    let here = clear.replace("smtp.example.com", "127.0.0.1");
    assert!(read(&here, |_| Vec::new()).config.is_some());
    assert_eq!(config(&here).mail.unwrap().port(), 25);
    let wrong = SMALL.replace("security@example.com", "security");
    assert!(said(&wrong)[0].contains("this is not a mail address"));
}

#[test]
fn subscriptions_become_the_guards_own() {
    let text = "account = [{ id = \"111122223333\" }]\n[[subscription]]\nprotocol = \"webhook\"\n\
                endpoint = \"https://example.com/in\"\ndigest = \"1h\"\n\
                filter = { kinds = [\"opened\", \"remediation-held\"], accounts = [\"1111*\"] }\n\
                quiet-hours = { from = \"22:00\", to = \"07:00\", days = [\"fri\"], except = \"critical\" }\n";
    let config = config(text);
    let own = &settings_of(&config).subscriptions[0];
    assert!(own.confirmed, "only a person has to confirm");
    assert_eq!(
        own.filter.kinds,
        [NoticeKind::Opened, NoticeKind::RemediationHeld]
    );
    assert_eq!(own.digest, Some(jiff::SignedDuration::from_hours(1)));
    let quiet = own.quiet_hours.as_ref().unwrap();
    assert_eq!(quiet.zone.name(), "UTC");
    assert_eq!(quiet.except, Some(Severity::Critical));
    // The made id stays the same from run to run: what was confirmed stays confirmed.
    assert_eq!(own.id, "default-webhook-81d681d6");
}

#[test]
fn an_accounts_label_stands_for_its_id_in_exceptions() {
    let text = format!(
        "account = [{{ id = \"111122223333\", label = \"production\" }}]\n[[exception]]\nid = \"e\"\n\
         bucket = \"b\"\naccount = \"production\"\nowner = \"o\"\nreason = \"r\"\nexpires = 2030-01-01\n\
         fingerprint = \"sha256:{}\"\n",
        "0".repeat(64)
    );
    let exceptions = settings::exceptions(&config(&text), Vec::new()).unwrap();
    let accounts: Vec<_> = exceptions
        .iter()
        .map(|own| own.account.clone().unwrap())
        .collect();
    assert_eq!(accounts, ["111122223333"]);
}

#[test]
fn the_rules_about_public_access_stay_unless_one_replaces_them() {
    let small = config(SMALL);
    let names = |config: &Config| -> Vec<String> {
        let rules = rule::rules(config).unwrap();
        rules.iter().map(|rule| rule.name().to_owned()).collect()
    };
    let [read, write, objects] = [
        "s3-bucket-public-read-prohibited",
        "s3-bucket-public-write-prohibited",
        "s3-object-acl-public-access-prohibited",
    ];
    assert_eq!(names(&small), [read, write, objects]);
    let more = "[[rule]]\nname = \"reading\"\nidentifier = \"S3_BUCKET_PUBLIC_READ_PROHIBITED\"\nenabled = false\n\
                [[rule]]\nname = \"tags\"\nidentifier = \"REQUIRED_TAGS\"\nparameters = { tag1Key = \"team\" }\n";
    assert_eq!(
        names(&config(&format!("{SMALL}{more}"))),
        [write, objects, "reading", "tags"]
    );
    expect(
        more,
        &["warning: f.toml:7:1: rule[0].enabled: buckets that are open in this way"],
    );
    expect(
        "[[rule]]\nname = \"tags\"\nidentifier = \"REQUIRED_TAG\"\n",
        &[
            "error: f.toml:6:1: rule[0].identifier: \"REQUIRED_TAG\" is none of",
            "did you mean `REQUIRED_TAGS`?",
        ],
    );
    expect(
        "[[rule]]\nname = \"tags\"\nidentifier = \"REQUIRED_TAGS\"\nparameters = { tag1Kye = \"team\" }\n",
        &[
            "rule[0].parameters: \"tag1Kye\" is not a parameter",
            "did you mean `tag1Key`?",
        ],
    );
}

#[test]
fn a_function_is_asked_by_changes_by_a_schedule_or_by_both() {
    let types = "resource-types = [\"AWS::S3::Bucket\"]\n";
    let every = "frequency = \"6h\"\n";
    let usual = said(SMALL);
    for (members, on_change, frequency) in [
        (String::new(), true, None),
        (types.to_owned(), true, None),
        (every.to_owned(), false, Some("Six_Hours")),
        (format!("{types}{every}"), true, Some("Six_Hours")),
    ] {
        let text = format!(
            "{SMALL}[[rule]]\nname = \"own\"\nsource = \"lambda\"\n{members}\
             lambda = \"arn:aws:lambda:eu-central-1:111122223333:function:own\"\n"
        );
        assert_eq!(said(&text), usual, "{members}");
        let rules = rule::rules(&config(&text)).unwrap();
        let own = rules.get("own").unwrap();
        assert_eq!(own.trigger().on_change(), on_change, "{members}");
        let own = own.frequency().map(|frequency| frequency.as_str());
        assert_eq!(own, frequency, "{members}");
    }
}
