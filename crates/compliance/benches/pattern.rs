//! Matching events with many patterns, against `quamina`, class of pattern by class of pattern.
//!
//! `cargo bench -p compliance --bench pattern`, on an idle machine; `-- NAME` runs the classes whose
//! name has NAME in it. Both match the same events with the same patterns, by turns in one process, and
//! have to find equally many. `quamina` runs in the faster of its two modes.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark has a clock and arguments"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use compliance::pattern::{EventPattern, RuleSet};
use quamina::{MatcherBuildMode, Quamina, QuaminaBuilder};

/// A class of patterns with the events that they meet.
struct Class {
    name: &'static str,
    patterns: Vec<String>,
    events: Vec<String>,
}

/// AWS Config's "Config Rules Compliance Change".
fn compliance_change(bucket: usize, compliance: &str) -> String {
    format!(
        r#"{{"version":"0","id":"9b1a5c4e-0d5a-4b44-9a53-2f3b1c0e7a11","detail-type":"Config Rules Compliance Change","source":"aws.config","account":"111122223333","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":[],"detail":{{"recordVersion":"1.0","messageType":"ComplianceChangeNotification","awsAccountId":"111122223333","awsRegion":"us-east-1","configRuleName":"s3-bucket-public-read-prohibited","configRuleARN":"arn:aws:config:us-east-1:111122223333:config-rule/config-rule-abc123","resourceType":"AWS::S3::Bucket","resourceId":"bucket-{bucket}","newEvaluationResult":{{"evaluationResultIdentifier":{{"evaluationResultQualifier":{{"configRuleName":"s3-bucket-public-read-prohibited","resourceType":"AWS::S3::Bucket","resourceId":"bucket-{bucket}"}},"orderingTimestamp":"2026-01-01T00:00:00.000Z"}},"complianceType":"{compliance}","resultRecordedTime":"2026-01-01T00:00:01.000Z","configRuleInvokedTime":"2026-01-01T00:00:00.500Z","annotation":"The S3 bucket policy allows public read access."}},"notificationCreationTime":"2026-01-01T00:00:02.000Z"}}}}"#
    )
}

/// Config's PutEvaluations, as CloudTrail tells it.
fn put_evaluations(bucket: usize) -> String {
    format!(
        r#"{{"version":"0","id":"9b1a5c4e","detail-type":"AWS API Call via CloudTrail","source":"aws.config","account":"111122223333","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":[],"detail":{{"eventVersion":"1.08","eventSource":"config.amazonaws.com","eventName":"PutEvaluations","awsRegion":"us-east-1","requestParameters":{{"evaluations":[{{"complianceResourceType":"AWS::S3::Bucket","complianceResourceId":"bucket-{bucket}","complianceType":"NON_COMPLIANT","annotation":"The S3 bucket policy allows public read access.","orderingTimestamp":"Jan 1, 2026 12:00:00 AM"}}],"resultToken":"token","testMode":false}},"additionalEventData":{{"managedRuleIdentifier":"S3_BUCKET_PUBLIC_READ_PROHIBITED","configRuleName":"s3-bucket-public-read-prohibited","configRuleArn":"arn:aws:config:us-east-1:111122223333:config-rule/config-rule-abc123"}}}}}}"#
    )
}

/// A small event with a value of each kind.
fn small(at: usize) -> String {
    format!(
        r#"{{"source":"app.orders","detail":{{"order":"order-{at}-eu.json","customer":"Customer-{at}","price":{price},"ip":"10.{a}.{b}.7","tags":["new","paid"]}}}}"#,
        price = at as f64 / 4.0,
        a = at / 250 % 250,
        b = at % 250,
    )
}

/// Events of an array of objects.
fn arrayed(at: usize) -> String {
    let employee = |n: usize| {
        format!(
            r#"{{"first":"first-{}","last":"last-{}","room":{n}}}"#,
            n % 50,
            n % 40
        )
    };
    let employees: Vec<String> = (at..at + 5).map(employee).collect();
    format!(
        r#"{{"source":"hr","detail":{{"employees":[{}]}}}}"#,
        employees.join(",")
    )
}

