//! Durations as people write them: `90s`, `15m`, `24h`, `30d`.

use std::time::Duration;

use thiserror::Error;

use crate::model::LONGEST_LIFETIME;

const MAX_SECONDS: u64 = LONGEST_LIFETIME.as_secs();

/// The text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a number and s, m, h or d, such as 24h: from 1s to 36500d")]
pub struct InvalidDuration;

/// Parses a whole number followed by `s`, `m`, `h` or `d`; at least one second, at most a century.
///
/// # Errors
///
/// For any other text.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let unit = text.bytes().last().ok_or(InvalidDuration)?;
    let seconds = match unit {
        b's' => 1,
        b'm' => 60,
        b'h' => 60 * 60,
        b'd' => 24 * 60 * 60,
        _ => return Err(InvalidDuration),
    };
    let number = &text[..text.len() - 1];
    // `parse` would take a sign.
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidDuration);
    }
    let total = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    match total {
        Some(total @ 1..=MAX_SECONDS) => Ok(Duration::from_secs(total)),
        _ => Err(InvalidDuration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        let check =
            |text, seconds| assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        check("1s", 1);
        check("15m", 900);
        check("24h", 86_400);
        check("30d", 2_592_000);
        check("36500d", MAX_SECONDS);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "s",
            "30",
            "30 d",
            " 30d",
            "30d ",
            "+1s",
            "-1s",
            "1.5h",
            "1h30m",
            "0s",
            "30D",
            "30w",
            "1é",
            "36501d",
            "99999999999999999999s",
            "18446744073709551615d",
            "１s",
        ] {
            assert_eq!(parse_duration(text), Err(InvalidDuration), "{text}");
        }
    }
}
