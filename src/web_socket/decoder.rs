//! Reads what a client sends: frames, and the messages that they carry. Pure: the caller brings the bytes.

use std::io::Cursor;

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{CloseCode, Control, Data, OpCode},
};

/// A client's messages are short: a token, or the names of rooms.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024;
/// RFC 6455, 5.5.
const MAX_CONTROL_BYTES: u64 = 125;
/// The longest header: two bytes, a length of eight, a mask of four.
const MAX_HEADER_BYTES: usize = 14;

/// What a client has sent so far. Holds memory only while a frame or a message is incomplete.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Bytes of frames that were not read yet.
    received: Vec<u8>,
    /// The text of the frames of a message whose last frame has not come.
    message: Option<Vec<u8>>,
}

/// One frame of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// It ends this message.
    Text(String),
    /// It is a part of a message.
    Part,
    Ping(Vec<u8>),
    Pong,
    /// With the client's code, if it gave one.
    Close(Option<u16>),
}

/// What a client does that ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It does not follow RFC 6455.
    Protocol,
    /// It sends a binary message.
    Binary,
    NotUtf8,
    TooLong,
}

impl Decoder {
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Whether it holds nothing that the next frame needs.
    pub fn is_empty(&self) -> bool {
        self.received.is_empty() && self.message.is_none()
    }

    /// Whether a message has begun whose last frame was not read.
    pub fn is_within_message(&self) -> bool {
        self.message.is_some()
    }

    /// The next frame, if all of it was received.
    ///
    /// # Errors
    /// What makes it invalid. Nothing after it can be read.
    pub fn next_frame(&mut self) -> Result<Option<Incoming>, Violation> {
        let Some((header, mut payload)) = self.take_frame()? else { return Ok(None) };
        match header.opcode {
            OpCode::Control(Control::Ping) => Ok(Some(Incoming::Ping(payload))),
            OpCode::Control(Control::Pong) => Ok(Some(Incoming::Pong)),
            OpCode::Control(_) => Ok(Some(Incoming::Close(close_code(&payload)?))),
            OpCode::Data(_) => {
                let mut message = self.message.take().unwrap_or_default();
                message.append(&mut payload);
                self.extend_message(message, header.is_final).map(Some)
            }
        }
    }

    fn extend_message(&mut self, message: Vec<u8>, is_final: bool) -> Result<Incoming, Violation> {
        if is_final {
            return String::from_utf8(message).map(Incoming::Text).map_err(|_| Violation::NotUtf8);
        }
        // A character may go on in the next frame, but what is wrong already stays wrong.
        if str::from_utf8(&message).is_err_and(|error| error.error_len().is_some()) {
            return Err(Violation::NotUtf8);
        }
        self.message = Some(message);
        Ok(Incoming::Part)
    }

    fn take_frame(&mut self) -> Result<Option<(FrameHeader, Vec<u8>)>, Violation> {
        let begin = &self.received[..self.received.len().min(MAX_HEADER_BYTES)];
        let mut cursor = Cursor::new(begin);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol)?;
        let Some((header, length)) = parsed else { return Ok(None) };
        let start = usize::try_from(cursor.position()).expect("a header is short");
        let mask = self.check(&header, length, start)?;
        let end = start + usize::try_from(length).map_err(|_| Violation::TooLong)?;
        if self.received.len() < end {
            return Ok(None);
        }
        let mut payload: Vec<u8> = self.received.drain(..end).skip(start).collect();
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        if self.received.is_empty() {
            self.received = Vec::new();
        }
        Ok(Some((header, payload)))
    }

    /// Checks a frame by its header, and returns its mask.
    fn check(
        &self,
        header: &FrameHeader,
        length: u64,
        header_bytes: usize,
    ) -> Result<[u8; 4], Violation> {
        let is_extended = header.rsv1 || header.rsv2 || header.rsv3;
        // Every client masks, and writes lengths in their shortest form.
        let Some(mask) = header.mask else { return Err(Violation::Protocol) };
        if is_extended || header.len(length) != header_bytes {
            return Err(Violation::Protocol);
        }
        let kind = match header.opcode {
            OpCode::Control(_) if header.is_final && length <= MAX_CONTROL_BYTES => {
                return Ok(mask);
            }
            OpCode::Control(_) => return Err(Violation::Protocol),
            OpCode::Data(kind) => kind,
        };
        if matches!(kind, Data::Continue) != self.message.is_some() {
            return Err(Violation::Protocol);
        }
        if matches!(kind, Data::Binary) {
            return Err(Violation::Binary);
        }
        let so_far = self.message.as_ref().map_or(0, Vec::len) as u64;
        if so_far.saturating_add(length) > MAX_MESSAGE_BYTES as u64 {
            return Err(Violation::TooLong);
        }
        Ok(mask)
    }
}

/// The code in a close frame's payload (RFC 6455, 5.5.1 and 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::Protocol) };
    };
    let code = u16::from_be_bytes(*code);
    if !CloseCode::from(code).is_allowed() {
        return Err(Violation::Protocol);
    }
    str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    Ok(Some(code))
}

#[cfg(test)]
mod tests;
