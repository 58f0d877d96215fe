//! Checks each answer and each frame of the service that a test reads against `/openapi.json`. What the document does not describe
//! fails the test that asked, with a sentence that says what and where.

mod contents;
mod requests;
mod schema;
mod seen;

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{LazyLock, Mutex, PoisonError},
};

use serde_json::Value;

use self::contents::{answer_of, methods_of, resolved};
use super::sse::{Event, EventDecoder};

pub use self::{
    contents::document,
    requests::Requests,
    schema::{KEYWORDS, violation},
    seen::{Seen, seen_at},
};

/// A request that was sent, as far as the document tells requests apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Of the service that was asked.
    pub port: u16,
}

/// The headers of an answer.
pub type HeaderOf<'call, 'head> = &'call (dyn Fn(&str) -> Option<&'head str> + 'call);

impl Asked {
    /// `target` is as a request has it: a path with its query, or a whole address.
    pub fn new(method: &str, target: &str, port: u16) -> Self {
        let after_scheme = target.split_once("://").map(|(_, rest)| rest);
        let path = match after_scheme {
            Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => target,
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let method = method.to_owned();
        // Slashes too many in the address of a webhook do not matter.
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let is_webhook =
            matches!(parts[..], ["api", "livekit", "webhook"] | ["api", "webhooks", "livekit"]);
        let path = match method == "POST" && is_webhook {
            true => format!("/{}", parts.join("/")),
            false => path.to_owned(),
        };
        Self { method, path, port }
    }

    /// What the document says of it. HEAD is answered as GET.
    fn operation(&self) -> Option<&'static Value> {
        let method = match &*self.method {
            "HEAD" => "get".to_owned(),
            method if method.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                method.to_ascii_lowercase()
            }
            _ => return None,
        };
        methods_of(&self.path)?.get(&method)
    }

    /// Checks the head of an answer of the service.
    pub fn check_head(&self, status: u16, header: HeaderOf<'_, '_>) {
        // Preflights are as the standard of CORS has them.
        if !is_of_the_service(header) || self.method == "OPTIONS" {
            return;
        }
        let operation = self.operation();
        let has_nothing = operation.is_none() && status == 404;
        let answer = answer_of(operation, status)
            .or_else(|| has_nothing.then(|| &document()["components"]["responses"]["NotFound"]));
        let Some(answer) = answer else { self.fail(status, "no such answer is described") };
        if let Some(operation) = operation {
            seen::answer(self.port, operation, status);
        }
        for (name, described) in answer["headers"].as_object().into_iter().flatten() {
            let is_required = resolved(described)["required"] == true;
            if is_required && header(&name.to_ascii_lowercase()).is_none() {
                self.fail(status, &format!("it has no `{name}`"));
            }
        }
        let given = header("content-type").map(essence);
        let is_described = match answer["content"].as_object() {
            Some(kinds) => given.is_some_and(|given| kinds.contains_key(given)),
            None => given.is_none(),
        };
        if !is_described {
            self.fail(status, &format!("the content type {given:?} is not described"));
        }
    }

    /// Checks the body of an answer that was read to its end.
    pub fn check_body(&self, status: u16, header: HeaderOf<'_, '_>, body: &[u8]) {
        let is_readable = is_of_the_service(header)
            && header("content-encoding").is_none()
            && !matches!(&*self.method, "OPTIONS" | "HEAD");
        let Some(kind) = header("content-type").map(essence).filter(|_| is_readable) else {
            return;
        };
        if kind == "text/event-stream" {
            let mut decoder = EventDecoder::default();
            decoder.push(body);
            return decoder.for_each(|event| self.check_event(&event));
        }
        let operation = self.operation();
        let answer = match kind {
            "application/problem+json" => Some(&document()["components"]["responses"]["NotFound"]),
            "application/json" => answer_of(operation, status),
            _ => None,
        };
        let Some(answer) = answer else { return };
        self.check(&answer["content"][kind]["schema"], body, &format!("the answer {status}"));
    }

    /// Checks an event of a stream that answers this.
    pub fn check_event(&self, event: &Event) {
        if event.data.is_empty() {
            return;
        }
        let name = if event.name.is_empty() { "message" } else { &event.name };
        let Some(operation) = self.operation() else { return };
        let events = &operation["responses"]["200"]["content"]["text/event-stream"]["x-events"];
        self.check_named(events, name, event.data.as_bytes());
        seen::event(self.port, operation, name);
    }

    /// Checks a text message of a WebSocket that answers this.
    pub fn check_message(&self, text: &str) {
        let Some(operation) = self.operation() else { return };
        let socket = &operation["x-web-socket"];
        let message: Value = serde_json::from_str(text)
            .unwrap_or_else(|_| panic!("{}: a message is no JSON: {text}", self.path));
        let name = message["event"].as_str().unwrap_or_default();
        seen::event(self.port, operation, name);
        let answers = socket["answers"].as_array().into_iter().flatten();
        let answer = answers.map(resolved).find(|one| one["properties"]["event"]["const"] == name);
        if let Some(answer) = answer {
            return self.check(answer, text.as_bytes(), &format!("the message {name:?}"));
        }
        for field in message.as_object().into_iter().flat_map(serde_json::Map::keys) {
            let is_known = matches!(&**field, "event" | "id" | "data");
            assert!(is_known, "{}: a message has a `{field}`: {text}", self.path);
        }
        self.check_named(&socket["events"], name, message["data"].to_string().as_bytes());
    }

    fn check_named(&self, events: &'static Value, name: &str, data: &[u8]) {
        let described = events.get(name);
        let described = described.unwrap_or_else(|| {
            panic!("GET {}: /openapi.json describes no event {name:?} of it", self.path)
        });
        self.check(described, data, &format!("the event {name:?}"));
    }

    /// Checks JSON. What was found to fit is not looked at again: a thousand streams are sent the same frame.
    fn check(&self, schema: &'static Value, json: &[u8], what: &str) {
        static FITTING: LazyLock<Mutex<HashSet<u64>>> = LazyLock::new(Mutex::default);
        let mut hasher = DefaultHasher::new();
        (std::ptr::from_ref(schema) as usize, json).hash(&mut hasher);
        let hash = hasher.finish();
        let fitting = || FITTING.lock().unwrap_or_else(PoisonError::into_inner);
        if fitting().contains(&hash) {
            return;
        }
        let found = match serde_json::from_slice::<Value>(json) {
            Ok(value) => violation(document(), schema, &value),
            Err(error) => Some(format!("it is no JSON: {error}")),
        };
        if let Some(why) = found {
            let text = String::from_utf8_lossy(json);
            let start = text.floor_char_boundary(500);
            let Self { method, path, .. } = self;
            panic!(
                "{method} {path}: {what} is not as /openapi.json describes it, at {why}. It begins {}",
                &text[..start]
            );
        }
        fitting().insert(hash);
    }

    fn fail(&self, status: u16, why: &str) -> ! {
        let Self { method, path, .. } = self;
        panic!("{method} {path} was answered {status}, and /openapi.json differs: {why}");
    }
}

/// Proxies and fakes are no part of the service. Requests whose head is refused have no id.
fn is_of_the_service(header: HeaderOf<'_, '_>) -> bool {
    let is_problem = header("content-type").is_some_and(|kind| kind == "application/problem+json");
    header("x-request-id").is_some() || is_problem
}

/// A content type without its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
