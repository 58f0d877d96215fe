//! Bodies that are frames. A slow client keeps its frame in memory, so a body is counted until its last byte is in the socket.

use std::{ops::Range, sync::Arc};

use axum::body::Bytes;
use tokio::sync::Notify;

use crate::{
    delivery::{CutOff, Pin, Pinned},
    http::problem::Problem,
    sse::{Frame, PREFIX_BYTES},
};

/// The connection that an answer goes to, in the extensions of every request.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct SlowClient(Arc<Notify>);

/// A frame, or a part of it, as an answer's body. Streams and other answers may be sending the same one.
pub(in crate::http) struct KeptFrame {
    frame: Arc<Frame>,
    part: Range<usize>,
}

impl SlowClient {
    /// Resolves when slow clients keep too much and this one is the slowest: its connection is then closed.
    pub async fn cut_off(&self) {
        self.0.notified().await;
    }

    fn cutting_off(&self) -> CutOff {
        let client = Arc::clone(&self.0);
        Box::new(move |_| client.notify_one())
    }
}

impl KeptFrame {
    /// A part of a frame, with the framing of its chunk.
    pub fn part(frame: Arc<Frame>, part: Range<usize>) -> Self {
        Self { frame, part }
    }

    /// The whole text of a frame.
    pub fn whole(frame: Arc<Frame>) -> Self {
        let part = PREFIX_BYTES..PREFIX_BYTES + frame.plain().len();
        Self { frame, part }
    }

    /// The body, counted from now on until it is dropped.
    ///
    /// # Errors
    /// Slow clients keep too much already, and none of them has been slow for long enough to be cut off.
    pub fn into_bytes(self, pinned: &Arc<Pinned>, client: &SlowClient) -> Result<Bytes, Problem> {
        let pin = pinned.pin_answer(&self.frame, client.cutting_off()).ok_or_else(|| {
            Problem::unavailable("too many lists are on their way to slow clients; ask again", 1)
        })?;
        Ok(Bytes::from_owner(Counted { frame: self.frame, part: self.part, _pin: pin }))
    }
}

struct Counted {
    frame: Arc<Frame>,
    part: Range<usize>,
    _pin: Pin,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.frame.chunked()[self.part.clone()]
    }
}
