//! Reads an event stream: its messages, and when the last bytes came.

use http_body_util::BodyExt;
use hyper::body::Incoming;

/// A line that is longer is none of the service's, and is not kept.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// A message of an event stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// Empty for one without a name.
    pub event: String,
    pub id: String,
    pub data: String,
}

/// A stream that is read.
pub(super) struct EventStream {
    body: Incoming,
    lines: Lines,
}

impl EventStream {
    pub fn new(body: Incoming) -> Self {
        Self { body, lines: Lines::default() }
    }

    /// The messages that the next bytes complete, if any: heartbeats complete none. None at the end of the stream, in order or not.
    pub async fn next(&mut self) -> Option<Vec<Message>> {
        let frame = self.body.frame().await?.ok()?;
        let bytes = frame.into_data().unwrap_or_default();
        Some(self.lines.take(&bytes))
    }
}

#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    message: Message,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut complete = Vec::new();
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end();
            match line.split_once(':') {
                Some(("event", value)) => value.trim_start().clone_into(&mut self.message.event),
                Some(("id", value)) => value.trim_start().clone_into(&mut self.message.id),
                Some(("data", value)) => value.trim_start().clone_into(&mut self.message.data),
                None if line.is_empty() => {
                    let message = std::mem::take(&mut self.message);
                    if !message.data.is_empty() {
                        complete.push(message);
                    }
                }
                Some(_) | None => {}
            }
        }
        if self.rest.len() > MAX_LINE_BYTES {
            self.rest.clear();
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_however_their_bytes_arrive() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b": heartbeat\n\nretry: 2000\nevent: e"), []);
        assert_eq!(lines.take(b"nd\nid: 7-0\ndata: {\"rea"), []);
        let message = Message {
            event: "end".to_owned(),
            id: "7-0".to_owned(),
            data: "{\"reason\":\"drain\"}".to_owned(),
        };
        assert_eq!(lines.take(b"son\":\"drain\"}\n\n: x\n\n"), [message]);
    }
}
