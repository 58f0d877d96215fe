//! An event stream, read as a browser reads it (HTML, 9.2.6), with everything that was in it kept.

use std::time::{Duration, Instant};

use axum::http::{Response, response::Parts};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout_at;

use super::{
    case::ensure,
    person::Person,
    shown::{Shown, excerpt},
};

pub(super) struct Stream {
    head: Parts,
    body: Incoming,
    timeout: Duration,
    /// All bytes so far.
    pub raw: Vec<u8>,
    /// Up to here they were read.
    read: usize,
    event: Event,
    /// What `retry:` said last.
    pub retry: Option<String>,
    pub comments: usize,
}

/// An event with data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: String,
    /// How many lines of data it has.
    pub data_lines: usize,
}

impl Stream {
    pub fn new(answer: Response<Incoming>, timeout: Duration) -> Self {
        let (head, body) = answer.into_parts();
        Self {
            head,
            body,
            timeout,
            raw: Vec::new(),
            read: 0,
            event: Event::default(),
            retry: None,
            comments: 0,
        }
    }

    /// A header as text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The next event, whatever it is.
    pub async fn event(&mut self) -> Result<Event, String> {
        self.event_until(Instant::now() + self.timeout).await
    }

    async fn event_until(&mut self, until: Instant) -> Result<Event, String> {
        loop {
            if let Some(event) = self.take_event() {
                return Ok(event);
            }
            self.more(until).await?;
        }
    }

    /// Whether anything is written within this time.
    pub async fn writes_within(&mut self, limit: Duration) -> bool {
        self.more(Instant::now() + limit).await.is_ok()
    }

    async fn more(&mut self, until: Instant) -> Result<(), String> {
        let late = || "what was expected did not come on the stream in time".to_owned();
        // A time-out alone never fires while there is always something to read.
        ensure(Instant::now() < until, late)?;
        let frame = timeout_at(until.into(), self.body.frame()).await.map_err(|_| late())?;
        let frame = frame.ok_or_else(|| "the stream ended".to_owned())?;
        let frame = frame.map_err(|error| format!("the stream was cut: {error}"))?;
        if let Ok(data) = frame.into_data() {
            self.raw.extend_from_slice(&data);
        }
        Ok(())
    }

    /// The next event that has a list, and the list.
    pub async fn list(&mut self) -> Result<(Event, Shown), String> {
        self.list_until(Instant::now() + self.timeout).await
    }

    async fn list_until(&mut self, until: Instant) -> Result<(Event, Shown), String> {
        loop {
            let event = self.event_until(until).await?;
            if let Ok(shown) = Shown::read(event.data.as_bytes()) {
                return Ok((event, shown));
            }
        }
    }

    /// The lists up to the first that has this person.
    pub async fn lists_until(&mut self, person: &Person) -> Result<Vec<Shown>, String> {
        self.lists_until_so(|shown| shown.has(person.sid())).await
    }

    /// The lists up to the first of which this holds. One limit is for all of them together.
    pub async fn lists_until_so(
        &mut self,
        is_so: impl Fn(&Shown) -> bool + Send,
    ) -> Result<Vec<Shown>, String> {
        let until = Instant::now() + self.timeout;
        let mut lists = Vec::new();
        loop {
            let listed = self.list_until(until).await;
            let (_, shown) = listed.map_err(|error| said_after(&lists, &error))?;
            let is_last = is_so(&shown);
            lists.push(shown);
            if is_last {
                return Ok(lists);
            }
        }
    }

    fn take_event(&mut self) -> Option<Event> {
        while let Some(length) = self.raw[self.read..].iter().position(|byte| *byte == b'\n') {
            let line = &self.raw[self.read..self.read + length];
            self.read += length + 1;
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                _ if line.is_empty() => {
                    let event = std::mem::take(&mut self.event);
                    if event.data_lines > 0 {
                        return Some(event);
                    }
                }
                "" => self.comments += 1,
                "event" => self.event.name = value,
                "id" => self.event.id = Some(value),
                "retry" => self.retry = Some(value),
                "data" => {
                    if self.event.data_lines > 0 {
                        self.event.data.push('\n');
                    }
                    self.event.data.push_str(&value);
                    self.event.data_lines += 1;
                }
                _ => {}
            }
        }
        None
    }
}

fn said_after(lists: &[Shown], error: &str) -> String {
    match lists.last() {
        None => format!("no list came: {error}"),
        Some(last) => format!("after the list [{}]: {error}", excerpt(&last.sids().join(", "))),
    }
}
