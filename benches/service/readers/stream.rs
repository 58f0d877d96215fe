//! One stream: what has come of it, cut into events.

use memchr::memmem;

/// What a stream has got to.
pub struct Stream {
    pub socket: Option<mio::net::TcpStream>,
    pub room: usize,
    /// Which of the servers it is at, or goes to first.
    pub place: usize,
    /// The servers that refused a connection in this attempt, as bits.
    pub refused: u32,
    /// Whether the request was sent, and whether the head of its answer has come.
    pub has_asked: bool,
    pub has_head: bool,
    /// The event after the newest one that was seen of the schedule.
    pub newest: u64,
    /// Of the last list. None before the first one.
    pub checksum: Option<u32>,
    pub retry_millis: u64,
    /// Attempts in a row that came to nothing.
    pub failures: u32,
    /// What has come of an event that is not whole.
    rest: Vec<u8>,
}

/// A server has no room for a stream.
pub struct Refused;

/// What one event was.
pub enum Seen<'a> {
    Retry(u64),
    /// The data of a list, or of what changed in one.
    Frame(&'a [u8]),
}

impl Stream {
    pub fn new(room: usize, place: usize) -> Self {
        Self {
            socket: None,
            room,
            place,
            refused: 0,
            has_asked: false,
            has_head: false,
            newest: 0,
            checksum: None,
            retry_millis: 3_000,
            failures: 0,
            rest: Vec::new(),
        }
    }

    /// Forgets the connection. What was seen stays.
    pub fn disconnect(&mut self) {
        self.socket = None;
        self.has_asked = false;
        self.has_head = false;
        self.rest = Vec::new();
    }

    /// Takes the head of the answer off what has come. Returns what follows it if it is a success; none while it is not whole.
    pub fn take_head(&mut self, received: &[u8]) -> Option<Result<Vec<u8>, Refused>> {
        self.rest.extend_from_slice(received);
        let end = memmem::find(&self.rest, b"\r\n\r\n")? + 4;
        let is_success = self.rest.starts_with(b"HTTP/1.1 200");
        if !is_success {
            return Some(Err(Refused));
        }
        self.has_head = true;
        let follows = self.rest[end..].to_vec();
        self.rest = Vec::new();
        Some(Ok(follows))
    }

    /// Calls `see` for each event that is whole.
    pub fn take_events(&mut self, received: &[u8], see: impl FnMut(&mut Self, Seen<'_>)) {
        let mut rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            let used = self.events(received, see);
            self.rest = ending(&received[used..]).to_vec();
            return;
        }
        let seen = rest.len().saturating_sub(1);
        rest.extend_from_slice(received);
        if memmem::find(&rest[seen..], b"\n\n").is_none() {
            self.rest = rest;
            return;
        }
        let used = self.events(&rest, see);
        self.rest = ending(&rest[used..]).to_vec();
    }

    fn events(&mut self, bytes: &[u8], mut see: impl FnMut(&mut Self, Seen<'_>)) -> usize {
        let mut used = 0;
        while let Some(length) = memmem::find(&bytes[used..], b"\n\n") {
            if let Some(seen) = seen(&bytes[used..used + length]) {
                see(self, seen);
            }
            used += length + 2;
        }
        used
    }
}

/// Nothing is kept of what only ends a chunk: most streams wait there.
fn ending(rest: &[u8]) -> &[u8] {
    if rest == b"\r\n" { b"" } else { rest }
}

fn seen(event: &[u8]) -> Option<Seen<'_>> {
    if let Some(data) = after(event, b"data: ")
        && (data.starts_with(b"[") || data.starts_with(b"{\"room\""))
    {
        return Some(Seen::Frame(data));
    }
    let millis = after(event, b"retry: ")?;
    let millis = std::str::from_utf8(millis).ok()?.lines().next()?;
    millis.parse().ok().map(Seen::Retry)
}

fn after<'a>(event: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    Some(&event[memmem::find(event, field)? + field.len()..])
}
