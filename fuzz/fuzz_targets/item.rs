//! Any bytes as a configuration item: read, hashed, compared and judged without a panic, and what is
//! written is read.

#![no_main]

use compliance::item::{ConfigurationItem, bucket, diff_json};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let Ok(item) = ConfigurationItem::from_json(&value) else {
        return;
    };
    // An item that keeps whole milliseconds of our era is written as it was read; a text that holds a
    // text that holds JSON is taken apart once more.
    let era = |at: jiff::Timestamp| at >= jiff::Timestamp::UNIX_EPOCH;
    if !era(item.capture_time) || item.creation_time.is_some_and(|at| !era(at)) {
        return;
    }
    let item = ConfigurationItem::from_json(&item.to_json()).expect("what is written is read");
    if item.configuration.is_string() {
        return;
    }
    let again = ConfigurationItem::from_json(&item.to_json()).expect("what is written is read");
    assert_eq!(
        diff_json(Some(&item), &again)["changedProperties"],
        serde_json::json!({})
    );
    assert_eq!(again.content_hash(), item.content_hash());
    if let Ok(bucket) = bucket::bucket(&item) {
        let _ = policy::public::judge(&bucket);
    }
});
