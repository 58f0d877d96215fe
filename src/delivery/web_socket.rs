//! What a connection has besides if it is a WebSocket: what its client sends, and the answers that wait for the socket.

use std::sync::Arc;

use crate::{
    sse::Frame,
    web_socket::{Close, Decoder, Incoming, Violation, pong},
};

use super::{client_messages::ClientMessages, close_reason::CloseReason};

/// A client's frames and bytes are paid for in milliseconds of its time. A frame costs this,
const FRAME_COST: u64 = 100;
/// and this many bytes cost a millisecond.
const BYTES_PER_MILLISECOND: usize = 16;
/// In milliseconds: a client sends the rest of a message that it has begun within this time, as far as is looked.
const MESSAGE_TIMEOUT: u64 = 10_000;
/// A client may be ahead of its time by this: by 200 frames, or by 320 KB.
const MAX_AHEAD: u64 = 20_000;

pub(super) struct WebSocket {
    pub client: Arc<dyn ClientMessages>,
    /// None while nothing is under way, which is nearly always.
    under_way: Option<Box<UnderWay>>,
    /// In the worker's milliseconds: until when the client's frames and bytes are paid for.
    spent_until: u64,
    input: Input,
    awaits_reply: bool,
}

#[derive(Default)]
struct UnderWay {
    /// What the client has sent of its next frame or message.
    decoder: Decoder,
    /// In the worker's milliseconds: since when the rest of it is waited for.
    incomplete_since: Option<u64>,
    /// The answer to a message, and to the newest ping. They wait for the socket.
    answer: Option<Arc<Frame>>,
    pong: Option<Arc<Frame>>,
    /// The last frame, if it is another than the reason of the end gives.
    last: Option<Arc<Frame>>,
}

/// What becomes of what the client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Read,
    /// It cannot be read any more, and is thrown away.
    Broken,
    /// The client has sent its close frame: nothing follows.
    Closed,
}

impl WebSocket {
    pub fn new(client: Arc<dyn ClientMessages>) -> Self {
        Self { client, under_way: None, spent_until: 0, input: Input::Read, awaits_reply: false }
    }

    /// Takes what was read of the socket. False if the client has sent too much lately.
    pub fn push(&mut self, bytes: &[u8], now: u64) -> bool {
        if self.input == Input::Read && !bytes.is_empty() {
            self.under_way().decoder.push(bytes);
        }
        self.spend(bytes.len().div_ceil(BYTES_PER_MILLISECOND) as u64, now)
    }

    /// The client's next frame, if one has arrived whole.
    ///
    /// # Errors
    /// Why the connection must end.
    pub fn next(&mut self, now: u64) -> Result<Option<Incoming>, CloseReason> {
        let Some(under_way) = &mut self.under_way else { return Ok(None) };
        let next = under_way.decoder.next_frame().map_err(CloseReason::of_violation);
        match next {
            Ok(None) if !under_way.decoder.is_empty() => {
                under_way.incomplete_since.get_or_insert(now);
            }
            _ if under_way.decoder.is_within_message() => {}
            _ => under_way.incomplete_since = None,
        }
        let next = match next {
            Ok(Some(_)) if !self.spend(FRAME_COST, now) => Err(CloseReason::TooMuchInput),
            next => next,
        };
        match next {
            Ok(Some(Incoming::Close(_))) => self.stop_reading(Input::Closed),
            Err(_) => self.stop_reading(Input::Broken),
            Ok(_) => {}
        }
        self.tidy_up();
        next
    }

    /// Whether the client has begun a message and does not send the rest.
    pub fn is_stuck(&self, now: u64) -> bool {
        let since = self.under_way.as_ref().and_then(|under_way| under_way.incomplete_since);
        since.is_some_and(|since| since.saturating_add(MESSAGE_TIMEOUT) <= now)
    }

    /// Nothing that the client sends is read any more.
    pub fn break_off(&mut self) {
        self.stop_reading(Input::Broken);
    }

    fn stop_reading(&mut self, input: Input) {
        self.input = input;
        if let Some(under_way) = &mut self.under_way {
            under_way.decoder = Decoder::default();
            under_way.incomplete_since = None;
        }
        self.tidy_up();
    }

    fn under_way(&mut self) -> &mut UnderWay {
        self.under_way.get_or_insert_default()
    }

    fn tidy_up(&mut self) {
        self.under_way.take_if(|under_way| {
            let UnderWay { decoder, answer, pong, last, .. } = &**under_way;
            decoder.is_empty() && answer.is_none() && pong.is_none() && last.is_none()
        });
    }

    fn spend(&mut self, cost: u64, now: u64) -> bool {
        self.spent_until = self.spent_until.max(now).saturating_add(cost);
        self.spent_until <= now.saturating_add(MAX_AHEAD)
    }

    /// Whether the client's next frames wait: for the reply to a message, or until its answer is written.
    pub fn is_busy(&self) -> bool {
        self.awaits_reply || self.under_way.as_ref().is_some_and(|one| one.answer.is_some())
    }

    /// Whether a message of the client is being answered.
    pub fn awaits_reply(&self) -> bool {
        self.awaits_reply
    }

    pub fn await_reply(&mut self) {
        self.awaits_reply = true;
    }

    pub fn replied(&mut self, answer: Option<Arc<Frame>>) {
        self.awaits_reply = false;
        if answer.is_some() {
            self.under_way().answer = answer;
        }
    }

    /// Answers a ping. An earlier one that was not answered yet need not be (RFC 6455, 5.5.3).
    pub fn pong(&mut self, payload: &[u8]) {
        self.under_way().pong = Some(Arc::new(Frame::of_web_socket(pong(payload))));
    }

