//! What matching costs, counted and not timed: for tests, which hold the laws of [`super`] by it.

/// Counts so many steps, none of which is longer than a bound.
#[cfg(not(test))]
#[inline(always)]
pub(super) fn worked(_steps: usize) {}

#[cfg(test)]
pub(super) use counted::worked;

#[cfg(test)]
mod counted {
    use std::cell::Cell;

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    pub(in super::super) fn worked(steps: usize) {
        STEPS.set(STEPS.get() + steps);
    }

    /// How many steps something took.
    pub(super) fn steps(doing: impl FnOnce()) -> usize {
        let before = STEPS.get();
        doing();
        STEPS.get() - before
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::RuleSet;
    use super::counted::steps;
    use crate::pattern::EventPattern;

    /// The pattern of a number, or a part of one.
    type Pattern<'a> = &'a dyn Fn(usize) -> String;

    fn rules(patterns: impl IntoIterator<Item = String>) -> RuleSet<usize> {
        let patterns = patterns.into_iter();
        RuleSet::new(
            patterns
                .map(|text| EventPattern::parse(&text).unwrap())
                .enumerate(),
        )
    }

    fn cost(rules: &RuleSet<usize>, event: &str, matches: usize) -> usize {
        steps(|| assert_eq!(rules.matching(event).unwrap().len(), matches, "{event}"))
    }

    /// Beyond a few rules, which are asked one by one, matching takes as many steps beside ten thousand
    /// rules as beside ten.
    #[test]
    fn exact_rules_cost_the_same_however_many() {
        let one = |at: usize| format!(r#"{{"source": ["s"], "detail": {{"id": ["id-{at}"]}}}}"#);
        let two = |at: usize| {
            format!(
                r#"{{"detail": {{"id": ["id-{at}"], "kind": ["kind-{}"]}}}}"#,
                at % 7
            )
        };
        let number =
            |at: usize| format!(r#"{{"detail": {{"n": [{at}, {{"numeric": ["=", {at}.5]}}]}}}}"#);
        let prefix = |at: usize| format!(r#"{{"detail": {{"id": [{{"prefix": "id-{at:05}"}}]}}}}"#);
        let suffix = |at: usize| format!(r#"{{"detail": {{"id": [{{"suffix": "{at:05}-x"}}]}}}}"#);
        let folded =
            |at: usize| format!(r#"{{"detail": {{"id": [{{"equals-ignore-case": "ID-{at}"}}]}}}}"#);
        let block = |at: usize| {
            format!(
                r#"{{"detail": {{"ip": [{{"cidr": "10.{}.{}.0/24"}}]}}}}"#,
                at / 250,
                at % 250
            )
        };
        let kinds: [(Pattern<'_>, &str, &str); 7] = [
            (&one, r#""id": "id-3""#, r#""id": "id-x""#),
            (
                &two,
                r#""id": "id-3", "kind": "kind-3""#,
                r#""id": "id-3", "kind": "kind-x""#,
            ),
            (&number, r#""n": 3.5"#, r#""n": 3.7"#),
            (&prefix, r#""id": "id-00003-x""#, r#""id": "id-0003-xx""#),
            (&suffix, r#""id": "id-00003-x""#, r#""id": "id-00003-y""#),
            (&folded, r#""id": "Id-3""#, r#""id": "Id-x""#),
            (&block, r#""ip": "10.0.3.9""#, r#""ip": "11.0.3.9""#),
        ];
        for (pattern, event, other) in kinds {
            let [event, other] = [event, other]
                .map(|detail| format!(r#"{{"source": "s", "detail": {{{detail}}}}}"#));
            let few = rules((0..10).map(pattern));
            let (matched, unmatched) = (cost(&few, &event, 1), cost(&few, &other, 0));
            assert!(matched > unmatched && unmatched > 0);
            for count in [100, 1_000, 10_000] {
                let many = rules((0..count).map(pattern));
                let found = (cost(&many, &event, 1), cost(&many, &other, 0));
                assert_eq!(found, (matched, unmatched), "{count} of {}", pattern(0));
            }
        }
    }

    /// Ranges cost as many steps as there are levels in a tree of them, beside those that match.
    #[test]
    fn ranges_cost_the_logarithm_of_their_number() {
        for count in [10_usize, 100, 1_000, 10_000] {
            let ranges = (0..count)
                .map(|at| format!(r#"{{"n": [{{"numeric": [">", {at}, "<=", {}]}}]}}"#, at + 2));
            let took = cost(&rules(ranges), r#"{"n": 5.5}"#, 2);
            let levels = count.ilog2() as usize + 1;
            assert!(took <= 40 + 4 * levels, "{count} ranges: {took} steps");
        }
    }

    /// A wildcard costs a few steps for each byte of a text, beside many others and however the text
    /// tempts: neither the number of its stars nor that of the others multiplies that.
    #[test]
    fn wildcards_cost_no_more_than_in_proportion() {
        const STEPS: usize = 4;
        let stars = |at: usize| format!("{}*b{at}", "*a".repeat(at % 40 + 1));
        let nested = |at: usize| format!("*{}*c", "a".repeat(at % 60 + 1));
        let middles = |at: usize| format!("a*{at:03}*a");
        let pairs = |at: usize| format!("*a{at}*aa*{at}a*");
        let frames = |at: usize| format!("{}*{}", "a".repeat(at % 30 + 1), "a".repeat(at % 20 + 2));
        let kinds: [Pattern<'_>; 5] = [&stars, &nested, &middles, &pairs, &frames];
        for kind in kinds {
            for count in [1, 10, 100, 400] {
                let patterns = (0..count).map(kind);
                let rules =
                    rules(patterns.map(|text| format!(r#"{{"a": [{{"wildcard": "{text}"}}]}}"#)));
                for text in ["a", "ab", "aab0123", "a0a1a2a3"] {
                    for length in [100, 10_000] {
                        let event = format!(r#"{{"a": "{}"}}"#, text.repeat(length / text.len()));
                        let took = steps(|| drop(rules.matching(&event).unwrap()));
                        assert!(
                            took <= STEPS * (count + 1) * (event.len() + 100),
                            "{count} of {}: {took} steps for {length} bytes of {text:?}",
                            kind(0)
                        );
                    }
                }
            }
        }
    }
}
