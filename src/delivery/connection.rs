//! One stream's connection: its socket, the rooms it watches, and the versions it was sent. While the socket is full, it also
//! keeps the rest of one frame.

use std::{
    io::{self, IoSlice, Read, Write},
    net::Shutdown,
    sync::Arc,
    time::Duration,
};

use mio::net::TcpStream;

use crate::{
    hub::{Content, Next, Subscription},
    presence::Version,
    sse::{Frame, Framing},
};

use super::{
    close_reason::CloseReason, permit::Permit, pinned::Pin, web_socket::WebSocket,
    wheel::WheelPosition,
};

/// A time that never comes.
pub(super) const NEVER: u64 = u64::MAX;

/// A subscriber has nothing to send after its request. A stream ends when its client has sent more than this in total.
const MAX_INPUT_BYTES: u32 = 64 * 1024;

/// A connection that takes frames.
pub(super) struct Connection {
    pub socket: TcpStream,
    pub framing: Framing,
    pub watches: Watches,
    pub phase: Phase,
    pub place: WheelPosition,
    /// In the worker's milliseconds: when the stream ends. Once it has ended: when the worker stops waiting for the client to
    /// close.
    pub ends_at: u64,
    pub end_reason: CloseReason,
    /// None for an event stream.
    pub web_socket: Option<Box<WebSocket>>,
    input_bytes: u32,
    pub silence: Silence,
    pub permit: Permit,
}

/// When a connection was last sent something, in the worker's milliseconds, of which 32 bits suffice: no connection is left alone for
/// weeks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence(u32);

impl Silence {
    /// A frame was written.
    pub fn broken(&mut self, now: u64) {
        self.0 = low_bits(now);
    }

    /// Whether a heartbeat can wait for the next turn, which comes after this time, and be there before silence has lasted for
    /// `longest`. (A turn may be a little late.)
    pub fn can_last(self, now: u64, turn: Duration, longest: Duration) -> bool {
        let lasts = u128::from(low_bits(now).wrapping_sub(self.0));
        lasts + turn.as_millis() <= longest.as_millis() + turn.as_millis() / 64
    }
}

fn low_bits(millis: u64) -> u32 {
    u32::try_from(millis & u64::from(u32::MAX)).expect("32 bits")
}

/// The rooms of a stream: nearly always one, but any number on a connection for many rooms.
pub(super) enum Watches {
    One(Watch),
    Many(Vec<Watch>),
}

pub(super) struct Watch {
    pub subscription: Subscription,
    /// The version that was last sent, as a whole or in part.
    pub sent: Option<Version>,
    /// Its position among the room's members.
    pub position: u32,
}

pub(super) enum Phase {
    Open,
    /// The socket is full. (Boxed, because few are.)
    Blocked(Box<Blocked>),
    /// The last frame is out, and the client has not closed yet.
    Closing,
}

/// A connection whose socket is full.
pub(super) struct Blocked {
    /// In the worker's milliseconds.
    pub since: u64,
    /// The rest of a frame that was begun.
    pub tail: Option<Tail>,
    pub ending: Ending,
}

/// What a connection with a full socket does once the socket drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    No,
    /// The last frame follows when the tail is out.
    AfterTail,
    /// The tail is that of the last frame.
    LastBegun,
}

/// The rest of a partly written frame.
pub(super) struct Tail {
    pin: Pin,
    framing: Framing,
    written: usize,
}

/// How much of a frame a write took.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    Whole,
    Part(usize),
}

impl Connection {
    pub fn new(
        socket: TcpStream,
        framing: Framing,
        watches: Watches,
        place: WheelPosition,
        ends_at: u64,
        end_reason: CloseReason,
        permit: Permit,
    ) -> Self {
        Self {
            socket,
            framing,
            watches,
            phase: Phase::Open,
            place,
            ends_at,
            end_reason,
            web_socket: None,
            input_bytes: 0,
            silence: Silence::default(),
            permit,
        }
    }

    /// Writes a frame with one system call.
    pub fn write(&mut self, frame: &Frame) -> io::Result<Written> {
        write_once(&mut self.socket, self.framing.bytes_of(frame))
    }

    /// A watch's frame of this version was written.
    pub fn was_sent(&mut self, watch: u32, version: Version, now: u64) {
        self.watches.as_mut_slice()[watch as usize].sent = Some(version);
        self.silence.broken(now);
    }

    /// Writes the head of the response and the first frames together, and returns what did not fit.
    pub fn write_first(&mut self, head: &[u8], frames: &[Arc<Frame>]) -> io::Result<FirstWritten> {
        let mut slices = vec![IoSlice::new(head)];
        slices.extend(frames.iter().map(|frame| IoSlice::new(self.framing.bytes_of(frame))));
        let mut written = match retry_interrupted(|| self.socket.write_vectored(&slices)) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        if written < head.len() {
            return Ok(FirstWritten { frames_begun: 0, rest: Rest::OfHead(written) });
        }
        written -= head.len();
        for (index, frame) in frames.iter().enumerate() {
            let length = self.framing.bytes_of(frame).len();
            if written >= length {
                written -= length;
                continue;
            }
            let frames_begun = if written == 0 { index } else { index + 1 };
            let rest = if written == 0 { Rest::Nothing } else { Rest::OfFrame(written) };
            return Ok(FirstWritten { frames_begun, rest });
        }
        Ok(FirstWritten { frames_begun: frames.len(), rest: Rest::Nothing })
    }