    /// What to write next besides the newest of the topics.
    pub fn pending(&self) -> Option<Arc<Frame>> {
        let under_way = self.under_way.as_ref()?;
        under_way.answer.clone().or_else(|| under_way.pong.clone())
    }

    /// That was written, or begun.
    pub fn pending_written(&mut self) {
        let under_way = self.under_way();
        if under_way.answer.take().is_none() {
            under_way.pong = None;
        }
        self.tidy_up();
    }

    /// Whether the client has closed its side.
    pub fn is_closed(&self) -> bool {
        self.input == Input::Closed
    }

    pub fn set_last(&mut self, frame: Vec<u8>) {
        self.under_way().last = Some(Arc::new(Frame::of_web_socket(frame)));
    }

    /// The frame that closes the connection for this reason.
    pub fn last(&mut self, reason: CloseReason) -> Arc<Frame> {
        let by_reason = || Arc::new(Frame::of_web_socket(reason.close().encode()));
        let last = self.under_way.as_mut().and_then(|under_way| under_way.last.take());
        last.unwrap_or_else(by_reason)
    }
}

impl CloseReason {
    fn of_violation(violation: Violation) -> Self {
        match violation {
            Violation::Protocol => Self::Protocol,
            Violation::Binary => Self::Binary,
            Violation::NotUtf8 => Self::NotUtf8,
            Violation::TooLong => Self::MessageTooLong,
        }
    }

    /// What a WebSocket's client is told. Codes from 4400 on are statuses of HTTP plus 4000.
    pub fn close(self) -> Close {
        let code = match self {
            Self::MaxAge | Self::Drain | Self::Client => 1001,
            Self::Protocol => 1002,
            Self::Binary => 1003,
            Self::NotUtf8 => 1007,
            Self::Incomplete => 1008,
            Self::MessageTooLong => 1009,
            Self::Socket => 1011,
            Self::WriteTimeout | Self::PinnedBytes | Self::Lagged => 1013,
            Self::Expired | Self::NoToken => 4401,
            Self::Refused => 4403,
            Self::Replaced | Self::TooMuchInput => 4429,
        };
        Close::new(code, self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::client_messages::ReplyTo;

    struct Nobody;

    impl ClientMessages for Nobody {
        fn take(self: Arc<Self>, _: String, _: ReplyTo) {}
    }

    fn frames_taken(pause: u64) -> usize {
        let mut socket = WebSocket::new(Arc::new(Nobody));
        (0..1_000)
            .take_while(|number| {
                let now = number * pause;
                socket.push(b"\x8a\x80\0\0\0\0", now) && socket.next(now).is_ok()
            })
            .count()
    }

    #[test]
    fn a_flood_of_frames_ends_a_connection_and_a_steady_client_does_not() {
        assert!((180..=200).contains(&frames_taken(0)), "{}", frames_taken(0));
        assert_eq!(frames_taken(150), 1_000);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut socket = WebSocket::new(Arc::new(Nobody));
        // The begin of a message that never ends.
        let taken = (0..1_000).take_while(|_| socket.push(&[0; 16 * 1024], 0)).count();
        assert_eq!(taken, 19);
    }

    /// Sends these frames or pieces of frames, one a second, and returns when the client is found stuck.
    fn stuck_after(pieces: &[&[u8]]) -> Option<u64> {
        let mut socket = WebSocket::new(Arc::new(Nobody));
        (0..60).find(|second| {
            let now = second * 1_000;
            if let Some(piece) = pieces.get(usize::try_from(*second).unwrap()) {
                assert!(socket.push(piece, now));
                while let Ok(Some(_)) = socket.next(now) {}
            }
            socket.is_stuck(now)
        })
    }

    #[test]
    fn a_client_that_does_not_send_the_rest_of_a_message_is_found_stuck() {
        let (pong, begin, end): (&[u8], &[u8], &[u8]) =
            (b"\x8a\x80\0\0\0\0", b"\x01\x81\0\0\0\0x", b"\x80\x80\0\0\0\0");
        let cases: [(&[&[u8]], _); 7] = [
            (&[], None),
            (&[pong], None),
            (&[pong, &pong[..3]], Some(11)),
            (&[&pong[..3], &pong[3..]], None),
            (&[begin, pong], Some(10)),
            (&[begin, end, &end[..1]], Some(12)),
            // The first is whole, and the second only begun.
            (&[&pong[..3], b"\0\0\0\x81"], Some(11)),
        ];
        for (pieces, expected) in cases {
            assert_eq!(stuck_after(pieces), expected, "{pieces:?}");
        }
        let steady = [begin, end].repeat(20);
        assert_eq!(stuck_after(&steady), None);
        let pongs_within = [&[begin][..], &[pong; 20]].concat();
        assert_eq!(stuck_after(&pongs_within), Some(10));
    }

    #[test]
    fn an_answer_goes_before_a_pong_and_only_the_newest_ping_is_answered() {
        let mut socket = WebSocket::new(Arc::new(Nobody));
        socket.pong(b"first");
        socket.pong(b"second");
        let answer = Arc::new(Frame::of_web_socket(vec![1]));
        socket.replied(Some(Arc::clone(&answer)));
        assert!(socket.is_busy() && Arc::ptr_eq(&socket.pending().unwrap(), &answer));
        socket.pending_written();
        assert!(!socket.is_busy());
        let newest = Frame::of_web_socket(pong(b"second"));
        let bytes = |frame: &Frame| crate::sse::Framing::WebSocket.bytes_of(frame).to_vec();
        assert_eq!(bytes(&socket.pending().unwrap()), bytes(&newest));
        socket.pending_written();
        assert!(socket.pending().is_none());
    }
}
