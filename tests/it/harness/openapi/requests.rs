//! The requests in the bytes that a test sends on a connection, which can be cut and joined anywhere.

use std::collections::VecDeque;

use super::Asked;

/// Requests that wait for their answers.
#[derive(Default)]
pub struct Requests {
    port: u16,
    waiting: VecDeque<Asked>,
    /// A head that is not whole.
    begun: Vec<u8>,
    /// Bytes of a body that are still to come.
    body_left: usize,
}

impl Requests {
    pub fn to(port: u16) -> Self {
        Self { port, ..Self::default() }
    }

    /// Looks at what is sent next.
    pub fn sent(&mut self, bytes: &[u8]) {
        let mut bytes = self.after_body(bytes).to_vec();
        while !bytes.is_empty() {
            self.begun.append(&mut bytes);
            let end = self.begun.windows(4).position(|window| window == b"\r\n\r\n");
            let Some(end) = end else {
                // It may be no request, but a frame of a WebSocket.
                if !self.begun[0].is_ascii_uppercase() {
                    self.begun.clear();
                }
                return;
            };
            let rest = self.begun.split_off(end + 4);
            let head = std::mem::take(&mut self.begun);
            let head = String::from_utf8_lossy(&head);
            if let Some((method, target)) = first_line(&head) {
                self.waiting.push_back(Asked::new(method, target, self.port));
                self.body_left = length_of_body(&head);
            }
            bytes = self.after_body(&rest).to_vec();
        }
    }

    /// What follows the body of which something is still to come.
    fn after_body<'bytes>(&mut self, bytes: &'bytes [u8]) -> &'bytes [u8] {
        let of_body = self.body_left.min(bytes.len());
        self.body_left -= of_body;
        &bytes[of_body..]
    }

    /// The request that is answered next; none if the test sent no whole one.
    pub fn answered(&mut self) -> Option<Asked> {
        self.waiting.pop_front()
    }
}

fn first_line(head: &str) -> Option<(&str, &str)> {
    let mut parts = head.lines().next()?.split(' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    version.starts_with("HTTP/1.").then_some((method, target))
}

fn length_of_body(head: &str) -> usize {
    let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}
