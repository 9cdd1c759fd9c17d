//! Any bytes as a file that `portcullis check` reads.

#![no_main]

use compliance::input::{Options, read};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let options = Options {
        max_size: 1 << 20,
        ..Options::at(Timestamp::UNIX_EPOCH)
    };
    match read(bytes, "input", &options) {
        Ok(reading) => {
            for bucket in reading.buckets {
                let _ = bucket.assess();
            }
        }
        Err(problem) => assert!(problem.to_string().starts_with("input")),
    }
});
