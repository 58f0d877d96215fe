//! What the script that writes a room answers.

use redis::Value;

use crate::presence::StoreTime;

use super::{
    history::{Noted, stream_id},
    rows::Field,
};

/// What the script answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub time: StoreTime,
    pub reply: Reply,
    /// What became of the item for the history.
    pub noted: Noted,
}

/// What became of the room, and of the entries for the log of events.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Written,
    Logged {
        id: String,
        count: usize,
    },
    LogRefused(String),
    /// The fields are as they are.
    NotWritten {
        fields: Vec<Field>,
        is_wanted: bool,
    },
}

impl Answer {
    /// None if the script never answers so.
    pub fn parse(answer: Value) -> Option<Self> {
        let (answer, noted) = match answer {
            Value::Array(parts) if parts.len() == 4 => {
                let [answer, id, count, dropped] = parts.try_into().ok()?;
                let id: String = redis::from_redis_value(id).ok()?;
                let count = redis::from_redis_value(count).ok()?;
                let dropped = redis::from_redis_value(dropped).ok()?;
                (answer, Noted::Outbox { id: stream_id(&id)?, count, dropped })
            }
            answer => (answer, Noted::Nothing),
        };
        let (micros, reply) = match answer {
            Value::Int(micros) => (micros, Reply::Written),
            Value::Array(parts) => Reply::parse(parts)?,
            _ => return None,
        };
        let time = StoreTime::from_micros(u64::try_from(micros).ok()?);
        Some(Self { time, reply, noted })
    }
}

impl Reply {
    /// Of an answer in several parts. Also returns the time.
    fn parse(mut parts: Vec<Value>) -> Option<(i64, Self)> {
        let number = if parts.len() == 3 { Some(parts.pop()?) } else { None };
        let number: Option<usize> = number.map(redis::from_redis_value).transpose().ok()?;
        let [micros, what] = parts.try_into().ok()?;
        let reply = match (what, number) {
            (fields @ Value::Array(_), Some(wanted)) => Self::NotWritten {
                fields: redis::from_redis_value(fields).ok()?,
                is_wanted: wanted == 1,
            },
            (id, Some(count)) => Self::Logged { id: redis::from_redis_value(id).ok()?, count },
            (reason, None) => Self::LogRefused(redis::from_redis_value(reason).ok()?),
        };
        Some((redis::from_redis_value(micros).ok()?, reply))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn an_answer_tells_the_time_and_what_became_of_the_write() {
        let answer = Answer::parse(Value::Int(1_764_428_000_123_456)).unwrap();
        assert_eq!(
            (answer.time.as_micros(), answer.reply),
            (1_764_428_000_123_456, Reply::Written)
        );
        let of = |parts: Vec<Value>| Answer::parse(Value::Array(parts)).map(|answer| answer.reply);
        let field = Value::Array(vec![text("r"), Value::Nil]);
        assert_eq!(
            of(vec![Value::Int(7), Value::Array(vec![field]), Value::Int(1)]),
            Some(Reply::NotWritten { fields: vec![(b"r".to_vec(), None)], is_wanted: true })
        );
        assert_eq!(
            of(vec![Value::Int(7), text("5-0"), Value::Int(2)]),
            Some(Reply::Logged { id: "5-0".to_owned(), count: 2 })
        );
        let refused = of(vec![Value::Int(7), text("NOPERM")]);
        assert_eq!(refused, Some(Reply::LogRefused("NOPERM".to_owned())));
        assert!(Answer::parse(Value::Okay).is_none());
        assert!(of(vec![Value::Int(7)]).is_none());
    }

    #[test]
    fn an_answer_also_tells_where_the_item_for_the_history_lies() {
        let noted = Noted::Outbox { id: (5, 1), count: 2, dropped: 3 };
        let of = |answer: Value| {
            let place = [text("5-1"), Value::Int(2), Value::Int(3)];
            Answer::parse(Value::Array([answer].into_iter().chain(place).collect()))
        };
        let time = StoreTime::from_micros(7);
        let written = Answer { time, reply: Reply::Written, noted };
        assert_eq!(of(Value::Int(7)), Some(written));
        let logged =
            Answer { time, reply: Reply::Logged { id: "9-0".to_owned(), count: 1 }, noted };
        assert_eq!(of(Value::Array(vec![Value::Int(7), text("9-0"), Value::Int(1)])), Some(logged));
    }
}
