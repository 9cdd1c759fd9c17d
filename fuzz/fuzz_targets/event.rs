//! Any bytes as a message that tells of events, and as a record of Ceph's ops log.

#![no_main]

use compliance::event::{read, read_ops_log};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let arrived = read(text);
    for error in &arrived.rejected {
        assert!(!error.to_string().is_empty());
    }
    let logged = read_ops_log(text);
    for event in arrived.events.iter().chain(logged.as_ref().ok()) {
        assert!(!event.id.is_empty() && event.id.len() <= 160);
        assert!(event.concerns.bucket().is_none_or(|name| !name.is_empty()));
    }
});
