//! The formats for other tools: what each must hold, and that nothing in a configuration breaks out.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::estate::{Estate, HOSTILE};
use compliance::report::baseline::Baseline;
use compliance::report::{Format, Report, Style};
use quick_xml::events::Event;
use serde_json::Value;

fn render(estate: &Estate, format: Format) -> String {
    estate.report().render(format, Style::default())
}

fn json(estate: &Estate, format: Format) -> Value {
    serde_json::from_str(&render(estate, format)).unwrap()
}

/// Elements of a list under a member.
fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .expect(pointer)
}

#[test]
fn no_format_lets_control_characters_through() {
    for estate in [Estate::small(), Estate::corpus()] {
        for (format, name) in Format::ALL {
            let text = render(&estate, *format);
            assert!(!text.is_empty() && text.ends_with('\n'), "{name}");
            let hidden = text
                .chars()
                .find(|c| c.is_control() && !matches!(c, '\n' | '\r'));
            assert_eq!(hidden, None, "{name}");
        }
    }
}

#[test]
fn sarif_has_what_code_scanning_needs() {
    let estate = Estate::small();
    let log = json(&estate, Format::Sarif);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = list(run, "/tool/driver/rules");
    let results = list(run, "/results");
    assert_eq!(rules.len(), 2);
    // site read and write, drop write, hostile read, later both, intended read, damaged both.
    assert_eq!(results.len(), 9);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(matches!(
            result["level"].as_str(),
            Some("error" | "warning")
        ));
        assert!(
            result["message"]["text"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "estate.json");
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
        let print = result["partialFingerprints"]["portcullisCause/v1"]
            .as_str()
            .unwrap();
        assert_eq!(print.len(), 64);
    }
    // The statement's own line, not the bucket's.
    assert_eq!(
        results[0]["locations"][0]["physicalLocation"]["region"]["startLine"],
        6
    );
    let suppressed: Vec<&Value> = results
        .iter()
        .filter(|r| r.get("suppressions").is_some())
        .collect();
    assert_eq!(suppressed.len(), 1);
    assert_eq!(
        suppressed[0]["suppressions"][0]["justification"],
        "covered by exception downloads"
    );
    let notes = list(run, "/invocations/0/toolExecutionNotifications");
    assert_eq!(notes.len(), 1);

    let baseline = Baseline::parse(&render(&estate, Format::Json)).unwrap();
    let report = Report {
        baseline: Some(&baseline),
        ..estate.report()
    };
    let log: Value = serde_json::from_str(&report.render(Format::Sarif, Style::default())).unwrap();
    assert_eq!(log["runs"][0]["results"][0]["baselineState"], "unchanged");
}

#[test]
fn junit_is_well_formed_and_its_counts_are_right() {
    for estate in [Estate::small(), Estate::corpus()] {
        let text = render(&estate, Format::Junit);
        let mut reader = quick_xml::Reader::from_str(&text);
        let mut counts = std::collections::BTreeMap::new();
        let mut said = std::collections::BTreeMap::new();
        let mut depth = 0;
        loop {
            let event = reader.read_event().unwrap();
            if matches!(event, Event::Start(_)) {
                depth += 1;
            }
            match event {
                Event::Start(element) | Event::Empty(element) => {
                    let name = String::from_utf8(element.name().as_ref().to_vec()).unwrap();
                    *counts.entry(name.clone()).or_insert(0_usize) += 1;
                    for attribute in element.attributes() {
                        let attribute = attribute.unwrap();
                        if name == "testsuites" {
                            let key = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
                            let value = String::from_utf8(attribute.value.to_vec()).unwrap();
                            said.insert(key, value);
                        }
                    }
                }
                Event::End(_) => depth -= 1,
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0);
        let count = |name: &str| counts.get(name).copied().unwrap_or(0).to_string();
        assert_eq!(said["tests"], count("testcase"));
        assert_eq!(said["failures"], count("failure"));
        assert_eq!(said["errors"], count("error"));
    }
    let text = render(&Estate::small(), Format::Junit);
    assert!(text.contains("<skipped message=\"covered by exception downloads\"/>"));
    assert!(!text.contains("<script>"));
}

#[test]
fn csv_fields_stay_fields_and_never_become_formulas() {
    let estate = Estate::small();
    let text = render(&estate, Format::Csv);
    let records = csv_records(&text);
    assert_eq!(records.len(), estate.assessments.len() + 1);
    for record in &records {
        assert_eq!(record.len(), records[0].len(), "{record:?}");
        for field in record {
            assert!(
                !field.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{field}"
            );
        }
    }
    let hostile = &records[3];
    assert_eq!(
        hostile[0],
        format!("'{}", HOSTILE.replace('\u{1b}', "\\u{1b}"))
    );
    assert!(text.ends_with("\r\n"));
}

/// A plain reading of RFC 4180, apart from the writer.
fn csv_records(text: &str) -> Vec<Vec<String>> {
    let mut records = vec![vec![String::new()]];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let record = records.last_mut().unwrap();
        let field = record.last_mut().unwrap();
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\r' if !quoted => {}
            '\n' if !quoted => records.push(vec![String::new()]),
            c => field.push(c),
        }
    }
    assert_eq!(records.pop().unwrap(), [""]);
    records
}

