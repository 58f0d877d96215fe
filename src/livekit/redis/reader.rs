//! One reading of LiveKit's Redis: whole or in pieces, never more than is allowed, and decoded where it holds up nobody.

use std::{collections::HashMap, time::Instant};

use redis::{RedisError, RedisResult};
use tokio::time::timeout;

use crate::{
    blocking,
    presence::SessionInfo,
    redis_client::{ANSWER, no_answer},
};

use super::{
    connection::Fields,
    error::LiveKitRedisError,
    keys,
    lost::told,
    messages::{self, Unreadable},
    room_object::RoomObject,
    shared::{Access, Shared},
    sizes::{MAX_BYTES, WHOLE_BYTES},
    spending::{Payment, Spending},
};

/// What a piece brings, about. At 10 MB a second what comes behind it waits for 13 ms.
const PIECE_BYTES: usize = 128 * 1024;
/// Fields of the first piece.
const FIRST_COUNT: usize = 16;
const MAX_COUNT: usize = 1_000;
/// What is decoded on the thread that received it: within a millisecond.
const INLINE_BYTES: usize = WHOLE_BYTES;

type Read<T> = Result<T, LiveKitRedisError>;

pub(super) struct Reader<'shared> {
    shared: &'shared Shared,
    access: Access,
    spending: Spending<'shared>,
}

impl<'shared> Reader<'shared> {
    pub fn new(shared: &'shared Shared, payment: Payment) -> Read<Self> {
        Ok(Self { shared, access: shared.access()?, spending: Spending::new(shared, payment) })
    }

    /// The people whom a hash has, and how much that was.
    pub async fn people(&mut self, key: &str) -> Read<(Vec<SessionInfo>, usize)> {
        self.may_read(key)?;
        let people = if self.access.is_sparing {
            let bytes = self.answer(self.access.connection.clone().bytes_of(key)).await?;
            let bytes = bytes.unwrap_or_default();
            self.allow(bytes).await?;
            if bytes > WHOLE_BYTES {
                self.people_in_pieces(key).await?
            } else {
                let fields = self.all_fields(key).await?;
                self.decode(fields).await?.map(|(_, session)| session).collect()
            }
        } else {
            let fields = self.unmeasured(key).await?;
            self.decode(fields).await?.map(|(_, session)| session).collect()
        };
        self.shared.sizes().read(key, self.spending.bytes(), Instant::now());
        Ok((people, self.spending.bytes()))
    }

    /// The names of all rooms, as they are.
    pub async fn room_names(&mut self) -> Read<Vec<Vec<u8>>> {
        if !self.access.is_sparing {
            self.may_read(keys::ROOMS)?;
            let fields = self.unmeasured(keys::ROOMS).await?;
            self.shared.sizes().read(keys::ROOMS, self.spending.bytes(), Instant::now());
            return Ok(fields.into_iter().map(|(name, _)| name).collect());
        }
        self.spending.afford(0).await?;
        let names = self.answer(self.access.connection.clone().room_names()).await?;
        self.spending.brought(names.iter().map(Vec::len).sum());
        Ok(names)
    }

    pub async fn room(&mut self, name: &str) -> Read<Option<RoomObject>> {
        let bytes = if self.access.is_sparing {
            self.answer(self.access.connection.clone().room_bytes(name)).await?
        } else {
            0
        };
        self.allow(bytes).await?;
        let value = self.answer(self.access.connection.clone().room(name)).await?;
        let Some(value) = value else { return Ok(None) };
        let bytes = value.len();
        self.spending.brought(bytes);
        let room = decode(bytes, move || messages::room(&value)).await;
        room.map(Some).map_err(|error| self.unreadable(&error))
    }

    /// What was read so far.
    pub fn bytes(&self) -> usize {
        self.spending.bytes()
    }

    /// Readings of this key do not take too long.
    fn may_read(&self, key: &str) -> Read<()> {
        match self.shared.sizes().may_read(key, Instant::now()) {
            true => Ok(()),
            false => Err(LiveKitRedisError::TooLarge { bytes: None }),
        }
    }

    /// What is this large may be read, now.
    async fn allow(&mut self, bytes: usize) -> Read<()> {
        if bytes > MAX_BYTES {
            return Err(LiveKitRedisError::TooLarge { bytes: Some(bytes) });
        }
        self.spending.afford(bytes).await
    }

