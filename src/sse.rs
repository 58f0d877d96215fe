//! The format of event streams: what the service writes as `text/event-stream`, already framed for `Transfer-Encoding: chunked`.
//!
//! Hub encodes snapshots and deltas with it, delivery the heartbeats and the ends of streams. The event stream format is the HTML
//! standard's (9.2.5), chunks are RFC 9112's (7.1). A frame is also the messages that a WebSocket carries instead of its events.

use std::{
    fmt::Display,
    io::Write,
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    presence::{HostTime, Version},
    web_socket,
};

/// The content type of every stream. With a charset, since some proxies add one of their own where there is none.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

/// A chunk begins with its length in eight hexadecimal digits and CRLF, so that the prefix has its size before the length is
/// known.
pub const PREFIX_BYTES: usize = 10;
const SUFFIX: &[u8] = b"\r\n";
/// Ends a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The id of the last event of a stream that ended for good. A browser that reconnects by itself sends it back, and gets 204,
/// which stops it.
pub const REPLACED_ID: &str = "replaced";

/// How the client finds the end of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Chunked,
    /// HTTP/1.0: by the end of the connection.
    UntilClose,
    /// There is no body: each event is a text message.
    WebSocket,
}

/// One message, encoded once and shared by every connection that gets it.
#[derive(Debug)]
pub struct Frame {
    bytes: Box<[u8]>,
    /// Where the chunk ends. Only in the last frame of a stream does something follow it.
    chunk_end: usize,
    /// The same for WebSockets, encoded when the first of them needs it.
    messages: OnceLock<Box<[u8]>>,
    /// The streams with full sockets, and the other answers, that keep the frame.
    pins: AtomicU32,
    /// How many bytes are counted for these.
    pinned_bytes: AtomicUsize,
}

impl Frame {
    /// Encodes an event. `write_data` must write a single line.
    pub fn event(name: &str, id: Option<Version>, write_data: impl FnOnce(&mut Vec<u8>)) -> Self {
        encode_chunk(|out| {
            out.extend_from_slice(b"event: ");
            out.extend_from_slice(name.as_bytes());
            if let Some(id) = id {
                write!(out, "\nid: {id}").expect("writing to memory");
            }
            out.extend_from_slice(b"\ndata: ");
            write_data(out);
            out.extend_from_slice(b"\n\n");
        })
    }

    /// Encodes a message without a name, which scripts get by `onmessage`. `write_data` must write a single line.
    pub fn message(id: &impl Display, write_data: impl FnOnce(&mut Vec<u8>)) -> Self {
        encode_chunk(|out| {
            write!(out, "id: {id}\ndata: ").expect("writing to memory");
            write_data(out);
            out.extend_from_slice(b"\n\n");
        })
    }

    /// Encodes the events of several frames as one frame.
    pub fn joined<'frames>(frames: impl Iterator<Item = &'frames Self> + Clone) -> Self {
        encode_chunk(|out| {
            out.reserve(frames.clone().map(|frame| frame.plain().len()).sum());
            frames.for_each(|frame| out.extend_from_slice(frame.plain()));
        })
    }

    /// What only WebSockets are sent, such as an answer: whole frames of theirs.
    pub fn of_web_socket(messages: Vec<u8>) -> Self {
        Self {
            messages: OnceLock::from(messages.into_boxed_slice()),
            ..Self::of_bytes(Vec::new(), 0)
        }
    }

    fn of_bytes(bytes: Vec<u8>, chunk_end: usize) -> Self {
        Self {
            bytes: bytes.into_boxed_slice(),
            chunk_end,
            messages: OnceLock::new(),
            pins: AtomicU32::new(0),
            pinned_bytes: AtomicUsize::new(0),
        }
    }

    /// The bytes for a client that takes chunks.
    pub fn chunked(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes without the framing of the chunk.
    pub fn plain(&self) -> &[u8] {
        &self.bytes[PREFIX_BYTES..self.chunk_end - SUFFIX.len()]
    }

    /// The bytes for a WebSocket.
    fn messages(&self) -> &[u8] {
        self.messages.get_or_init(|| encode_messages(self.plain()).into_boxed_slice())
    }

    /// How much memory it takes now.
    pub fn kept_bytes(&self) -> usize {
        self.bytes.len() + self.messages.get().map_or(0, |messages| messages.len())
    }

    pub fn is_pinned(&self) -> bool {
        self.pins.load(Ordering::Acquire) > 0
    }

    /// Counts a connection that keeps the frame. Returns how many bytes have to be counted with it: all for the first connection,
    /// and later what was encoded since. The caller holds a lock here and in [`Self::unpin`].
    pub fn pin(&self) -> usize {
        self.pins.fetch_add(1, Ordering::AcqRel);
        let bytes = self.kept_bytes();
        bytes - self.pinned_bytes.swap(bytes, Ordering::AcqRel)
    }

    /// The opposite of [`Self::pin`]. Returns how many bytes are free again: all that were counted, if that connection was the
    /// last.
    pub fn unpin(&self) -> usize {
        let was_last = self.pins.fetch_sub(1, Ordering::AcqRel) == 1;
        if was_last { self.pinned_bytes.swap(0, Ordering::AcqRel) } else { 0 }
    }
}

