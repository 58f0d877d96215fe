//! Somebody in a room, in the words that clients, subscribers and LiveKit's list share, so that one can be held against another.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

/// A session with what can be seen of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    pub identity: String,
    pub sid: String,
    pub name: String,
    pub metadata: String,
    pub attributes: BTreeMap<String, String>,
    /// By sid: source and whether it is muted.
    pub tracks: BTreeMap<String, (String, bool)>,
}

impl Person {
    /// Reads one from a subscriber's list, from LiveKit's, or from what a client says of itself: all use these names.
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

    /// Reads a list, in order of identities.
    pub fn read_all<'a>(list: impl IntoIterator<Item = &'a Value>) -> Vec<Self> {
        let mut people: Vec<_> = list.into_iter().map(Self::read).collect();
        people.sort();
        people
    }
}

/// In one line, so that a list can be read.
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

/// How `list` differs from the truth, in words; none where it does not.
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
