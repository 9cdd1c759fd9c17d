//! Any bytes as an exceptions file.

#![no_main]

use compliance::exceptions::Exceptions;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err(error) = Exceptions::parse(text)
    {
        assert!(!error.to_string().is_empty());
    }
});