#[test]
fn the_page_is_whole_and_asks_nobody_for_anything() {
    let estate = Estate::small();
    let page = render(&estate, Format::Html);
    for part in [
        "<!doctype html>",
        "Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"",
        "3 of 7 buckets are open to strangers",
        "<mark>&quot;*&quot;</mark>",
        "curl -iL https://site.s3.eu-west-1.amazonaws.com/a",
        "What would close it",
        "exception downloads",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for part in [
        "<script", "<link", "<img", "src=", "href=", "@import", "url(",
    ] {
        assert!(!page.contains(part), "{part}");
    }
    let calm = Estate::of("[{\"bucket\": \"a\", \"acl\": [], \"policy\": null}]", "f");
    let page = render(&calm, Format::Html);
    assert!(page.contains("None of 1 bucket is open") && page.contains("class=\"calm\""));
}

#[test]
fn ocsf_events_have_what_the_class_requires() {
    let estate = Estate::small();
    let events = json(&estate, Format::Ocsf);
    let events = events.as_array().unwrap();
    assert_eq!(events.len(), 2 * estate.assessments.len());
    for event in events {
        for required in [
            "activity_id",
            "category_uid",
            "class_uid",
            "type_uid",
            "time",
            "severity_id",
            "metadata",
            "finding_info",
            "compliance",
            "cloud",
        ] {
            assert!(event.get(required).is_some(), "{required}");
        }
        let class = event["class_uid"].as_u64().unwrap();
        assert_eq!(
            event["type_uid"].as_u64().unwrap(),
            class * 100 + event["activity_id"].as_u64().unwrap()
        );
        assert_eq!(event["time"], 1_767_225_600_000_u64);
        let fails = event["compliance"]["status"] != "Pass";
        assert_eq!(event.get("remediation").is_some(), fails, "{event}");
    }
    let status = |at: usize| (&events[at]["compliance"]["status"], &events[at]["status"]);
    assert_eq!(status(0), (&"Fail".into(), &"New".into()));
    assert_eq!(status(6), (&"Warning".into(), &"New".into()));
    assert_eq!(status(8), (&"Fail".into(), &"Suppressed".into()));
    assert_eq!(status(10), (&"Pass".into(), &"New".into()));
    assert_eq!(events[0]["evidences"][0]["data"]["principal"], "anonymous");
}

#[test]
fn security_hub_findings_keep_to_the_formats_limits() {
    for estate in [Estate::small(), Estate::corpus()] {
        let findings = json(&estate, Format::Asff);
        let findings = findings.as_array().unwrap();
        let mut ids = std::collections::HashSet::new();
        for finding in findings {
            for required in [
                "SchemaVersion",
                "Id",
                "ProductArn",
                "GeneratorId",
                "AwsAccountId",
                "CreatedAt",
                "UpdatedAt",
                "Severity",
                "Title",
                "Description",
                "Resources",
            ] {
                assert!(finding.get(required).is_some(), "{required}");
            }
            let length = |name: &str| finding[name].as_str().unwrap().chars().count();
            assert!(length("Title") <= 256 && length("Description") <= 1024 && length("Id") <= 512);
            assert_eq!(length("AwsAccountId"), 12);
            assert!(
                ids.insert(finding["Id"].as_str().unwrap().to_owned()),
                "{}",
                finding["Id"]
            );
        }
    }
    let findings = json(&Estate::small(), Format::Asff);
    assert_eq!(findings[0]["Compliance"]["Status"], "FAILED");
    assert_eq!(findings[8]["Workflow"]["Status"], "SUPPRESSED");
}

#[test]
fn the_table_lists_the_worst_first_and_aligns() {
    let estate = Estate::small();
    let plain = render(&estate, Format::Table);
    // Every line has its READ column at the same place.
    let at = plain.find("READ").unwrap();
    for line in plain.lines().skip(1).take(7) {
        let cell: String = line.chars().skip(at).collect();
        assert!(
            ["OPEN", "closed", "undecided"]
                .iter()
                .any(|word| cell.starts_with(word)),
            "{line}"
        );
    }
    let standings: Vec<&str> = plain
        .lines()
        .skip(1)
        .take(7)
        .map(|line| {
            if line.contains("exception downloads") {
                "excepted"
            } else if line.contains("OPEN") {
                "open"
            } else if line.contains("undecided") {
                "undecided"
            } else {
                "closed"
            }
        })
        .collect();
    assert_eq!(
        standings,
        [
            "open",
            "open",
            "open",
            "undecided",
            "undecided",
            "excepted",
            "closed"
        ],
        "{plain}"
    );
    assert!(plain.ends_with(
        "7 buckets: 3 open (2 for reading, 2 for writing), 2 undecided, 1 excepted, 1 closed, 1 problem\n"
    ));
    let colored = estate.report().render(Format::Table, Style { color: true });
    assert!(colored.contains("\u{1b}[1;31mOPEN\u{1b}[0m"));
    let corpus = render(&Estate::corpus(), Format::Table);
    assert!(corpus.contains("… and 69 closed; --full lists them"));
}

#[test]
fn a_long_name_does_not_make_every_line_long() {
    let text = format!(
        "[{{\"bucket\": \"{}\", \"acl\": [], \"policy\": null}}, {{\"bucket\": \"b\", \"acl\": [], \"policy\": null}}]",
        "x".repeat(100_000)
    );
    let table = render(&Estate::of(&text, "f"), Format::Table);
    assert!(table.lines().all(|line| line.chars().count() < 300));
}

#[test]
fn the_table_and_the_explanation_read_as_follows() {
    let estate = Estate::small();
    let mut text = render(&estate, Format::Table);
    for assessment in &estate.assessments {
        text.push_str("\n----------------\n\n");
        text.push_str(&compliance::report::explain::render(
            assessment,
            compliance::report::explain::Setting::default(),
        ));
    }
    insta::assert_snapshot!(text);
}
