//! The stream of Ceph's ops log, as it comes and as it may come.

#![expect(clippy::unwrap_used, reason = "tests")]

use compliance::event::{LARGEST_OPS_LOG_RECORD, OpsLogStream, Piece, read_ops_log};
use proptest::prelude::*;

/// Recorded from RADOS Gateway 16.2.15, one record a line, without what stands between them.
const RECORDED: &str = include_str!("data/rgw-ops-log.jsonl");

/// What `OpsLogStream` found.
#[derive(Debug, Default, PartialEq)]
struct Found {
    records: Vec<String>,
    dropped: Vec<u64>,
}

fn split<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Found {
    let mut stream = OpsLogStream::default();
    let mut found = Found::default();
    let mut keep = |piece: Piece<'_>| match piece {
        Piece::Record(text) => found.records.push(text.into_owned()),
        Piece::Dropped(bytes) => found.dropped.push(bytes),
    };
    for read in reads {
        stream.push(read, &mut keep);
    }
    stream.finish(&mut keep);
    found
}

fn whole(bytes: &[u8]) -> Found {
    split([bytes])
}

/// As the gateway frames them.
fn framed<T: AsRef<str>>(records: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut bytes = b"[".to_vec();
    for record in records {
        bytes.extend_from_slice(record.as_ref().as_bytes());
        bytes.extend_from_slice(b",\n");
    }
    bytes
}

#[test]
fn what_the_gateway_wrote_is_found_and_understood() {
    let bytes = framed(RECORDED.lines());
    let found = whole(&bytes);
    assert_eq!(found.records, RECORDED.lines().collect::<Vec<_>>());
    assert_eq!(found.dropped, Vec::<u64>::new());
    let names: Vec<String> = found
        .records
        .iter()
        .map(|record| read_ops_log(record).unwrap().name)
        .collect();
    for name in ["create_bucket", "put_acls", "put_bucket_policy"] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
    // However it is cut into reads.
    for size in [1, 2, 7, 64, 1_000] {
        assert_eq!(split(bytes.chunks(size)).records, found.records, "{size}");
    }
}

#[test]
fn bytes_that_are_no_text_stay_inside_their_record() {
    let found = whole(b"[{\"bucket\":\"b\",\"user_agent\":\"\xff\xfe\"},\n{\"bucket\":\"c\"},\n");
    assert_eq!(
        found.records,
        [
            "{\"bucket\":\"b\",\"user_agent\":\"\u{fffd}\u{fffd}\"}",
            "{\"bucket\":\"c\"}"
        ]
    );
}

#[test]
fn what_is_cut_short_loses_itself_only() {
    let good = r#"{"bucket":"good","nested":{"a":[1,{"b":2}]}}"#;
    for bad in [
        r#"{"bucket":"#,
        r#"{"bucket":"cut"#,
        r#"{"bucket":"cut\"#,
        r#"{"bucket":"cut","#,
        r#"{"bucket":"cut","nested":{"a":[1,{"#,
        r#"{"a":1{"bucket":"b"}"#,
        "{",
        "}",
        "null",
        "HTTP/1.1 400 Bad Request",
        "\u{0}\u{1}\u{2}",
        &"[".repeat(100_000),
        &format!("{}1", "{\"a\":".repeat(1_000)),
    ] {
        let bytes = framed([good, bad, good, good]);
        let found = whole(&bytes);
        let records = found.records.iter().filter(|record| *record == good);
        assert_eq!(records.count(), 3, "{bad:.80}: {found:?}");
        if bad.len() < 100_000 {
            assert!(!found.dropped.is_empty(), "{bad:.80}");
        }
    }
}

#[test]
fn megabytes_of_garbage_are_counted_and_passed_over() {
    let good = r#"{"bucket":"good"}"#;
    let mut bytes = b"[{\"uri\":\"".to_vec();
    bytes.resize(bytes.len() + 8 * LARGEST_OPS_LOG_RECORD, b'x');
    bytes.push(b'\n');
    bytes.extend_from_slice(good.as_bytes());
    let found = whole(&bytes);
    assert_eq!(found.records, [good]);
    // All but the opening bracket and the good one.
    let garbage = bytes.len() - 1 - good.len();
    assert_eq!(found.dropped, [garbage as u64]);
}

fn record() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[ -~]{0,20}",
        "\\PC{0,20}",
        Just("\"},\n{".to_owned()),
        Just("\\".to_owned()),
        Just("\n\n".to_owned()),
    ];
    prop::collection::vec((text.clone(), text), 0..6).prop_map(|members| {
        let members: serde_json::Map<_, _> = members
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        serde_json::Value::from(members).to_string()
    })
}

proptest! {
    /// Every record comes out as it was, in order, whatever it holds and however the stream is cut.
    #[test]
    fn records_come_out_as_they_were(
        records in prop::collection::vec(record(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes = framed(&records);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        at.push(bytes.len());
        at.sort_unstable();
        let mut from = 0;
        let reads: Vec<&[u8]> = at
            .into_iter()
            .map(|to| {
                let read = &bytes[from..to];
                from = to;
                read
            })
            .collect();
        let found = split(reads);
        prop_assert_eq!(found.records, records);
        prop_assert_eq!(found.dropped, Vec::<u64>::new());
    }

    /// Any lines may stand between them: what is whole afterwards is found all the same.
    #[test]
    fn no_garbage_takes_the_next_line_along(
        garbage in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "[\\[\\]{}\",:\\\\\n a1]{0,80}".prop_map(String::into_bytes),
        ],
        records in prop::collection::vec(record(), 1..4),
    ) {
        let mut bytes = framed([r#"{"first":1}"#]);
        bytes.extend_from_slice(&garbage);
        bytes.push(b'\n');
        for record in &records {
            bytes.extend_from_slice(record.as_bytes());
            bytes.extend_from_slice(b",\n");
        }
        let found = whole(&bytes);
        prop_assert!(found.records.ends_with(&records), "{found:?}");
    }
}
