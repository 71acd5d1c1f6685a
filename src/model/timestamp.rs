//! Points in time, to the millisecond.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

    /// Reads RFC 3339, to the millisecond.
    fn from_str(text: &str) -> Result<Timestamp, Invalid> {
        let time = text.parse::<jiff::Timestamp>();
        time.map(|time| Timestamp(time.as_millisecond()))
            .map_err(|_| Invalid::new("time", "must be a time as in RFC 3339, such as 2026-06-16T13:09:26Z"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
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
    fn a_minute_is_cut_to_its_beginning() {
        assert_eq!(Timestamp(1_781_615_366_023).minute().to_string(), "2026-06-16T13:09:00.000Z");
        assert_eq!(Timestamp(60_000).minute(), Timestamp(60_000));
    }
}
