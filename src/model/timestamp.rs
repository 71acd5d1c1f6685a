//! Points in time, to the millisecond.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::fmt::temporal::Pieces;
use serde::{Deserialize, Serialize};

use super::Invalid;

/// The longest time that anything may be set to live, a century: beyond it lies a typing error, and
/// arithmetic with times that could overflow.
pub const LONGEST_LIFETIME: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

/// Milliseconds since 1970 in UTC. Written as RFC 3339: `2026-06-16T13:09:26.023Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The system clock's time.
    #[must_use]
    pub fn now() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// The time that lies `milliseconds` after 1970 began.
    #[must_use]
    pub const fn from_millis(milliseconds: i64) -> Timestamp {
        Timestamp(milliseconds)
    }

    /// The time that lies `seconds` after 1970 began.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds.saturating_mul(1000))
    }

    /// The whole seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The milliseconds since 1970 began.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The beginning of the minute that this time lies in.
    #[must_use]
    pub const fn minute(self) -> Timestamp {
        Timestamp(self.0 - self.0.rem_euclid(60_000))
    }

    /// The time `duration` earlier; `None` where that lies before 1970.
    #[must_use]
    pub fn before(self, duration: std::time::Duration) -> Option<Timestamp> {
        let earlier = self.0.checked_sub(i64::try_from(duration.as_millis()).ok()?)?;
        (earlier >= 0).then_some(Timestamp(earlier))
    }

    /// The time `duration` later.
    #[must_use]
    pub fn after(self, duration: std::time::Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;

    /// Reads RFC 3339, to the millisecond, so that what was read can be written. What lies in its last year, beyond what
    /// can be counted, as `9999-12-31T23:59:59Z` does, which people write for "without end", is the last moment that can.
    fn from_str(text: &str) -> Result<Timestamp, Invalid> {
        let last = jiff::Timestamp::MAX.as_second() * 1000;
        let read = text.parse::<jiff::Timestamp>().map(|time| time.as_millisecond().min(last)).ok();
        read.or_else(|| is_in_the_last_year(text).then_some(last)).map(Timestamp).ok_or_else(|| {
            Invalid::new("time", "must be a time as in RFC 3339, such as 2026-06-16T13:09:26Z")
        })
    }
}

fn is_in_the_last_year(text: &str) -> bool {
    Pieces::parse(text)
        .is_ok_and(|time| time.date().year() == 9999 && time.time().is_some() && time.offset().is_some())
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A record that was tampered with may have any number; showing it must not be the end of whoever looks.
        let end = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or(end);
        write!(f, "{time:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(Timestamp(1_781_615_366_023).to_string(), "2026-06-16T13:09:26.023Z");
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn the_last_day_of_all_is_a_time_and_what_is_none_is_not() {
        let last = Timestamp(jiff::Timestamp::MAX.as_second() * 1000);
        for text in [
            "9999-12-30T22:00:00.999Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999-12:00",
            "9999-12-30T23:00:00+00:00",
        ] {
            assert_eq!(text.parse(), Ok(last), "{text}");
        }
        assert_eq!(last.to_string().parse(), Ok(last));
        for number in [i64::MIN, last.0 + 1, i64::MAX] {
            assert!(Timestamp(number).to_string().contains("9999-"));
        }
        assert!("9999-12-30T00:00:00Z".parse::<Timestamp>().unwrap() < last);
        for text in
            ["9999-12-31", "9999-12-31T23:59:59", "9999-12-32T00:00:00Z", "9999-13-01T00:00:00Z", "9999"]
        {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_minute_is_cut_to_its_beginning() {
        assert_eq!(Timestamp(1_781_615_366_023).minute().to_string(), "2026-06-16T13:09:00.000Z");
        assert_eq!(Timestamp(60_000).minute(), Timestamp(60_000));
    }
}
