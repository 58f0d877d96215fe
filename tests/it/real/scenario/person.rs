//! Somebody in a room, in the form that clients, subscribers and LiveKit's list share, so that they can be compared.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

/// A session and its visible fields.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    pub identity: String,
    pub sid: String,
    pub name: String,
    pub metadata: String,
    pub attributes: BTreeMap<String, String>,
    /// Source and mute of each track, by sid.
    pub tracks: BTreeMap<String, (String, bool)>,
}

impl Person {
    /// Reads one from a subscriber's list, from LiveKit's, or from what a client says of itself. All use the same names.
    pub fn read(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let attributes = value["attributes"].as_object().into_iter().flatten();
        let tracks = value["tracks"].as_array().into_iter().flatten();
        Self {
            identity: text("identity"),
            sid: text("sid"),
            name: text("name"),
            metadata: text("metadata"),
            attributes: attributes
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            tracks: tracks
                .map(|track| {
                    let text = |name: &str| track[name].as_str().unwrap_or_default().to_owned();
                    (text("sid"), (text("source"), track["muted"] == true))
                })
                .collect(),
        }
    }

    /// Reads a list, sorted by identity.
    pub fn read_all<'a>(list: impl IntoIterator<Item = &'a Value>) -> Vec<Self> {
        let mut people: Vec<_> = list.into_iter().map(Self::read).collect();
        people.sort();
        people
    }
}

/// One line for each person, so that a list is readable.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.identity, self.sid)?;
        for (sid, (source, is_muted)) in &self.tracks {
            write!(f, " {sid} {source}{}", if *is_muted { " muted" } else { "" })?;
        }
        if (self.name.len(), self.metadata.len(), self.attributes.len()) != (0, 0, 0) {
            write!(f, " {:?} {:?} {:?}", self.name, self.metadata, self.attributes)?;
        }
        Ok(())
    }
}

/// The difference between a list and the truth, in words; none if they are equal.
pub fn difference(list: &[Person], truth: &[Person]) -> Option<String> {
    let find = |people: &[Person], identity: &str| {
        people.iter().find(|one| one.identity == identity).cloned()
    };
    let mut words = Vec::new();
    for one in list.iter().filter(|one| find(truth, &one.identity).is_none()) {
        words.push(format!("also {}", one.identity));
    }
    for one in truth {
        match find(list, &one.identity) {
            None => words.push(format!("without {}", one.identity)),
            Some(listed) if listed.sid != one.sid => {
                words.push(format!("another session of {}", one.identity));
            }
            Some(listed) if listed.tracks != one.tracks => {
                words.push(format!("other tracks of {}", one.identity));
            }
            Some(listed) if listed != *one => words.push(format!("an old {}", one.identity)),
            Some(_) => {}
        }
    }
    if list.len() != truth.len() && words.is_empty() {
        words.push("somebody twice".to_owned());
    }
    (!words.is_empty()).then(|| words.join(", "))
}
