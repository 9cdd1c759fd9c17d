//! Numbers, moments and addresses: the tests on them cut a line into regions, of which the least
//! elements are tried.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;

use crate::condition::Value;

use super::atom::{Atom, is_text_test, moment};
use super::doubts::{Bound, Doubts};
use super::value::{KeyValue, Range};

pub(crate) fn solve_ordered(
    range: &Range,
    atoms: &[Atom<'_>],
    bound: Bound,
    doubts: &mut Doubts,
) -> Option<KeyValue> {
    let (exact, inexact): (Vec<Atom<'_>>, Vec<Atom<'_>>) = atoms.iter().partition(|atom| {
        !is_text_test(atom.condition)
            || atom
                .condition
                .values
                .iter()
                .all(|value| matches!(value, Value::Pattern(pattern) if pattern.is_exact()))
    });
    let candidates = ordered_candidates(range, atoms);
    let fits =
        |value: &&KeyValue, atoms: &[Atom<'_>]| atoms.iter().all(|atom| atom.is_satisfied(value));
    if let Some(value) = candidates.iter().find(|value| fits(value, atoms)) {
        return Some(value.clone());
    }
    let atom = inexact.first()?;
    doubts.add(format!(
        "{}: a pattern on an ordered key is not analysed",
        atom.condition.path
    ));
    match bound {
        Bound::Lower => None,
        Bound::Upper => candidates.iter().find(|value| fits(value, &exact)).cloned(),
    }
}

/// The least element of every region that the tests can tell apart, in ascending order for times.
pub(crate) fn ordered_candidates(range: &Range, atoms: &[Atom<'_>]) -> Vec<KeyValue> {
    let values = || atoms.iter().flat_map(|atom| &atom.condition.values);
    let texts = || {
        values().filter_map(|value| match value {
            Value::Pattern(pattern) => pattern.exact(),
            _ => None,
        })
    };
    match range {
        Range::Numbers { any } => {
            let constants = values().filter_map(|value| match value {
                Value::Number(number) => Some(*number),
                _ => None,
            });
            let mut constants: Vec<f64> = constants
                .chain(texts().filter_map(|text| text.parse().ok()))
                .collect();
            constants.sort_unstable_by(f64::total_cmp);
            let mut numbers = vec![0.0, 1.0];
            for constant in &constants {
                numbers.extend([constant.floor() - 1.0, constant.floor(), *constant]);
                numbers.extend([
                    constant.ceil(),
                    constant.floor() + 1.0,
                    constant.ceil() + 1.0,
                ]);
            }
            if *any {
                numbers.extend(
                    constants
                        .windows(2)
                        .map(|pair| f64::midpoint(pair[0], pair[1])),
                );
            }
            numbers.retain(|number| *any || (*number >= 0.0 && number.fract() == 0.0));
            numbers
                .iter()
                .map(|n| KeyValue::Values(vec![n.to_string()]))
                .collect()
        }
        Range::Dates => moments(values(), texts())
            .iter()
            .map(|moment| KeyValue::Values(vec![moment.to_string()]))
            .collect(),
        Range::Time { not_before } => {
            let mut moments = moments(values(), texts());
            moments.extend(*not_before);
            moments.retain(|moment| not_before.is_none_or(|first| *moment >= first));
            moments.sort_unstable();
            moments.into_iter().map(KeyValue::At).collect()
        }
        Range::Addresses { public } => {
            let mut addresses = STARTS.to_vec();
            for value in values() {
                if let Value::Cidr(block) = value {
                    addresses.extend([block.network(), block.broadcast()]);
                    addresses.extend(after(block.broadcast()));
                    addresses.extend(before(block.network()));
                }
            }
            // A pattern on an address is a text like any other: `203.0.113.*`.
            for value in values() {
                if let Value::Pattern(pattern) = value {
                    for filler in ["7", "7.7", "7.7.7"] {
                        let text = pattern.text().replace('*', filler).replace('?', "7");
                        addresses.extend(text.parse::<IpAddr>().ok());
                    }
                }
            }
            addresses
                .into_iter()
                .filter(|address| !*public || is_public(address))
                .map(KeyValue::Address)
                .collect()
        }
        Range::Text { .. } | Range::OneOf(_) => Vec::new(),
    }
}

/// Preferred addresses, then the least element of each run of public addresses.
const STARTS: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7)),
    IpAddr::V4(Ipv4Addr::new(1, 0, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(11, 0, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(128, 0, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(172, 32, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(192, 169, 0, 0)),
    IpAddr::V4(Ipv4Addr::new(240, 0, 0, 0)),
    IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 2)),
];

fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_private() || v4.is_loopback() || v4.is_multicast() || v4.octets()[0] == 0)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_multicast() || v6.is_unspecified()),
    }
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|n| IpAddr::V6(n.into())),
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_sub(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_sub(1).map(|n| IpAddr::V6(n.into())),
    }
}

fn moments<'v>(
    values: impl Iterator<Item = &'v Value>,
    texts: impl Iterator<Item = String>,
) -> Vec<Timestamp> {
    let constants = values.filter_map(|value| match value {
        Value::Date(date) => Some(*date),
        Value::Number(seconds) => Timestamp::from_second(*seconds as i64).ok(),
        _ => None,
    });
    let second = jiff::SignedDuration::from_secs(1);
    let mut constants: Vec<Timestamp> = constants
        .chain(texts.filter_map(|text| moment(&text)))
        .collect();
    constants.sort_unstable();
    let mut moments = vec![Timestamp::UNIX_EPOCH];
    for moment in &constants {
        moments.push(*moment);
        moments.extend(moment.checked_add(second));
        moments.extend(moment.checked_sub(second));
    }
    // Between two moments less than two seconds apart there is still time.
    moments.extend(constants.windows(2).filter_map(|pair| {
        let half = pair[1].duration_since(pair[0]) / 2;
        pair[0].checked_add(half).ok()
    }));
    moments
}
