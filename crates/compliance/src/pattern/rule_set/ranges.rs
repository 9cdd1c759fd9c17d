//! All of many ranges that a number is in.

use super::super::number::Range;
use super::work::worked;

/// Ranges, each with what it means: sorted by their lower ends, as a tree whose root is the middle of all,
/// its children the middles of both halves, and so on. Each knows the highest upper end of its part, so
/// that whole parts are passed over.
#[derive(Debug)]
pub(super) struct Ranges<T> {
    sorted: Vec<Node<T>>,
}

/// The middle of a part.
#[derive(Debug)]
struct Node<T> {
    range: Range,
    /// The highest upper end in the part.
    highest: i64,
    /// The same of those before this one.
    highest_before: i64,
    meaning: T,
}

impl<T> Ranges<T> {
    pub(super) fn new(ranges: impl IntoIterator<Item = (Range, T)>) -> Ranges<T> {
        let node = |(range, meaning)| Node {
            range,
            highest: i64::MIN,
            highest_before: i64::MIN,
            meaning,
        };
        let mut sorted: Vec<Node<T>> = ranges.into_iter().map(node).collect();
        sorted.sort_by_key(|node| node.range.low);
        fill(&mut sorted);
        Ranges { sorted }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// What the ranges mean that a number is in.
    pub(super) fn of<'a>(&'a self, number: i64, mut each: impl FnMut(&'a T)) {
        visit(&self.sorted, number, &mut each);
    }
}

fn fill<T>(part: &mut [Node<T>]) -> i64 {
    let middle = part.len() / 2;
    let (before, rest) = part.split_at_mut(middle);
    let Some((node, behind)) = rest.split_first_mut() else {
        return i64::MIN;
    };
    node.highest_before = fill(before);
    node.highest = node.range.high.max(node.highest_before).max(fill(behind));
    node.highest
}

fn visit<'a, T>(mut part: &'a [Node<T>], number: i64, each: &mut impl FnMut(&'a T)) {
    loop {
        let middle = part.len() / 2;
        let Some(node) = part.get(middle) else { return };
        worked(1);
        if node.highest < number {
            return;
        }
        if number < node.range.low {
            // Those behind begin later still.
            part = &part[..middle];
            continue;
        }
        if node.highest_before >= number {
            visit(&part[..middle], number, each);
        }
        if number <= node.range.high {
            each(&node.meaning);
        }
        part = &part[middle + 1..];
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
