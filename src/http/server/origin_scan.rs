//! The search for `Origin` in a head that hyper does not read.

use std::time::Duration;

use axum::http::HeaderValue;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{Instant, timeout_at},
};

/// A longer line of a head holds no origin: a host's name has at most 253 bytes.
const MAX_ORIGIN_LINE_BYTES: usize = 512;
/// At most this much of a head that is too large is read to find its origin.
const MAX_SKIPPED_BYTES: usize = 1024 * 1024;
/// Looks for the origin in a head of any size, and keeps no more than one line of it.
#[derive(Default)]
pub(super) struct OriginScan {
    line: Vec<u8>,
    pub found: Option<HeaderValue>,
    is_at_end: bool,
}

impl OriginScan {
    pub fn read(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.is_at_end {
                return;
            }
            match byte {
                b'\n' => self.end_line(),
                _ if self.line.len() < MAX_ORIGIN_LINE_BYTES => self.line.push(byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii();
        if line.is_empty() || self.found.is_some() {
            self.is_at_end = true;
        } else if let Some((name, value)) = line.split_at_checked(b"origin:".len())
            && name.eq_ignore_ascii_case(b"origin:")
            && line.len() < MAX_ORIGIN_LINE_BYTES
        {
            self.found = HeaderValue::from_bytes(value.trim_ascii()).ok();
        }
    }

    /// Reads on until the origin is found, the head ends, or `patience` does.
    pub async fn read_on(&mut self, socket: &mut TcpStream, patience: Duration) {
        let deadline = Instant::now() + patience;
        // On the heap, because a connection's future would otherwise be this much larger all its life.
        let mut scratch = vec![0; 8 * 1024];
        let mut skipped = 0;
        while !self.is_at_end && self.found.is_none() && skipped < MAX_SKIPPED_BYTES {
            match timeout_at(deadline, socket.read(&mut scratch)).await {
                Ok(Ok(count)) if count > 0 => {
                    self.read(&scratch[..count]);
                    skipped += count;
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_found_wherever_it_stands_in_whatever_pieces() {
        let long = "x".repeat(100_000);
        let head =
            format!("GET /{long} HTTP/1.1\r\nX: {long}\r\nORIGIN:  https://a.example \r\n\r\n");
        for size in [1, 7, 4096, head.len()] {
            let mut scan = OriginScan::default();
            head.as_bytes().chunks(size).for_each(|piece| scan.read(piece));
            assert_eq!(scan.found.as_ref().unwrap(), "https://a.example");
        }
    }

    #[test]
    fn no_origin_is_found_where_there_is_none() {
        for head in [
            "",
            "GET / HTTP/1.1\r\nX-Origin: https://a.example\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\nOrigin: https://a.example\r\n\r\n",
            "GET / HTTP/1.1\r\nOrigin: https://a.example",
        ] {
            let mut scan = OriginScan::default();
            scan.read(head.as_bytes());
            assert_eq!(scan.found, None, "{head}");
        }
    }
}