fn classes() -> Vec<Class> {
    let many = |count: usize, pattern: &dyn Fn(usize) -> String| {
        (0..count).map(pattern).collect::<Vec<_>>()
    };
    let events =
        |event: &dyn Fn(usize) -> String| (0..64).map(|at| event(at * 15)).collect::<Vec<_>>();
    let change = |at| compliance_change(at, "NON_COMPLIANT");
    let exact = |at: usize| {
        format!(
            r#"{{"source":["aws.config"],"detail-type":["Config Rules Compliance Change"],"detail":{{"resourceId":["bucket-{at}"],"newEvaluationResult":{{"complianceType":["NON_COMPLIANT"]}}}}}}"#
        )
    };
    let order = |condition: String| {
        format!(r#"{{"source":["app.orders"],"detail":{{"order":[{condition}]}}}}"#)
    };
    vec![
        Class {
            name: "exact, 1 rule, small event",
            patterns: many(1, &|_| order(r#""order-0-eu.json""#.into())),
            events: events(&small),
        },
        Class {
            name: "exact, 1,000 rules, small events",
            patterns: many(1000, &|at| order(format!(r#""order-{at}-eu.json""#))),
            events: events(&small),
        },
        Class {
            name: "exact, 1 rule, compliance change",
            patterns: many(1, &exact),
            events: events(&change),
        },
        Class {
            name: "exact, 1,000 rules, compliance changes",
            patterns: many(1000, &exact),
            events: events(&change),
        },
        Class {
            name: "exact, 10,000 rules, compliance changes",
            patterns: many(10_000, &exact),
            events: events(&change),
        },
        Class {
            name: "exact, 1,000 rules, none matches",
            patterns: many(1000, &exact),
            events: events(&|at| compliance_change(at + 5000, "COMPLIANT")),
        },
        Class {
            name: "exact, 30 x 30 rules on two fields",
            patterns: many(900, &|at| {
                format!(r#"{{"detail":{{"customer":["Customer-{}"],"order":["order-{}-eu.json"]}}}}"#, at / 30 * 15, at % 30 * 15)
            }),
            events: events(&small),
        },
        Class {
            name: "the published pattern, PutEvaluations",
            patterns: vec![r#"{"source":["aws.config"],"detail":{"requestParameters":{"evaluations":{"complianceType":["NON_COMPLIANT"]}},"additionalEventData":{"managedRuleIdentifier":["S3_BUCKET_PUBLIC_READ_PROHIBITED","S3_BUCKET_PUBLIC_WRITE_PROHIBITED"]}}}"#.into()],
            events: events(&put_evaluations),
        },
        Class {
            name: "prefix, 1,000 rules",
            patterns: many(1000, &|at| order(format!(r#"{{"prefix":"order-{at}-"}}"#))),
            events: events(&small),
        },
        Class {
            name: "suffix, 1,000 rules",
            patterns: many(1000, &|at| order(format!(r#"{{"suffix":"-{at}-eu.json"}}"#))),
            events: events(&small),
        },
        Class {
            name: "equals-ignore-case, 1,000 rules",
            patterns: many(1000, &|at| format!(r#"{{"detail":{{"customer":[{{"equals-ignore-case":"cUSTOMER-{at}"}}]}}}}"#)),
            events: events(&small),
        },
        Class {
            name: "anything-but, 100 rules",
            patterns: many(100, &|at| order(format!(r#"{{"anything-but":["order-{}-eu.json","order-x"]}}"#, at * 15))),
            events: events(&small),
        },
        Class {
            name: "anything-but beside exact, 1,000 rules",
            patterns: many(1000, &|at| {
                format!(r#"{{"detail":{{"customer":["Customer-{at}"],"order":[{{"anything-but":["order-{at}-eu.json"]}}]}}}}"#)
            }),
            events: events(&small),
        },
        Class {
            name: "numeric =, 1,000 rules",
            patterns: many(1000, &|at| format!(r#"{{"detail":{{"price":[{{"numeric":["=",{at}]}}]}}}}"#)),
            events: events(&small),
        },
        Class {
            name: "numeric ranges, 1,000 rules",
            patterns: many(1000, &|at| format!(r#"{{"detail":{{"price":[{{"numeric":[">",{at},"<=",{}]}}]}}}}"#, at + 2)),
            events: events(&small),
        },
        Class {
            name: "cidr, 1,000 rules",
            patterns: many(1000, &|at| format!(r#"{{"detail":{{"ip":[{{"cidr":"10.{}.{}.0/24"}}]}}}}"#, at / 250, at % 250)),
            events: events(&small),
        },
        Class {
            name: "exists, 1,000 rules beside exact",
            patterns: many(1000, &|at| {
                format!(r#"{{"detail":{{"customer":["Customer-{at}"],"price":[{{"exists":true}}],"refund":[{{"exists":false}}]}}}}"#)
            }),
            events: events(&small),
        },
        Class {
            name: "wildcard, 1 rule",
            patterns: vec![order(r#"{"wildcard":"order-*-eu.*"}"#.into())],
            events: events(&small),
        },
        Class {
            name: "wildcard, 26 rules",
            patterns: many(26, &|at| order(format!(r#"{{"wildcard":"*{}*n"}}"#, char::from(b'a' + u8::try_from(at).unwrap())))),
            events: events(&small),
        },
        Class {
            name: "wildcard, 100 rules, pieces in the middle",
            patterns: many(100, &|at| order(format!(r#"{{"wildcard":"order*-{}-*json"}}"#, at * 15))),
            events: events(&small),
        },
        Class {
            name: "wildcard, adversarial text",
            patterns: vec![order(r#"{"wildcard":"*a*a*a*a*a*a*a*a*b"}"#.into())],
            events: vec![format!(r#"{{"source":"app.orders","detail":{{"order":"{}"}}}}"#, "a".repeat(1000))],
        },
        Class {
            name: "arrays of objects, 1,000 rules",
            patterns: many(1000, &|at| {
                format!(r#"{{"detail":{{"employees":{{"first":["first-{}"],"last":["last-{}"]}}}}}}"#, at % 50, at % 40)
            }),
            events: events(&arrayed),
        },
        Class {
            name: "mixed, 1,000 rules",
            patterns: many(1000, &|at| match at % 5 {
                0 => order(format!(r#""order-{at}-eu.json""#)),
                1 => order(format!(r#"{{"prefix":"order-{at}-"}}"#)),
                2 => format!(r#"{{"detail":{{"price":[{{"numeric":[">=",{at}]}}],"tags":["refunded"]}}}}"#),
                3 => format!(r#"{{"detail":{{"customer":["Customer-{at}"],"tags":["paid"]}}}}"#),
                _ => format!(r#"{{"detail":{{"ip":[{{"cidr":"10.{}.{}.0/24"}}]}}}}"#, at / 250, at % 250),
            }),
            events: events(&small),
        },
    ]
}

/// The mode that matches faster, of those that can be built.
fn theirs(class: &Class) -> (Quamina<usize>, &'static str) {
    let build = |mode| {
        let mut set: Quamina<usize> = QuaminaBuilder::new()
            .with_arena_byte_budget(1 << 30)
            .build()
            .unwrap();
        set.set_matcher_build_mode(mode);
        class
            .patterns
            .iter()
            .enumerate()
            .try_for_each(|(id, pattern)| set.add_pattern(id, pattern))
            .ok()?;
        Some(set)
    };
    let comfort = build(MatcherBuildMode::BuiltForComfort).unwrap();
    let Some(speed) = build(MatcherBuildMode::BuiltForSpeed) else {
        return (comfort, "comfort");
    };
    let time = |set: &Quamina<usize>| {
        (0..5)
            .map(|_| {
                round(&class.events, 200, |event| {
                    set.matches_for_event(event.as_bytes()).unwrap().len()
                })
                .0
            })
            .min()
    };
    if time(&speed) < time(&comfort) {
        (speed, "speed")
    } else {
        (comfort, "comfort")
    }
}

/// How long matching every event a number of times takes, and how many matches there are.
fn round(events: &[String], times: usize, matches: impl Fn(&str) -> usize) -> (Duration, usize) {
    let start = Instant::now();
    let mut found = 0;
    for _ in 0..times {
        for event in events {
            found += matches(black_box(event));
        }
    }
    (start.elapsed(), found)
}

/// The time of one event, from the round that a tenth of the rounds undercut: those that another
/// process interrupted do not count.
fn nanoseconds(mut times: Vec<Duration>, events: usize) -> f64 {
    times.sort();
    times[times.len() / 10].as_secs_f64() * 1e9 / events as f64
}

fn main() {
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    println!("| class of pattern | bytes | matches | ours, ns | events/s | quamina, ns | ratio |");
    println!("|---|---|---|---|---|---|---|");
    for class in classes() {
        if wanted
            .as_ref()
            .is_some_and(|wanted| !class.name.contains(wanted.as_str()))
        {
            continue;
        }
        let patterns = class
            .patterns
            .iter()
            .map(|text| EventPattern::parse(text).unwrap());
        let ours = RuleSet::new(patterns.enumerate());
        let (theirs, mode) = theirs(&class);
        let match_ours = |event: &str| ours.matching(event).unwrap().len();
        let match_theirs = |event: &str| theirs.matches_for_event(event.as_bytes()).unwrap().len();
        // About two milliseconds a round.
        let (once, _) = round(&class.events, 20, match_ours);
        let times = (20.0 * 0.002 / once.as_secs_f64()).ceil() as usize;
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        let (mut found, mut their_found) = (0, 0);
        for _ in 0..101 {
            let (time, matches) = round(&class.events, times, match_ours);
            our_times.push(time);
            found = matches;
            let (time, matches) = round(&class.events, times, match_theirs);
            their_times.push(time);
            their_found = matches;
        }
        let events = times * class.events.len();
        let (our, their) = (
            nanoseconds(our_times, events),
            nanoseconds(their_times, events),
        );
        let bytes = class.events.iter().map(String::len).sum::<usize>() / class.events.len();
        let differ = if found == their_found {
            ""
        } else {
            " (quamina finds another number)"
        };
        println!(
            "| {} | {bytes} | {:.1}{differ} | {our:.0} | {:.1} M | {their:.0} ({mode}) | {:.1} |",
            class.name,
            found as f64 / events as f64,
            1e3 / our,
            their / our
        );
    }
}
