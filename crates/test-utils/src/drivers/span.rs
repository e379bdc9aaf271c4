// SPDX-License-Identifier: GPL-2.0-or-later
//! Durations as people write them: `250ms`, `1.5s`, `40us`.

use core::time::Duration;

/// Text that is no duration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no duration: a number with s, ms or us is expected, as in 250ms or 1.5s")]
pub struct BadDuration(pub String);

/// Reads a duration of at most a day.
///
/// # Errors
///
/// [`BadDuration`] for anything but a non-negative decimal number and one of the units.
pub fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let bad = || BadDuration(text.to_owned());
    let (number, unit) = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0)]
        .into_iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .ok_or_else(bad)?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(bad());
    }
    let seconds = number.parse::<f64>().map_err(|_| bad())? * unit;
    if seconds > 86_400.0 {
        return Err(bad());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
}

/// Writes a duration so that [`parse_duration`] reads it back.
#[must_use]
pub fn show_duration(span: Duration) -> String {
    let us = span.as_micros();
    if us == 0 || us.is_multiple_of(1_000_000) {
        format!("{}s", us / 1_000_000)
    } else if us.is_multiple_of(1_000) {
        format!("{}ms", us / 1_000)
    } else {
        format!("{us}us")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_parse_and_come_back() {
        for (text, ms, shown) in [("250ms", 250, "250ms"), ("1.5s", 1500, "1500ms"), ("3s", 3000, "3s")] {
            let span = parse_duration(text).expect("valid");
            assert_eq!(span, Duration::from_millis(ms));
            assert_eq!(show_duration(span), shown);
        }
        assert_eq!(parse_duration("40us"), Ok(Duration::from_micros(40)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "10", "-1s", "1e3s", "1.2.3s", "90000s", "ms"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
