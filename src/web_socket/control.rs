//! The control frames that the service writes.

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, OpCode},
};

/// A control frame has at most this many bytes beside its header, and two of them are the code (RFC 6455, 5.5).
const MAX_CONTROL_BYTES: usize = 125;

/// Why a connection is closed, as its client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    /// Cut off where it is longer than a close frame can carry.
    pub reason: String,
}

impl Close {
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    pub fn encode(&self) -> Vec<u8> {
        let reason = cut(&self.reason, MAX_CONTROL_BYTES - 2);
        control(Control::Close, &[&self.code.to_be_bytes(), reason.as_bytes()])
    }

    /// The answer to a client's close: its own code (RFC 6455, 5.5.1), and none where it gave none.
    pub fn echo(code: Option<u16>) -> Vec<u8> {
        code.map_or_else(|| control(Control::Close, &[]), |code| Self::new(code, "").encode())
    }
}

/// The answer to a ping.
pub fn pong(payload: &[u8]) -> Vec<u8> {
    control(Control::Pong, &[payload])
}

fn control(kind: Control, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let header = FrameHeader { opcode: OpCode::Control(kind), ..FrameHeader::default() };
    let mut out = Vec::with_capacity(2 + length);
    header.format(length as u64, &mut out).expect("writing to memory");
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// As much of a text as fits into this many bytes.
fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_carries_its_code_and_a_reason() {
        assert_eq!(Close::new(4401, "expired").encode(), b"\x88\x09\x11\x31expired");
        assert_eq!(Close::echo(Some(1000)), b"\x88\x02\x03\xe8");
        assert_eq!(Close::echo(None), b"\x88\x00");
    }

    #[test]
    fn a_reason_that_is_too_long_is_cut_between_letters() {
        let frame = Close::new(4400, "é".repeat(100)).encode();
        assert_eq!(frame[..2], [0x88, 124]);
        assert_eq!(str::from_utf8(&frame[4..]).unwrap(), "é".repeat(61));
    }
}
