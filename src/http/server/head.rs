//! Heads of answers that are written past hyper.

use std::time::{Duration, UNIX_EPOCH};

use axum::http::{HeaderValue, header, response::Parts};

use crate::{clock::Clock, sse::Framing};

/// The head of a stream's answer, as hyper would have written it.
pub(super) fn encode_stream_head(mut head: Parts, framing: Framing, clock: &Clock) -> Vec<u8> {
    let now = UNIX_EPOCH + Duration::from_micros(clock.now().as_micros());
    let date = HeaderValue::from_str(&httpdate::fmt_http_date(now)).expect("a date is plain text");
    head.headers.insert(header::DATE, date);
    if framing == Framing::Chunked {
        head.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    encode(&head)
}

/// A head with exactly these headers.
pub(super) fn encode(head: &Parts) -> Vec<u8> {
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", head.status.as_u16()).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}
