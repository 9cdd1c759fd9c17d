//! Statements and conditions as formulas over a [`World`].

use ipnet::IpNet;
use z3::ast::{BV, Int};

use super::bucket_arn;
use super::callers::{Datum, Network, Slot, World};
use super::text::{Mode, Piece, Text, Truth, matches, matches_after};
use crate::generate::{Statement, Test};
use crate::untrusted::is_narrow;

impl World<'_> {
    /// Whether the statement applies: resource and conditions. `None` if the encoding cannot say.
    pub(super) fn applies(&mut self, statement: &Statement) -> Option<Truth> {
        let resource = self.covers_resource(statement)?;
        let tests = self.hold(statement, |_| true)?;
        Some(resource.and(tests))
    }

    fn covers_resource(&mut self, statement: &Statement) -> Option<Truth> {
        let key = self.object_key();
        let mut covered = Truth::Known(false);
        for pattern in &statement.resources {
            for (guard, pieces) in self.expand(pattern) {
                let covers = match &key {
                    None => matches(&Text::Known(bucket_arn()), &pieces, Mode::Like)?,
                    Some(key) => matches_after(&format!("{}/", bucket_arn()), key, &pieces)?,
                };
                covered = covered.or(guard.and(covers));
            }
        }
        Some(if statement.not_resource {
            covered.not()
        } else {
            covered
        })
    }

    fn hold(&mut self, statement: &Statement, which: impl Fn(&Test) -> bool) -> Option<Truth> {
        let mut all = Truth::Known(true);
        for test in statement.tests.iter().filter(|t| which(t)) {
            let variable = self.document.current && test.values.iter().any(|v| v.contains("${"));
            if self.aws && statement.allow && variable {
                // AWS: a value with a variable is not fixed.
                continue;
            }
            all = all.and(self.test(test)?);
        }
        Some(all)
    }

    fn test(&mut self, test: &Test) -> Option<Truth> {
        let slots = self.slots(&test.key.to_lowercase());
        let there = Truth::any(slots.iter().map(|s| s.there.clone()));
        if test.operator == "Null" {
            let absent = test.values.iter().any(|v| v == "true");
            return Some(if absent { there.not() } else { there });
        }
        let negated = test.operator.contains("Not");
        // Whether one value of the request satisfies the operator.
        let mut satisfied = Vec::new();
        for slot in &slots {
            let mut matched = Truth::Known(false);
            for value in &test.values {
                matched = matched.or(self.one(slot, test.operator, value)?);
            }
            satisfied.push(if negated { matched.not() } else { matched });
        }
        let pairs = || slots.iter().map(|s| s.there.clone()).zip(satisfied.clone());
        let some = Truth::any(pairs().map(|(there, holds)| there.and(holds)));
        let every = Truth::all(pairs().map(|(there, holds)| there.not().or(holds)));
        let result = match test.set {
            Some("ForAllValues") => every,
            Some(_) => some,
            None if negated => every,
            None => some,
        };
        Some(if test.if_exists {
            result.or(there.not())
        } else {
            result
        })
    }

    /// Whether a value of the request matches a value of the policy, negation aside.
    fn one(&mut self, slot: &Slot, operator: &str, value: &str) -> Option<Truth> {
        match &slot.value {
            Datum::SourceAddress => {
                let network = self.network();
                Some(in_block(&network, value))
            }
            Datum::Flag(flag) => {
                let flag = flag.clone();
                Some(if value == "true" { flag } else { flag.not() })
            }
            Datum::Number(number) => Some(compare(number, operator, value)),
            Datum::Text(text) => {
                // A star alone stands for any ARN; elsewhere the parts match one by one.
                let mode = if operator.starts_with("Arn") && value == "*" {
                    Mode::Like
                } else if operator.starts_with("Arn") {
                    Mode::Arn
                } else if operator.ends_with("IgnoreCase") {
                    Mode::EqualsIgnoreCase
                } else if operator.ends_with("Like") {
                    Mode::Like
                } else {
                    Mode::Equals
                };
                self.matches(&text.clone(), value, mode)
            }
        }
    }

    /// Whether a text matches a text of the policy, variables put in.
    fn matches(&mut self, text: &Text, written: &str, mode: Mode) -> Option<Truth> {
        let mut result = Truth::Known(false);
        for (guard, pieces) in self.expand(written) {
            if let Truth::Known(false) = guard {
                continue;
            }
            result = result.or(guard.and(matches(text, &pieces, mode)?));
        }
        Some(result)
    }

    /// The ways to put values in for variables, each with when it is the one. A variable without
    /// value and default leaves no way.
    fn expand(&mut self, written: &str) -> Vec<(Truth, Vec<Piece>)> {
        let mut ways = vec![(Truth::Known(true), Vec::new())];
        let push = |ways: &mut Vec<(Truth, Vec<Piece>)>, piece: &Piece| {
            for (_, pieces) in ways {
                pieces.push(piece.clone());
            }
        };
        if !self.document.current {
            push(&mut ways, &Piece::Written(written.to_owned()));
            return ways;
        }
        let mut rest = written;
        while let Some(start) = rest.find("${") {
            let Some(length) = rest[start..].find('}') else {
                break;
            };
            push(&mut ways, &Piece::Written(rest[..start].to_owned()));
            let inside = &rest[start + 2..start + length];
            rest = &rest[start + length + 1..];
            if let "*" | "?" | "$" = inside {
                push(&mut ways, &Piece::Plain(Text::Known(inside.to_owned())));
                continue;
            }
            let (key, default) = match inside.split_once(',') {
                Some((key, default)) => (key, Some(default.trim().trim_matches('\''))),
                None => (inside, None),
            };
            let slots = self.slots(&key.trim().to_lowercase());
            let there = Truth::any(slots.iter().map(|s| s.there.clone()));
            let mut more = Vec::new();
            for (guard, pieces) in ways {
                for slot in &slots {
                    if let Datum::Text(value) = &slot.value {
                        let mut pieces = pieces.clone();
                        pieces.push(Piece::Plain(value.clone()));
                        more.push((guard.clone().and(slot.there.clone()), pieces));
                    }
                }
                if let Some(default) = default {
                    let mut pieces = pieces.clone();
                    pieces.push(Piece::Plain(Text::Known(default.to_owned())));
                    more.push((guard.and(there.clone().not()), pieces));
                }
            }
            ways = more;
        }
        push(&mut ways, &Piece::Written(rest.to_owned()));
        ways
    }

    /// Whether a narrow block holds the source address while no wider one does: of one of an Allow's
    /// tests, which must all hold, or of a Deny's NotIpAddress tests together, each of which spares.
    pub(super) fn held_narrowly(&mut self, statement: &Statement, operator: &str) -> Truth {
        let tests: Vec<&Test> = statement
            .tests
            .iter()
            .filter(|t| is_source_test(t, operator))
            .collect();
        if tests.is_empty() {
            return Truth::Known(false);
        }
        let network = self.network();
        let held = |tests: &[&Test], narrow: bool| {
            let blocks = tests.iter().flat_map(|t| &t.values);
            Truth::any(
                blocks
                    .filter(|b| block(b).is_some_and(|b| is_narrow(b) == narrow))
                    .map(|b| in_block(&network, b)),
            )
        };
        let narrowly = |tests: &[&Test]| held(tests, true).and(held(tests, false).not());
        if operator == "NotIpAddress" {
            narrowly(&tests)
        } else {
            Truth::any(tests.iter().map(|test| narrowly(&[*test])))
        }
    }

    /// Whether a Deny would apply but for the narrow block of its NotIpAddress.
    pub(super) fn spared_narrowly(&mut self, statement: &Statement) -> Option<Truth> {
        let held = self.held_narrowly(statement, "NotIpAddress");
        if let Truth::Known(false) = held {
            return Some(held);
        }
        let resource = self.covers_resource(statement)?;
        let rest = self.hold(statement, |t| !is_source_test(t, "NotIpAddress"))?;
        Some(held.and(resource).and(rest))
    }
}

