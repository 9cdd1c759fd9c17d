//! Two lines: an event pattern, then an event. Both readings agree.

#![no_main]

use compliance::pattern::{EventPattern, RuleSet};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (pattern, event) = text.split_once('\n').unwrap_or((text, "{}"));
    let pattern = match EventPattern::parse(pattern) {
        Ok(pattern) => pattern,
        Err(error) => {
            assert!(error.path.starts_with('$'));
            return;
        }
    };
    let rules = RuleSet::new([((), pattern.clone())]);
    // Whatever the text is: it is read or refused.
    let _ = rules.matching(event);
    // As it is written again, no name stands twice, and both readings see the same.
    if let Ok(event @ Value::Object(_)) = serde_json::from_str(event) {
        let expected = usize::from(pattern.matches(&event));
        assert_eq!(rules.matching_value(&event).len(), expected);
        assert_eq!(
            rules.matching(&event.to_string()).map(|ids| ids.len()),
            Ok(expected)
        );
    }
});
