//! Any bytes as a policy document.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::document::Policy;
use policy::lint::lint;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Policy::parse(text) {
        Ok(policy) => {
            for statement in &policy.statements {
                assert!(policy.text.get(statement.span.clone()).is_some());
            }
            let _ = lint(&policy, None);
        }
        Err(error) => assert!(!error.diagnostics.is_empty()),
    }
});