fn is_source_test(test: &Test, operator: &str) -> bool {
    test.operator == operator && test.key.eq_ignore_ascii_case("aws:sourceip")
}

pub(super) fn block(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

/// Whether the source address is in a block: the leading bits are equal.
pub(super) fn in_block(network: &Network, text: &str) -> Truth {
    let Some(block) = block(text) else {
        return Truth::Known(false);
    };
    let (family, address, width, bits) = match block {
        IpNet::V4(v4) => (
            &network.is_v4,
            &network.v4,
            32,
            u128::from(v4.network().to_bits()),
        ),
        IpNet::V6(v6) => (&network.is_v6, &network.v6, 128, v6.network().to_bits()),
    };
    let length = u32::from(block.prefix_len());
    if length == 0 {
        return Truth::Open(family.clone());
    }
    let leading = address.extract(width - 1, width - length);
    let Some(expected) = BV::from_str(length, &(bits >> (width - length)).to_string()) else {
        return Truth::Known(false);
    };
    Truth::Open(z3::ast::Bool::and(&[family, &leading.eq(&expected)]))
}

fn compare(number: &Int, operator: &str, value: &str) -> Truth {
    let constant = value
        .parse::<i64>()
        .ok()
        .or_else(|| value.parse::<jiff::Timestamp>().ok().map(|t| t.as_second()));
    let Some(constant) = constant.map(Int::from_i64) else {
        return Truth::Known(false);
    };
    let name = operator
        .trim_start_matches("Numeric")
        .trim_start_matches("Date");
    Truth::Open(match name {
        "LessThan" => number.lt(&constant),
        "LessThanEquals" => number.le(&constant),
        "GreaterThan" => number.gt(&constant),
        "GreaterThanEquals" => number.ge(&constant),
        _ => number.eq(&constant),
    })
}