impl Framing {
    pub fn bytes_of(self, frame: &Frame) -> &[u8] {
        match self {
            Self::Chunked => frame.chunked(),
            Self::UntilClose => frame.plain(),
            Self::WebSocket => frame.messages(),
        }
    }
}

/// Encodes what `write` writes as one chunk.
pub fn encode_chunk(write: impl FnOnce(&mut Vec<u8>)) -> Frame {
    let mut bytes = vec![0; PREFIX_BYTES];
    write(&mut bytes);
    let length = bytes.len() - PREFIX_BYTES;
    bytes.extend_from_slice(SUFFIX);
    bytes[..PREFIX_BYTES].copy_from_slice(format!("{length:08x}\r\n").as_bytes());
    let chunk_end = bytes.len();
    Frame::of_bytes(bytes, chunk_end)
}

/// Encodes each event of an event stream as a text message: an object with the fields that the event has. Data is JSON already.
/// Comments and delays before reconnecting give no message.
fn encode_messages(stream: &[u8]) -> Vec<u8> {
    let (mut out, mut event) = (Vec::new(), MessageFields::default());
    for line in stream.split(|byte| *byte == b'\n') {
        match line {
            [] => std::mem::take(&mut event).write(&mut out),
            [b'e', b'v', b'e', b'n', b't', b':', b' ', name @ ..] => event.name = Some(name),
            [b'i', b'd', b':', b' ', id @ ..] => event.id = Some(id),
            [b'd', b'a', b't', b'a', b':', b' ', data @ ..] => event.data = Some(data),
            _ => {}
        }
    }
    out
}

#[derive(Default)]
struct MessageFields<'stream> {
    name: Option<&'stream [u8]>,
    id: Option<&'stream [u8]>,
    data: Option<&'stream [u8]>,
}

impl MessageFields<'_> {
    /// Names and ids are plain letters and digits, which JSON needs to escape nowhere.
    fn write(self, out: &mut Vec<u8>) {
        let Some(data) = self.data else { return };
        let mut parts: Vec<&[u8]> = Vec::with_capacity(8);
        if let Some(name) = self.name {
            parts.extend([b"{\"event\":\"".as_slice(), name, b"\","]);
        }
        if let Some(id) = self.id {
            let begin: &[u8] = if parts.is_empty() { b"{\"id\":\"" } else { b"\"id\":\"" };
            parts.extend([begin, id, b"\","]);
        }
        let begin: &[u8] = if parts.is_empty() { b"{\"data\":" } else { b"\"data\":" };
        parts.extend([begin, data, b"}"]);
        web_socket::write_text_of(out, &parts);
    }
}

/// Shows that a stream is alive: with a comment to proxies, and with an event to scripts, which cannot see comments. The event
/// tells the interval, so that a script knows when a heartbeat is overdue.
pub fn heartbeat(now: HostTime, every: Duration) -> Frame {
    encode_chunk(|out| {
        let (millis, every) = (now.as_millis(), every.as_millis());
        write!(
            out,
            ": heartbeat\nevent: heartbeat\ndata: {{\"t\":{millis},\"every\":{every}}}\n\n"
        )
        .expect("writing to memory");
    })
}

/// Shows with a comment that a stream is alive, without an event. With an id, the client sends that one when it comes back: an id
/// alone is remembered, and is no event either (HTML, 9.2.6).
pub fn silent_heartbeat(id: Option<&impl Display>) -> Frame {
    encode_chunk(|out| {
        out.extend_from_slice(b": heartbeat\n");
        if let Some(id) = id {
            writeln!(out, "id: {id}").expect("writing to memory");
        }
        out.push(b'\n');
    })
}

