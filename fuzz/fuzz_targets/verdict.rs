//! Any bytes as the policy of a bucket: a verdict is reached, and its witnesses hold.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oracle::generate::bare_bucket;
use oracle::replay::admitted;
use oracle::untrusted::stranger;
use policy::document::Policy;
use policy::public::judge;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(policy) = Policy::parse(text) else {
        return;
    };
    let bucket = bare_bucket(policy);
    let verdict = judge(&bucket);
    for witness in [
        verdict.read.policy.witness(),
        verdict.write.policy.witness(),
    ]
    .into_iter()
    .flatten()
    {
        let by = admitted(&bucket, &witness.request, &witness.via);
        assert_eq!(by.as_ref(), Ok(&witness.admitted_by), "{witness:?}");
        let sent = stranger(&bucket, &witness.request, &witness.via);
        assert!(sent.is_ok(), "{sent:?} {witness:?}");
    }
});
