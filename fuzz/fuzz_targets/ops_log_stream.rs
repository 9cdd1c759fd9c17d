//! Any bytes on the socket of Ceph's ops log, cut into reads: how they are cut changes nothing, what is
//! held is bounded, and a whole line after them is found all the same.

#![no_main]

use compliance::event::{LARGEST_OPS_LOG_RECORD, OpsLogStream, Piece};
use libfuzzer_sys::fuzz_target;

const RECORD: &str = r#"{"bucket":"b"}"#;

fn split(bytes: &[u8], reads: usize) -> Vec<String> {
    let mut stream = OpsLogStream::default();
    let mut found = Vec::new();
    let mut dropped = 0;
    let mut keep = |piece: Piece<'_>| match piece {
        Piece::Record(text) => {
            // A byte that is no UTF-8 becomes three.
            assert!(text.len() <= 3 * LARGEST_OPS_LOG_RECORD);
            found.push(text.into_owned());
        }
        Piece::Dropped(bytes) => dropped += bytes,
    };
    for read in bytes.chunks(reads) {
        stream.push(read, &mut keep);
    }
    stream.finish(&mut keep);
    assert!(dropped <= bytes.len() as u64);
    found
}

fuzz_target!(|bytes: &[u8]| {
    let Some((reads, garbage)) = bytes.split_first() else {
        return;
    };
    let mut bytes = garbage.to_vec();
    bytes.push(b'\n');
    bytes.extend_from_slice(RECORD.as_bytes());
    let found = split(&bytes, usize::from(*reads) + 1);
    assert_eq!(found.last().map(String::as_str), Some(RECORD));
    assert_eq!(found, split(&bytes, bytes.len()));
});
