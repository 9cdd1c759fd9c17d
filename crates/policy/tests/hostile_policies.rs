//! Damaged and hostile policy documents: parser, lint and analysis come back, whatever the text.
//!
//! The same checks as the fuzz targets `policy` and `verdict`, on seeds that are cut, spliced and
//! overwritten. The damage is the same on every run.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::LazyLock;

use oracle::case;
use oracle::generate::bare_bucket;
use oracle::replay::admitted;
use oracle::untrusted::stranger;
use policy::document::Policy;
use policy::lint::lint;
use policy::public::judge;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

/// The policies of all labelled cases.
static SEEDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let cases = [
        include_str!("data/bucket-cases.json"),
        include_str!("data/derived-cases.json"),
    ];
    let policies = |text| {
        case::read(text)
            .unwrap()
            .into_iter()
            .filter_map(|case| Some(case.policy?.to_string()))
    };
    cases.into_iter().flat_map(policies).collect()
});

/// Texts that parsers trip over.
const TRAPS: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\\",
    "\\u0000",
    "\\ud800",
    "${",
    "${}",
    "${,}",
    "}",
    "*",
    "?",
    "**********",
    "null",
    "true",
    "1e999",
    "-0",
    "\u{feff}",
    "\u{202e}",
    "é",
    "😀",
    "::::::",
    "arn:",
    "ForAllValues:",
    "IfExists",
    "0.0.0.0/0",
    "::/0",
    "99999999999999999999",
    "{\"Statement\":",
];

/// One way to damage a text.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index, Index),
    Insert(Index, &'static str),
    Splice(Index, Index, Index),
    Repeat(Index, Index, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        (at(), at()).prop_map(|(a, b)| Damage::Cut(a, b)),
        (at(), prop::sample::select(TRAPS)).prop_map(|(a, trap)| Damage::Insert(a, trap)),
        (at(), at(), at()).prop_map(|(a, other, b)| Damage::Splice(a, other, b)),
        (at(), at(), 2..8_u8).prop_map(|(a, b, n)| Damage::Repeat(a, b, n)),
    ]
}

fn apply(damage: &Damage, text: &str, seeds: &[String]) -> String {
    let chars: Vec<char> = text.chars().collect();
    let place = |at: &Index| at.index(chars.len() + 1);
    let span = |a: &Index, b: &Index| (place(a).min(place(b)), place(a).max(place(b)));
    let of = |part: &[char]| part.iter().collect::<String>();
    match damage {
        Damage::Cut(a, b) => {
            let (a, b) = span(a, b);
            // Short cuts: long ones leave nothing to look at.
            let b = b.min(a + 8);
            of(&chars[..a]) + &of(&chars[b..])
        }
        Damage::Insert(a, trap) => of(&chars[..place(a)]) + trap + &of(&chars[place(a)..]),
        Damage::Splice(a, other, b) => {
            let other: Vec<char> = other.get(seeds).chars().collect();
            of(&chars[..place(a)]) + &of(&other[b.index(other.len() + 1)..])
        }
        Damage::Repeat(a, b, times) => {
            let (a, b) = span(a, b);
            let b = b.min(a + 200);
            of(&chars[..a]) + &of(&chars[a..b]).repeat(usize::from(*times)) + &of(&chars[b..])
        }
    }
}

fn examine(text: &str) -> Result<(), TestCaseError> {
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(error) => {
            prop_assert!(!error.diagnostics.is_empty());
            return Ok(());
        }
    };
    for statement in &policy.statements {
        prop_assert!(policy.text.get(statement.span.clone()).is_some());
    }
    let _ = lint(&policy, None);
    let bucket = bare_bucket(policy);
    let verdict = judge(&bucket);
    for access in [&verdict.read, &verdict.write] {
        if let Some(witness) = access.policy.witness() {
            let by = admitted(&bucket, &witness.request, &witness.via);
            prop_assert_eq!(by.as_ref(), Ok(&witness.admitted_by), "{:?}", witness);
            let sent = stranger(&bucket, &witness.request, &witness.via);
            prop_assert!(sent.is_ok(), "{:?} {:?}", sent, witness);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3_000,
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn damaged_policies_are_read_or_refused(
        seed in any::<Index>(),
        damages in prop::collection::vec(damage(), 0..4),
    ) {
        let mut text = seed.get(&SEEDS).clone();
        for damage in &damages {
            text = apply(damage, &text, &SEEDS);
        }
        examine(&text)?;
    }
}

#[test]
fn deep_and_huge_documents_are_refused_or_read() {
    let deep = "[".repeat(200_000);
    let nested = format!("{{\"Statement\":{}{}}}", "{\"a\":".repeat(50_000), "1");
    let long = "x".repeat(10_000_000);
    let many_values: Vec<String> = (0..1_000).map(|n| format!("\"a*{n}*b?{n}\"")).collect();
    let stars = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::example-bucket/{}","Condition":{{"StringLike":{{"aws:Referer":[{}]}}}}}}]}}"#,
        "*a".repeat(300),
        many_values.join(",")
    );
    for text in [
        deep.as_str(),
        nested.as_str(),
        long.as_str(),
        stars.as_str(),
    ] {
        examine(text).unwrap();
    }
}
