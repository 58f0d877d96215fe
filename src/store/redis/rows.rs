//! A room's hash: its fields, with JSON in them that an operator can read.

use std::collections::HashMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    presence::{Identity, MetadataRow, PersonRow, ROW_FORMAT, Room, RoomRow, RoomSlice, StoreTime},
    store::{Cause, StoreError},
};

/// The field of the revision, which differs after each write.
pub(super) const REVISION: &str = "r";
/// The field of the room's own row.
pub(super) const ROOM: &str = "m";
/// The field of the metadata of a room that has some.
pub(super) const METADATA: &str = "d";
const PERSON: &str = "p:";

pub(super) fn field_of(identity: &Identity) -> String {
    format!("{PERSON}{identity}")
}

/// Why something in Redis cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(
        "Redis holds a row of format {0}, which this version does not know; run the version that wrote it, or choose another `store.key_prefix`"
    )]
    Format(u32),
    #[error("Redis holds a row that this version does not understand")]
    Malformed,
}

impl From<Unreadable> for StoreError {
    fn from(error: Unreadable) -> Self {
        Self::Malformed(Cause::new(error))
    }
}

/// A part of a room, and the revision at which it was read or written.
#[derive(Debug, Default)]
pub(super) struct HeldRows {
    pub slice: RoomSlice,
    /// Empty where Redis does not hold the room.
    pub revision: String,
    /// Bytes counted for each person.
    sizes: HashMap<Identity, usize>,
    bytes: usize,
}

/// Memory counted for a person beside the bytes of the row.
const PERSON_BYTES: usize = 400;
/// Memory counted for a room.
const ROOM_BYTES: usize = 1_000;

/// Most rows and messages fit, and so are allocated once.
const TYPICAL_ROW_BYTES: usize = 512;

/// A field and its value, if it is there.
pub(super) type Field = (Vec<u8>, Option<Vec<u8>>);

impl HeldRows {
    /// From fields that were asked for, with those that are not there.
    pub fn from_fields(fields: impl IntoIterator<Item = Field>) -> Result<Self, Unreadable> {
        let mut held = Self { bytes: ROOM_BYTES, ..Self::default() };
        let (mut room, mut metadata) = (None, None);
        let mut persons = Vec::new();
        for (field, value) in fields {
            let field = String::from_utf8(field).map_err(|_| Unreadable::Malformed)?;
            match (field.as_str(), value) {
                (REVISION, value) => {
                    let revision = String::from_utf8(value.unwrap_or_default());
                    held.revision = revision.map_err(|_| Unreadable::Malformed)?;
                }
                (ROOM, value) => room = value.as_deref().map(room_row).transpose()?,
                (METADATA, value) => metadata = value.as_deref().map(metadata_row).transpose()?,
                (field, value) => {
                    // Any other field is from a newer version, or is `w`, which belongs to the commit script.
                    let Some(identity) = field.strip_prefix(PERSON) else { continue };
                    persons.push((Identity::new(identity), value));
                }
            }
        }
        if room.is_none() != held.revision.is_empty() {
            return Err(Unreadable::Malformed);
        }
        held.slice = RoomSlice::new(room);
        if let Some(metadata) = metadata {
            held.bytes += metadata.metadata.len();
            held.slice.load_metadata(metadata);
        }
        for (identity, row) in persons {
            held.load(&identity, row.as_deref())?;
        }
        Ok(held)
    }

    /// From all fields of the hash.
    pub fn from_all_fields(fields: impl IntoIterator<Item = Field>) -> Result<Self, Unreadable> {
        let mut held = Self::from_fields(fields)?;
        held.slice.loaded_everybody();
        Ok(held)
    }

    /// The room as it was at `now`; none where Redis does not hold it, or where not everybody was read.
    pub fn into_room(self, now: StoreTime) -> Option<Room> {
        if self.revision.is_empty() { None } else { self.slice.into_room(now) }
    }

    pub fn load(&mut self, identity: &Identity, row: Option<&[u8]>) -> Result<(), Unreadable> {
        self.slice.load(identity, row.map(person_row).transpose()?);
        self.weigh(identity, row.map_or(0, <[u8]>::len));
        Ok(())
    }

    /// A person's row to write; none where it has to be deleted.
    pub fn person(&mut self, identity: &Identity) -> Option<Vec<u8>> {
        let row = self.slice.person_row(identity);
        let json = (!row.is_empty()).then(|| to_json(&row));
        self.weigh(identity, json.as_ref().map_or(0, Vec::len));
        json
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn weigh(&mut self, identity: &Identity, size: usize) {
        let size = size + PERSON_BYTES;
        let before = self.sizes.insert(identity.clone(), size).unwrap_or_default();
        self.bytes = self.bytes + size - before;
    }
}

/// The room's own row.
pub(super) fn room_row(json: &[u8]) -> Result<RoomRow, Unreadable> {
    let row: RoomRow = from_json(json)?;
    known(row.format).map(|()| row)
}

fn person_row(json: &[u8]) -> Result<PersonRow, Unreadable> {
    let row: PersonRow = from_json(json)?;
    known(row.format).map(|()| row)
}

fn metadata_row(json: &[u8]) -> Result<MetadataRow, Unreadable> {
    let row: MetadataRow = from_json(json)?;
    known(row.format).map(|()| row)
}

fn known(format: u32) -> Result<(), Unreadable> {
    if format == ROW_FORMAT { Ok(()) } else { Err(Unreadable::Format(format)) }
}

fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Unreadable> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    serde_json::from_slice(json).map_err(|_| match serde_json::from_slice::<Head>(json) {
        Ok(head) if head.format != ROW_FORMAT => Unreadable::Format(head.format),
        _ => Unreadable::Malformed,
    })
}

pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(TYPICAL_ROW_BYTES);
    serde_json::to_writer(&mut json, value)
        .expect("rows have names as keys, and nothing in them fails");
    json
}