/// Tells a client how many milliseconds to wait before it reconnects after the connection breaks.
pub fn retry_frame(millis: u64) -> Frame {
    encode_chunk(|out| write!(out, "retry: {millis}\n\n").expect("writing to memory"))
}

/// Ends a stream: tells the reason, and how many milliseconds to wait before reconnecting. `id` is for streams that end for good.
pub fn last_frame(reason: &str, id: Option<&str>, retry_millis: u64) -> Frame {
    let chunk = encode_chunk(|out| {
        write!(out, "retry: {retry_millis}\nevent: end\n").expect("writing to memory");
        if let Some(id) = id {
            writeln!(out, "id: {id}").expect("writing to memory");
        }
        write!(out, "data: {{\"reason\":\"{reason}\"}}\n\n").expect("writing to memory");
    });
    let mut bytes = chunk.bytes.into_vec();
    bytes.extend_from_slice(LAST_CHUNK);
    Frame::of_bytes(bytes, chunk.chunk_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_chunk() {
        let frame = Frame::event("participants:update", Some(Version::from_u64(17)), |out| {
            out.extend_from_slice(b"[]");
        });
        assert_eq!(
            text(frame.chunked()),
            "0000002c\r\nevent: participants:update\nid: 17\ndata: []\n\n\r\n"
        );
        assert_eq!(text(frame.plain()), "event: participants:update\nid: 17\ndata: []\n\n");
        assert_eq!(frame.plain().len(), 0x2c);
    }

    #[test]
    fn a_heartbeat_is_seen_by_proxies_and_by_scripts() {
        let frame = heartbeat(HostTime::from_millis(1_700_000_000_123), Duration::from_secs(15));
        assert_eq!(
            text(frame.plain()),
            ": heartbeat\nevent: heartbeat\ndata: {\"t\":1700000000123,\"every\":15000}\n\n"
        );
    }

    #[test]
    fn a_message_has_no_name_and_a_silent_heartbeat_is_no_event() {
        let message = Frame::message(&"17-0", |out| out.extend_from_slice(b"{}"));
        assert_eq!(text(message.plain()), "id: 17-0\ndata: {}\n\n");
        let both = Frame::joined([&message, &message].into_iter());
        assert_eq!(text(both.plain()), "id: 17-0\ndata: {}\n\nid: 17-0\ndata: {}\n\n");
        assert_eq!(text(silent_heartbeat(None::<&String>).plain()), ": heartbeat\n\n");
        assert_eq!(text(silent_heartbeat(Some(&"17-0")).plain()), ": heartbeat\nid: 17-0\n\n");
    }

    #[test]
    fn each_event_is_a_text_message_for_a_web_socket() {
        let update = Frame::event("participants:update", Some(Version::from_u64(17)), |out| {
            out.extend_from_slice(b"[]");
        });
        let heartbeat = heartbeat(HostTime::from_millis(5), Duration::from_secs(15));
        let several = encode_chunk(|out| {
            for frame in [&update, &retry_frame(1), &heartbeat] {
                out.extend_from_slice(frame.plain());
            }
            out.extend_from_slice(b"id: 3\ndata: {\"a\":1}\n\ndata: 2\n\n: only a comment\n\n");
        });
        let expected = [
            r#"{"event":"participants:update","id":"17","data":[]}"#,
            r#"{"event":"heartbeat","data":{"t":5,"every":15000}}"#,
            r#"{"id":"3","data":{"a":1}}"#,
            r#"{"data":2}"#,
        ];
        let framed = |message: &&str| {
            [&[0x81, u8::try_from(message.len()).unwrap()], message.as_bytes()].concat()
        };
        assert_eq!(
            Framing::WebSocket.bytes_of(&several),
            expected.iter().flat_map(framed).collect::<Vec<_>>()
        );
        assert_eq!(Framing::WebSocket.bytes_of(&retry_frame(1)), b"");
    }

    #[test]
    fn the_last_frame_ends_the_body() {
        let frame = last_frame("drain", None, 2500);
        assert_eq!(
            text(frame.chunked()),
            "00000031\r\nretry: 2500\nevent: end\ndata: {\"reason\":\"drain\"}\n\n\r\n0\r\n\r\n"
        );
        assert_eq!(
            text(frame.plain()),
            "retry: 2500\nevent: end\ndata: {\"reason\":\"drain\"}\n\n"
        );
    }
}
