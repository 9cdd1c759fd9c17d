//! All of many ranges that a number is in.

use super::super::number::Range;

/// Ranges, each with what it means: sorted by their lower ends, with the highest upper end of each
/// half, quarter and so on, so that whole parts are passed over.
#[derive(Debug)]
pub(super) struct Ranges<T> {
    sorted: Vec<(Range, T)>,
    /// For the middle of each part, the highest upper end in that part.
    highest: Vec<i64>,
}

impl<T> Ranges<T> {
    pub(super) fn new(ranges: impl IntoIterator<Item = (Range, T)>) -> Ranges<T> {
        let mut sorted: Vec<(Range, T)> = ranges.into_iter().collect();
        sorted.sort_by_key(|(range, _)| range.low);
        let mut highest = vec![i64::MIN; sorted.len()];
        fill(&sorted, &mut highest);
        Ranges { sorted, highest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// What the ranges mean that a number is in.
    pub(super) fn of<'a>(&'a self, number: i64, mut each: impl FnMut(&'a T)) {
        visit(&self.sorted, &self.highest, number, &mut each);
    }
}

fn fill<T>(sorted: &[(Range, T)], highest: &mut [i64]) -> i64 {
    if sorted.is_empty() {
        return i64::MIN;
    }
    let middle = sorted.len() / 2;
    let before = fill(&sorted[..middle], &mut highest[..middle]);
    let after = fill(&sorted[middle + 1..], &mut highest[middle + 1..]);
    highest[middle] = sorted[middle].0.high.max(before).max(after);
    highest[middle]
}

fn visit<'a, T>(
    sorted: &'a [(Range, T)],
    highest: &[i64],
    number: i64,
    each: &mut impl FnMut(&'a T),
) {
    let middle = sorted.len() / 2;
    if sorted.is_empty() || highest[middle] < number {
        return;
    }
    visit(&sorted[..middle], &highest[..middle], number, each);
    let (range, meaning) = &sorted[middle];
    if range.contains(number) {
        each(meaning);
    }
    if range.low <= number {
        visit(&sorted[middle + 1..], &highest[middle + 1..], number, each);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::number::Range;
    use super::Ranges;

    #[test]
    fn every_range_is_found() {
        let all: Vec<Range> = (0..40)
            .map(|at: i64| Range {
                low: at * 7 % 40,
                high: at * 7 % 40 + at * 3 % 11,
            })
            .collect();
        let ranges = Ranges::new(all.iter().map(|range| (*range, *range)));
        for number in -2..60 {
            let mut found = Vec::new();
            ranges.of(number, |range| found.push((range.low, range.high)));
            let mut expected: Vec<_> = all
                .iter()
                .filter(|r| r.contains(number))
                .map(|r| (r.low, r.high))
                .collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{number}");
        }
    }
}