    /// All fields of a hash whose size cannot be asked.
    async fn unmeasured(&mut self, key: &str) -> Read<Fields> {
        let expected = self.shared.sizes().expected(key);
        self.spending.afford(expected).await?;
        let _turn = if expected > WHOLE_BYTES { Some(self.shared.turn().await) } else { None };
        self.all_fields(key).await
    }

    async fn all_fields(&mut self, key: &str) -> Read<Fields> {
        let mut connection = self.access.connection.clone();
        let fields = self.in_order(key, connection.all_fields(key)).await?;
        self.spending.brought(size_of(&fields));
        Ok(fields)
    }

    /// Reads a hash in pieces, between which others are answered. Somebody who comes or goes meanwhile may be in it or not; for
    /// everybody else it is as if it was read at once, later than this began.
    async fn people_in_pieces(&mut self, key: &str) -> Read<Vec<SessionInfo>> {
        let _turn = self.shared.turn().await;
        let mut people = HashMap::new();
        let (mut cursor, mut count) = (0, FIRST_COUNT);
        loop {
            let mut connection = self.access.connection.clone();
            let some_fields = connection.some_fields(key, cursor, count);
            let (next, fields) = self.in_order(key, some_fields).await?;
            let bytes = size_of(&fields);
            self.spending.brought(bytes);
            if self.spending.bytes() > MAX_BYTES {
                return Err(LiveKitRedisError::TooLarge { bytes: Some(self.spending.bytes()) });
            }
            count = next_count(fields.len(), bytes);
            // One who comes twice was described later the second time.
            people.extend(self.decode(fields).await?);
            if next == 0 {
                return Ok(people.into_values().collect());
            }
            cursor = next;
        }
    }

    async fn decode(
        &self,
        fields: Fields,
    ) -> Read<impl Iterator<Item = (Vec<u8>, SessionInfo)> + use<>> {
        let decoded = decode(size_of(&fields), move || {
            let people = fields.into_iter().map(|(identity, value)| {
                messages::participant(&value).map(|session| (identity, session))
            });
            people.collect::<Result<Vec<_>, _>>()
        });
        Ok(decoded.await.map_err(|error| self.unreadable(&error))?.into_iter())
    }

    fn unreadable(&self, error: &Unreadable) -> LiveKitRedisError {
        LiveKitRedisError::unreadable(error, self.spending.bytes())
    }

    /// The answer to a reading that may be large. If there is none in time, and there was one to everything before it, the key
    /// is noted as slow.
    async fn in_order<T>(
        &self,
        key: &str,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Read<T> {
        let reading = self.shared.under_way().begin();
        let answer = within(answer).await;
        let is_slow = answer.as_ref().is_err_and(RedisError::is_timeout);
        if !is_slow {
            self.shared.under_way().answered(reading);
        } else if self.shared.under_way().is_first(reading) {
            self.shared.sizes().slow(key, Instant::now());
        }
        self.answer(async { answer }).await
    }

    async fn answer<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> Read<T> {
        let answer = within(answer).await.map_err(down)?;
        self.shared.answered();
        Ok(answer)
    }
}

/// Decodes what is this large.
async fn decode<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes > INLINE_BYTES { blocking::run(work).await } else { work() }
}

/// How many fields the next piece has, after one that had these.
fn next_count(fields: usize, bytes: usize) -> usize {
    (PIECE_BYTES * fields.max(1) / bytes.max(1)).clamp(1, MAX_COUNT)
}

fn size_of(fields: &Fields) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.len()).sum()
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` has")]
fn down(error: RedisError) -> LiveKitRedisError {
    LiveKitRedisError::Down(told(&error))
}

/// An answer, or the error that there was none in time.
pub(super) async fn within<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(no_answer()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_as_large_as_the_fields_of_the_last_one_let_expect() {
        for (fields, bytes, count) in [
            (16, 16 * 600, 218),
            (16, 16 * 65_536, 2),
            (1, 64 * 1024 * 1024, 1),
            (16, 160, 1_000),
            (0, 0, 1_000),
        ] {
            assert_eq!(next_count(fields, bytes), count, "{fields} of {bytes}");
        }
    }
}
