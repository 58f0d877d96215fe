//! What an implementation shows of a room.

use serde_json::Value;

use super::{case::Judged, person::Person};

/// Identities of these are in rooms so that it is seen that everything before them was taken.
pub(super) const MARKER: &str = "conformance-marker-";

/// A list, without markers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown(Vec<Value>);

impl Shown {
    /// Reads an array of participants, or an object that has one.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(json)
            .map_err(|_| format!("{:?} is not JSON", excerpt(&String::from_utf8_lossy(json))))?;
        let list = match value {
            Value::Array(list) => Some(list),
            Value::Object(mut object) => match object.remove("participants") {
                Some(Value::Array(list)) => Some(list),
                Some(_) | None => None,
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        list.map(Self)
            .ok_or_else(|| format!("{:?} has no list", excerpt(&String::from_utf8_lossy(json))))
    }

    pub fn has(&self, sid: &str) -> bool {
        self.of(sid).is_some()
    }

    /// The entry of a session.
    pub fn of(&self, sid: &str) -> Option<&Value> {
        self.0.iter().find(|one| one["sid"] == sid)
    }

    #[must_use]
    pub fn without_markers(mut self) -> Self {
        self.0.retain(|one| !one["identity"].as_str().is_some_and(|name| name.starts_with(MARKER)));
        self
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// That these are the people, each once, in whatever order.
    pub fn are(&self, people: &[&Person]) -> Judged {
        let (mut shown, mut expected) = (self.sids(), sids(people));
        shown.sort_unstable();
        expected.sort_unstable();
        if shown == expected { Ok(()) } else { Err(self.instead_of(people)) }
    }

    /// That these are the people, in this order.
    pub fn are_in_order(&self, people: &[&Person]) -> Judged {
        if self.sids() == sids(people) { Ok(()) } else { Err(self.instead_of(people)) }
    }

    /// The sids of somebody's tracks.
    pub fn tracks_of(&self, sid: &str) -> Vec<&str> {
        let tracks = self.of(sid).and_then(|one| one["tracks"].as_array());
        tracks.into_iter().flatten().map(|track| track["sid"].as_str().unwrap_or("?")).collect()
    }

    pub fn sids(&self) -> Vec<&str> {
        self.0.iter().map(|one| one["sid"].as_str().unwrap_or("?")).collect()
    }

    fn instead_of(&self, people: &[&Person]) -> String {
        let shown = self.0.iter().map(|one| {
            let text = |field: &str| one[field].as_str().unwrap_or("?").to_owned();
            (text("identity"), text("sid"))
        });
        let expected =
            people.iter().map(|one| (one.identity().to_owned(), one.sid().to_owned())).collect();
        format!("the list has {} instead of {}", named(shown.collect()), named(expected))
    }
}

fn sids<'people>(people: &[&'people Person]) -> Vec<&'people str> {
    people.iter().map(|person| person.sid()).collect()
}

fn named(people: Vec<(String, String)>) -> String {
    if people.is_empty() {
        return "nobody".to_owned();
    }
    let named = people.iter().map(|(identity, sid)| format!("{} ({sid})", excerpt(identity)));
    excerpt(&named.collect::<Vec<_>>().join(", "))
}

/// The beginning of a text, for a sentence.
pub(super) fn excerpt(text: &str) -> String {
    const LETTERS: usize = 160;
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