    /// Writes more of the tail.
    pub fn write_tail(&mut self) -> io::Result<Written> {
        let Phase::Blocked(blocked) = &mut self.phase else { return Ok(Written::Whole) };
        let Some(tail) = &mut blocked.tail else { return Ok(Written::Whole) };
        let bytes = tail.framing.bytes_of(tail.pin.frame());
        let written = write_once(&mut self.socket, &bytes[tail.written..])?;
        if let Written::Part(more) = written {
            tail.written += more;
        }
        Ok(written)
    }

    /// Reads what the client sends and throws it away. Returns the reason to close, if there is one.
    pub fn discard_input(&mut self, scratch: &mut [u8]) -> Option<CloseReason> {
        loop {
            match self.socket.read(scratch) {
                Ok(0) => return Some(CloseReason::Client),
                Ok(count) => self.input_bytes += u32::try_from(count).expect("a small scratch"),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Some(CloseReason::of_read(&error)),
            }
            if self.input_bytes > MAX_INPUT_BYTES {
                return Some(CloseReason::TooMuchInput);
            }
        }
    }

    pub fn shut_down_writing(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// Whether its end has begun, or is about to.
    pub fn is_ending(&self) -> bool {
        self.ends_at == NEVER || matches!(self.phase, Phase::Closing)
    }

    /// Whether its time for a first token is over while a message, most likely that token, is being answered.
    pub fn awaits_answer_to_token(&self) -> bool {
        self.end_reason == CloseReason::NoToken
            && !self.is_ending()
            && self.web_socket.as_ref().is_some_and(|socket| socket.awaits_reply())
    }

    /// Whether the connection keeps a frame with this pin.
    pub fn keeps(&self, pin: u64) -> bool {
        let Phase::Blocked(blocked) = &self.phase else { return false };
        blocked.tail.as_ref().is_some_and(|tail| tail.pin.number() == pin)
    }
}

/// How much of a stream's beginning was written.
pub(super) struct FirstWritten {
    pub frames_begun: usize,
    pub rest: Rest,
}

/// What was written only in part, and how many of its bytes were.
pub(super) enum Rest {
    Nothing,
    /// The head of the response. Happens only when the socket is still full of earlier answers.
    OfHead(usize),
    /// The last frame that was begun.
    OfFrame(usize),
}

impl Default for Watches {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Watches {
    pub fn push(&mut self, watch: Watch) {
        *self = match std::mem::take(self) {
            Self::One(only) => Self::Many(vec![only, watch]),
            Self::Many(watches) if watches.is_empty() => Self::One(watch),
            Self::Many(mut watches) => {
                watches.push(watch);
                Self::Many(watches)
            }
        };
    }

    /// Removes a watch. The last one takes its index.
    pub fn swap_remove(&mut self, index: usize) -> Watch {
        match std::mem::take(self) {
            Self::One(only) => only,
            Self::Many(mut watches) => {
                let removed = watches.swap_remove(index);
                *self = Self::Many(watches);
                removed
            }
        }
    }

    pub fn as_slice(&self) -> &[Watch] {
        match self {
            Self::One(watch) => std::slice::from_ref(watch),
            Self::Many(watches) => watches,
        }
    }

    pub fn as_mut_slice(&mut self) -> &mut [Watch] {
        match self {
            Self::One(watch) => std::slice::from_mut(watch),
            Self::Many(watches) => watches,
        }
    }
}

impl Watch {
    /// What brings the subscriber up to date with `content`.
    pub fn next_of<'content>(&self, content: &'content Content) -> Next<'content> {
        content.next_for(self.sent, self.subscription.view())
    }
}

impl Tail {
    /// Keeps a frame until the socket takes the rest of it.
    pub fn new(pin: Pin, framing: Framing, written: usize) -> Self {
        Self { pin, framing, written }
    }
}

fn write_once(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<Written> {
    match retry_interrupted(|| socket.write(bytes)) {
        Ok(written) if written == bytes.len() => Ok(Written::Whole),
        Ok(written) => Ok(Written::Part(written)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Written::Part(0)),
        Err(error) => Err(error),
    }
}

fn retry_interrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_takes_little_memory() {
        // In a build with checks mio's socket is larger.
        let besides = size_of::<Connection>() - size_of::<TcpStream>();
        assert!(besides <= 120, "{besides}");
    }

    #[test]
    fn a_heartbeat_can_wait_for_a_turn_that_comes_before_silence_has_lasted_too_long() {
        let (turn, longest) = (Duration::from_millis(3_200), Duration::from_millis(12_800));
        let mut silence = Silence::default();
        for since in [1_000, 3 * u64::from(u32::MAX)] {
            silence.broken(since);
            for can_wait in [0, 3_200, 6_400, 9_600, 9_650] {
                assert!(silence.can_last(since + can_wait, turn, longest), "{can_wait}");
            }
            for cannot in [9_651, 12_800, 60_000] {
                assert!(!silence.can_last(since + cannot, turn, longest), "{cannot}");
            }
        }
    }
}
