//! Times as people and programs write them: RFC 3339, or milliseconds since the Unix epoch.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};

/// The last millisecond of the year 9999, after which RFC 3339 has no times.
const LATEST: i64 = 253_402_300_799_999;
const MINUTE: i64 = 60_000;

/// A time in milliseconds, written as RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339(pub i64);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since_epoch = Duration::from_millis(self.0.clamp(0, LATEST).unsigned_abs());
        write!(f, "{}", humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch))
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads milliseconds, a date, or a date and a time with its offset from UTC. None for anything else.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|millis| *millis <= LATEST);
    }
    if !text.is_ascii() {
        return None;
    }
    if text.len() == "2018-02-14".len() {
        return utc(&format!("{text}T00:00:00"));
    }
    let text = text.to_ascii_uppercase();
    if let Some(time) = text.strip_suffix('Z') {
        return utc(time);
    }
    let (time, offset) = text.split_at_checked(text.len().checked_sub("+01:00".len())?)?;
    let millis = utc(time)?.checked_sub(offset_of(offset)?)?;
    (0..=LATEST).contains(&millis).then_some(millis)
}

/// A date and a time without an offset.
fn utc(time: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339(&format!("{time}Z")).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// An offset such as `+01:00`. In an address a plus that is not escaped is a space.
fn offset_of(offset: &str) -> Option<i64> {
    let (sign, rest) = offset.split_at_checked(1)?;
    let sign = match sign {
        "+" | " " => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str, most: i64| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| is_number && *number <= most)
    };
    Some(sign * (number(hours, 23)? * 60 + number(minutes, 59)?) * MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_milliseconds_a_date_or_rfc_3339_with_any_offset() {
        let cases = [
            ("1795391850268", Some(1_795_391_850_268)),
            ("0", Some(0)),
            ("2026-11-22T23:57:30.268Z", Some(1_795_391_850_268)),
            ("2026-11-22t23:57:30z", Some(1_795_391_850_000)),
            ("2026-11-23T01:57:30.268+02:00", Some(1_795_391_850_268)),
            ("2026-11-23T01:57:30.268 02:00", Some(1_795_391_850_268)),
            ("2026-11-22T18:27:30-05:30", Some(1_795_391_850_000)),
            ("2026-11-22", Some(1_795_305_600_000)),
            ("1970-01-01T00:30:00+01:00", None),
            ("2026-02-30T00:00:00Z", None),
            ("2026-11-22T23:57:30", None),
            ("2026-11-22T23:57:30+2:00", None),
            ("2026-11-22T23:57:30+24:00", None),
            ("99999999999999999999", None),
            ("253402300800000", None),
            ("-5", None),
            ("1e12", None),
            ("yesterday", None),
            ("２０２６-11-22", None),
            ("+01:00", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_time_is_written_with_its_milliseconds_and_read_back() {
        assert_eq!(Rfc3339(1_795_391_850_268).to_string(), "2026-11-22T23:57:30.268Z");
        assert_eq!(Rfc3339(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Rfc3339(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Rfc3339(-1).to_string(), "1970-01-01T00:00:00.000Z");
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..1_000 {
            let millis = random.i64(0..=LATEST);
            assert_eq!(parse(&Rfc3339(millis).to_string()), Some(millis));
        }
    }
}
