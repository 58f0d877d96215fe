//! Which answers and events of the document were seen, by the port of the service that sent them.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

/// Something that the document describes, as `operationId status` or `operationId event`.
pub type Seen = String;

static SEEN: Mutex<BTreeSet<(u16, Seen)>> = Mutex::new(BTreeSet::new());

pub(super) fn answer(port: u16, operation: &Value, status: u16) {
    note(port, operation, &status.to_string());
}

pub(super) fn event(port: u16, operation: &Value, name: &str) {
    note(port, operation, name);
}

fn note(port: u16, operation: &Value, what: &str) {
    let id = operation["operationId"].as_str().expect("an operation has an id");
    let mut all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    all.insert((port, format!("{id} {what}")));
}

/// What was seen of the service at this port.
pub fn seen_at(port: u16) -> BTreeSet<Seen> {
    let all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().filter(|(at, _)| *at == port).map(|(_, seen)| seen.clone()).collect()
}
