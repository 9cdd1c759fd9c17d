//! Numbers as patterns compare them: by value, exactly.
//!
//! "Numeric matching is limited to values between -5.0e9 and +5.0e9 inclusive, with 15 digits of
//! precision, or six digits to the right of the decimal point" ("Comparison operators"). The guide
//! also says that 300, 300.0 and 3.0e2 are not considered equal; the service and Event Ruler
//! (`ComparableNumber`) take them for one, and so do we.

/// The largest number that compares, in millionths.
const LIMIT: i64 = 5_000_000_000_000_000;
/// Decimals that compare.
const DECIMALS: i64 = 6;
/// Decimal digits that a double keeps whatever they are: up to here a text and the double that a JSON
/// reader makes of it are the same number.
const FAITHFUL_DIGITS: usize = 15;

/// A number of a pattern or event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Number {
    /// One that compares, in millionths.
    Comparable(i64),
    /// One beyond the limits: it only equals itself.
    Beyond(String),
}

impl Number {
    /// The number of a JSON text, as `serde_json` reads it: digits beyond those of a double are gone.
    /// None if it is none, or larger than a double.
    pub(super) fn read(text: &str) -> Option<Number> {
        let decimal = Decimal::parse(text)?;
        if decimal.digits.len() <= FAITHFUL_DIGITS
            && let Some(millionths) = decimal.millionths()
        {
            return Some(Number::Comparable(millionths));
        }
        Some(Number::of(&serde_json::from_str(text).ok()?))
    }

    /// The number of a JSON value.
    pub(super) fn of(number: &serde_json::Number) -> Number {
        let text = number.to_string();
        match Decimal::parse(&text) {
            Some(decimal) => match decimal.millionths() {
                Some(millionths) => Number::Comparable(millionths),
                None => Number::Beyond(decimal.spelling()),
            },
            None => Number::Beyond(text),
        }
    }
}

/// The millionths that a number of a comparison means, if it is within the limits.
pub(super) fn comparable(text: &str) -> Option<i64> {
    Decimal::parse(text)?.millionths()
}

/// The millionths of a number without an exponent and with few digits, as most are. None if it is
/// another one, which may compare all the same.
pub(super) fn plain(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest.as_bytes()),
        None => (false, text.as_bytes()),
    };
    if digits.len() > FAITHFUL_DIGITS {
        return None;
    }
    let mut value = 0_i64;
    let mut decimals = None;
    for byte in digits {
        match (byte, &mut decimals) {
            (b'0'..=b'9', decimals) => {
                // At most fifteen digits.
                value = value * 10 + i64::from(byte - b'0');
                *decimals = decimals.map(|count| count + 1);
            }
            (b'.', None) => decimals = Some(0),
            _ => return None,
        }
    }
    let decimals: u32 = match decimals {
        // No digits behind the point, or too many.
        Some(count @ 1..=6) => count,
        Some(_) => return None,
        None => 0,
    };
    let first_is_digit = digits.first().is_some_and(u8::is_ascii_digit);
    let leading_zero =
        digits.first() == Some(&b'0') && digits.get(1).is_some_and(u8::is_ascii_digit);
    if !first_is_digit || leading_zero {
        return None;
    }
    let millionths = value.checked_mul(10_i64.pow(6 - decimals))?;
    (millionths <= LIMIT).then_some(if negative { -millionths } else { millionths })
}

/// A decimal number: `digits` times ten to the power of `exponent`, no zeros at either end.
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Decimal> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, power(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let kept = digits.trim_end_matches('0');
        let dropped = i64::try_from(digits.len() - kept.len()).ok()?;
        let exponent = exponent
            .saturating_sub(i64::try_from(fraction.len()).ok()?)
            .saturating_add(dropped);
        let kept = kept.trim_start_matches('0').to_owned();
        Some(Decimal {
            negative: negative && !kept.is_empty(),
            exponent: if kept.is_empty() { 0 } else { exponent },
            digits: kept,
        })
    }

    fn millionths(&self) -> Option<i64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let shift = u32::try_from(self.exponent.checked_add(DECIMALS)?).ok()?;
        let digits: i64 = self.digits.parse().ok()?;
        let millionths = digits.checked_mul(10_i64.checked_pow(shift)?)?;
        (millionths <= LIMIT).then_some(if self.negative {
            -millionths
        } else {
            millionths
        })
    }

    /// One text for every spelling of the same number.
    fn spelling(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{}e{}", self.digits, self.exponent)
    }
}

/// An exponent; one that no number of interest has is cut to a large one.
fn power(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size: i64 = digits.parse().unwrap_or(i64::MAX / 4);
    Some(if text.starts_with('-') { -size } else { size })
}

/// An inclusive range of millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Range {
    pub(super) low: i64,
    pub(super) high: i64,
}

impl Range {
    /// All numbers that compare.
    pub(super) const ALL: Range = Range {
        low: -LIMIT,
        high: LIMIT,
    };

    pub(super) fn contains(self, millionths: i64) -> bool {
        self.low <= millionths && millionths <= self.high
    }
}

#[cfg(test)]
mod tests {
    use super::{Number, plain};

    #[test]
    fn numbers_are_equal_by_value() {
        for text in [
            "300",
            "300.0",
            "3.0e2",
            "30E+1",
            "3000e-1",
            "300.00000000000000000000",
        ] {
            assert_eq!(
                Number::read(text),
                Some(Number::Comparable(300_000_000)),
                "{text}"
            );
        }
        for text in ["0", "-0", "0.0", "0e99999999999999999999", "-0.0e-5"] {
            assert_eq!(Number::read(text), Some(Number::Comparable(0)), "{text}");
        }
        assert_eq!(Number::read("-0.000001"), Some(Number::Comparable(-1)));
    }

    #[test]
    fn the_short_way_gives_the_same() {
        for text in [
            "0",
            "-0",
            "7",
            "-12.5",
            "0.000001",
            "499999999.99999",
            "300.0",
            "5000000000",
        ] {
            let millionths = plain(text);
            assert!(millionths.is_some(), "{text}");
            assert_eq!(
                Number::read(text),
                millionths.map(Number::Comparable),
                "{text}"
            );
        }
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "01",
            "1e3",
            "1.2.3",
            "5000000000.1",
            "0.0000001",
            "1234567890123456",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
    }

    #[test]
    fn the_limits_are_those_of_the_guide() {
        let comparable = |text| matches!(Number::read(text), Some(Number::Comparable(_)));
        assert!(comparable("5.0e9"));
        assert!(comparable("-5000000000"));
        assert!(comparable("4999999999.999999"));
        assert!(!comparable("5000000000.000001"));
        assert!(!comparable("-5000000001"));
        assert!(!comparable("0.0000001"));
        assert!(!comparable("111122223333"));
    }

    #[test]
    fn what_does_not_compare_equals_itself() {
        assert_eq!(
            Number::read("111122223333"),
            Number::read("1.11122223333e11")
        );
        assert_ne!(Number::read("111122223333"), Number::read("111122223334"));
        assert_eq!(Number::read("1e999"), None);
        assert_eq!(Number::read("five"), None);
    }
}
