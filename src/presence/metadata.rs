//! A room's own metadata. LiveKit sends no webhook when it changes: every full description of the room in another webhook has it,
//! and so has what LiveKit says when it is asked.
//!
//! Views of it are ordered without comparing two clocks: a room remembers that at a moment of the store's clock the metadata was
//! this, and that LiveKit's clock had reached a certain time by then.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    event::Event,
    opening::Opening,
    participant::is_default,
    room::Room,
    time::{LiveKitTime, StoreTime, Version},
};

/// Bytes of a digest, enough that no two texts of one room ever have the same one.
const DIGEST_BYTES: usize = 9;

/// What LiveKit says of a room's metadata when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldMetadata {
    /// When LiveKit made the room object, if it says so.
    pub created_at: Option<LiveKitTime>,
    pub metadata: Arc<str>,
    /// The store's time before LiveKit was asked.
    pub asked_at: StoreTime,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataTold {
    Changed,
    /// The room has this metadata already.
    Same,
    /// The store does not hold the room as open, or has heard something newer of it. To ask LiveKit again tells more.
    Outdated,
}

/// The digest of a text; the empty one has an empty digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetadataDigest(String);

impl MetadataDigest {
    pub fn of(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        let hash = Sha256::digest(text.as_bytes());
        Self(URL_SAFE_NO_PAD.encode(&hash[..DIGEST_BYTES]))
    }

    fn is_of_nothing(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a room keeps of its metadata beside the text, which may be long: a store outside this process keeps that apart. A room that
/// has had no metadata keeps nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetadataMark {
    #[serde(default, skip_serializing_if = "MetadataDigest::is_of_nothing")]
    digest: MetadataDigest,
    /// When LiveKit made the room object that had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<LiveKitTime>,
    /// When it was known to be this: a webhook said so then, or LiveKit was asked then.
    known_at: StoreTime,
    /// What LiveKit's clock had reached by then, at least. A webhook that LiveKit made earlier is older.
    #[serde(default, skip_serializing_if = "is_default")]
    reached: LiveKitTime,
}

/// A room's metadata, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Metadata {
    pub mark: Option<MetadataMark>,
    /// None where a part of the room was read without it.
    pub text: Option<Arc<str>>,
}

impl Metadata {
    fn digest(&self) -> MetadataDigest {
        self.mark.as_ref().map(|mark| mark.digest.clone()).unwrap_or_default()
    }
}

impl Room {
    /// The room's metadata. None where it is not known, and where only a part of the room was read.
    pub fn metadata(&self) -> Option<&str> {
        match &self.metadata.mark {
            Some(mark) if mark.digest.is_of_nothing() => Some(""),
            Some(_) => self.metadata.text.as_deref(),
            None => self.is_described().then_some(""),
        }
    }

    /// Tells whether the metadata becomes another.
    pub fn metadata_digest(&self) -> MetadataDigest {
        self.metadata.digest()
    }

    /// The metadata, if it is another one than `before`. A room that has ended has none.
    pub fn metadata_unless(&self, before: &MetadataDigest) -> Option<&str> {
        let digest = self.metadata.digest();
        match () {
            () if digest == *before => None,
            () if digest.is_of_nothing() => Some(""),
            () => self.metadata.text.as_deref(),
        }
    }

    /// Takes over what LiveKit says of the metadata, unless the room knows better. Changes nothing else.
    pub fn tell_metadata(&mut self, told: &ToldMetadata) -> MetadataTold {
        let is_unknown = self.version == Version::ZERO || self.opening == Opening::Closed;
        if is_unknown || self.is_of_older_life(told.created_at) {
            return MetadataTold::Outdated;
        }
        let is_newer_life = self.is_of_newer_life(told.created_at);
        let mark = self.metadata.mark.as_ref();
        if !is_newer_life && mark.is_some_and(|mark| mark.known_at > told.asked_at) {
            return MetadataTold::Outdated;
        }
        let digest = MetadataDigest::of(&told.metadata);
        let is_known = mark.is_some() || self.is_described();
        if is_known && digest == self.metadata.digest() {
            return MetadataTold::Same;
        }
        let reached = self.reached_at(told.asked_at);
        let mark = MetadataMark {
            digest,
            created_at: told.created_at.or(self.created_at),
            known_at: told.asked_at,
            reached,
        };
        self.metadata = Metadata { mark: Some(mark), text: Some(Arc::clone(&told.metadata)) };
        MetadataTold::Changed
    }

    /// Ends the metadata with the room, and takes over what a webhook says of it, unless the room knows better.
    pub(super) fn hear_metadata(&mut self, event: &Event, now: StoreTime) {
        self.end_metadata();
        let Some(text) = event.room_metadata() else { return };
        let created_at = event.room_created_at;
        if self.opening == Opening::Closed || self.is_of_older_life(created_at) {
            return;
        }
        let is_newer_life = self.is_of_newer_life(created_at);
        let mark = self.metadata.mark.as_ref();
        if !is_newer_life && mark.is_some_and(|mark| event.created_at < mark.reached) {
            return;
        }
        if mark.is_none() && text.is_empty() {
            return;
        }
        let digest = MetadataDigest::of(text);
        if digest != self.metadata.digest() {
            self.metadata.text = Some(text.into());
        }
        self.metadata.mark =
            Some(MetadataMark { digest, created_at, known_at: now, reached: event.created_at });
    }

    /// A room that has ended has no metadata.
    pub(super) fn end_metadata(&mut self) {
        if self.opening == Opening::Closed {
            self.metadata = Metadata::default();
        }
    }

    /// Whether a webhook described this life of the room in full.
    fn is_described(&self) -> bool {
        self.created_at.is_some() && self.opening != Opening::Closed
    }

    fn is_of_older_life(&self, created_at: Option<LiveKitTime>) -> bool {
        created_at.is_some_and(|created_at| {
            self.created_at.is_some_and(|known| created_at < known)
                || self.metadata_life().is_some_and(|known| created_at < known)
        })
    }

    fn is_of_newer_life(&self, created_at: Option<LiveKitTime>) -> bool {
        created_at
            .is_some_and(|created_at| self.metadata_life().is_some_and(|known| known < created_at))
    }

    fn metadata_life(&self) -> Option<LiveKitTime> {
        self.metadata.mark.as_ref().and_then(|mark| mark.created_at)
    }

    /// What LiveKit's clock had reached at a moment of the store's, at least: a webhook tells the one at the other, and both go on
    /// alike.
    fn reached_at(&self, at: StoreTime) -> LiveKitTime {
        let heard = self.metadata.mark.as_ref().map(|mark| (mark.reached, mark.known_at));
        let started = self.started.map(|started| (started.created_at, started.applied_at));
        let reached = heard.into_iter().chain(started).map(|(reached, then)| {
            let since = i64::try_from(at.since(then).as_millis()).unwrap_or_default();
            reached.plus_millis(since)
        });
        reached.max().unwrap_or_default()
    }
}
