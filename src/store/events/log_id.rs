//! A position in the log of events.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A position in the log of events, `milliseconds-number` on the wire. Positions only rise, also where the log ended and began
/// again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    millis: u64,
    sequence: u64,
}

/// A text is not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position in the log of events is two numbers, such as 1795391850268-0")]
pub struct InvalidLogId;

impl LogId {
    /// By the store's clock, in milliseconds since the Unix epoch.
    pub fn millis(self) -> u64 {
        self.millis
    }

    /// A later position than this one, given at `now_millis`.
    #[must_use]
    pub fn next(self, now_millis: u64) -> Self {
        if now_millis > self.millis {
            return Self { millis: now_millis, sequence: 0 };
        }
        Self { sequence: self.sequence + 1, ..self }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}

impl FromStr for LogId {
    type Err = InvalidLogId;

    /// Takes only what [`fmt::Display`] writes: no signs, and no leading zeros.
    fn from_str(text: &str) -> Result<Self, InvalidLogId> {
        let (millis, sequence) = text.split_once('-').ok_or(InvalidLogId)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| InvalidLogId);
        let id = Self { millis: number(millis)?, sequence: number(sequence)? };
        if id.to_string() == text { Ok(id) } else { Err(InvalidLogId) }
    }
}

impl Serialize for LogId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written_and_nothing_else_is_one() {
        let id = LogId { millis: 1_795_391_850_268, sequence: 7 };
        assert_eq!(id.to_string(), "1795391850268-7");
        assert_eq!("1795391850268-7".parse(), Ok(id));
        for wrong in
            ["", "1", "-", "1-", "-1", "1-2-3", "+1-2", "01-2", "1-x", "99999999999999999999-0"]
        {
            assert_eq!(wrong.parse::<LogId>(), Err(InvalidLogId), "{wrong:?}");
        }
    }

    #[test]
    fn positions_rise_also_within_a_millisecond_and_when_the_clock_steps_back() {
        let first = LogId::default().next(5);
        let ids = [first, first.next(5), first.next(5).next(4), first.next(6)];
        assert_eq!(ids.map(|id| id.to_string()), ["5-0", "5-1", "5-2", "6-0"]);
    }
}
