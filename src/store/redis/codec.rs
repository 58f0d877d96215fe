//! What scripts are told, and what they answer. A session's profile and a track go through them as JSON that they never read.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::presence::{
    self, Applied, Change, Departure, Event, EventKind, GoneBecause, HostTime, Identity, Life,
    LiveKitTime, Opening, OpeningOf, Participant, ParticipantKind, ParticipantSid, Profile, Repair,
    RepairCounts, Repaired, Repairs, Room, RoomLifecycle, RoomName, RoomParts, RoomSid, Rules,
    SessionInfo, SessionParts, SessionState, Standing, Started, StoreTime, Track, TrackKind,
    TrackSid, TrackSource, Version,
};

use crate::store::Position;

use super::netstring::{Malformed, Packer, Unpacker, parse};

/// What Lua's numbers hold exactly.
const LARGEST_NUMBER: i64 = 1 << 53;

#[derive(Serialize, Deserialize)]
struct StoredProfile<'json> {
    #[serde(default, skip_serializing_if = "is_empty", borrow)]
    name: Cow<'json, str>,
    #[serde(default, skip_serializing_if = "is_empty", borrow)]
    metadata: Cow<'json, str>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
    #[serde(borrow)]
    kind: Cow<'json, str>,
}

fn is_empty(text: &str) -> bool {
    text.is_empty()
}

#[derive(Deserialize)]
struct StoredTrack<'json> {
    #[serde(borrow)]
    sid: Cow<'json, str>,
    #[serde(borrow)]
    source: Cow<'json, str>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'json, str>,
    muted: bool,
    #[serde(borrow)]
    name: Cow<'json, str>,
}

/// The arguments of `apply.lua`.
pub(super) fn of_event(event: &Event, extra_trust: Duration) -> Vec<u8> {
    let mut packer = Packer::default();
    packer
        .number(u64::try_from(extra_trust.as_micros()).unwrap_or(u64::MAX))
        .text(event.id.as_ref().map_or("", |id| id.as_str()))
        .number(event.received_at.as_micros())
        .text(match &event.kind {
            EventKind::Room(RoomLifecycle::Started) => "started",
            EventKind::Room(RoomLifecycle::Finished) => "finished",
            EventKind::Joined(_) => "joined",
            EventKind::Left { .. } => "left",
            EventKind::TrackPublished { .. } => "published",
            EventKind::TrackUnpublished { .. } => "unpublished",
        })
        .text(event.room_sid.as_ref().map_or("", |sid| sid.as_str()));
    time(&mut packer, event.created_at);
    match &event.kind {
        EventKind::Room(_) => {}
        EventKind::Joined(info) => {
            packer.text(match info.state {
                SessionState::Connecting => "C",
                SessionState::Active => "A",
                SessionState::Disconnected => "D",
            });
            session(&mut packer, info);
        }
        EventKind::Left { sid, was_active } => {
            packer.text(sid.as_str()).switch(*was_active);
        }
        EventKind::TrackPublished { sid, track } => {
            packer.text(sid.as_str()).text(track.sid.as_str()).bytes(&json(track));
        }
        EventKind::TrackUnpublished { sid, track } => {
            packer.text(sid.as_str()).text(track.as_str());
        }
    }
    packer.finish()
}

/// The arguments of `repair.lua`.
pub(super) fn of_repairs(repairs: &Repairs, rules: &Rules) -> Vec<u8> {
    let mut packer = Packer::default();
    packer
        .number(repairs.asked_at.as_micros())
        .number(repairs.epoch)
        .number(repairs.version.as_u64())
        .switch(repairs.confirms)
        .text(&repairs.unlisted_at.map_or(String::new(), |at| at.as_micros().to_string()))
        .text(&rules.grace.as_micros().to_string())
        .text(&repairs.steps.len().to_string());
    for step in &repairs.steps {
        match step {
            Repair::Add { session: info, suspect } => {
                session(packer.text("add").switch(*suspect), info);
            }
            Repair::Update(info) => session(packer.text("update"), info),
            Repair::Listed { sid, version } => {
                packer.text("listed").text(sid.as_str()).number(*version);
            }
            Repair::Missed(sid) => {
                packer.text("missed").text(sid.as_str());
            }
            Repair::Remove(sid) => {
                packer.text("remove").text(sid.as_str());
            }
            Repair::Forget(sid) => {
                packer.text("forget").text(sid.as_str());
            }
            Repair::Condemn(sid) => {
                packer.text("condemn").text(sid.as_str());
            }
            Repair::Alive(sid) => {
                packer.text("alive").text(sid.as_str());
            }
            Repair::Dead { sid, witnessed } => {
                packer.text("dead").text(sid.as_str()).switch(*witnessed);
            }
        }
    }
    packer.finish()
}

/// The arguments of `read.lua`.
pub(super) fn of_sids(sids: &[ParticipantSid]) -> Vec<u8> {
    let mut packer = Packer::default();
    packer.text(&sids.len().to_string());
    for sid in sids {
        packer.text(sid.as_str());
    }
    packer.finish()
}

fn session(packer: &mut Packer, info: &SessionInfo) {
    packer.text(info.sid.as_str()).text(info.identity.as_str());
    time(packer, info.joined_at);
    packer
        .number(info.version)
        .switch(info.is_visible())
        .bytes(&json(&StoredProfile::of(&info.profile)))
        .text(&info.tracks.len().to_string());
    for track in &info.tracks {
        packer.text(track.sid.as_str()).bytes(&json(track));
    }
}

fn time(packer: &mut Packer, time: LiveKitTime) {
    packer.number(time.as_millis().clamp(-LARGEST_NUMBER, LARGEST_NUMBER));
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and switches are representable in JSON")
}

/// The answer of `apply.lua`.
pub(super) fn applied(answer: &[Vec<u8>]) -> Result<Applied, Malformed> {
    match answer {
        [status] if status == b"duplicate" => Ok(Applied::Duplicate),
        [status] if status == b"unchanged" => Ok(Applied::Unchanged),
        [status] if status == b"unexpected" => Ok(Applied::Unexpected),
        [status, packed] if status == b"changed" => change(packed).map(Applied::Changed),
        _ => Err(Malformed),
    }
}

/// The answer of `repair.lua`.
pub(super) fn repaired(answer: &[Vec<u8>], steps: usize) -> Result<Repaired, Malformed> {
    match answer {
        [status] if status == b"refused" => Ok(Repaired {
            is_refused: true,
            change: None,
            counts: RepairCounts { outdated: steps, ..RepairCounts::default() },
        }),
        [status, packed, effects @ ..] if status == b"repaired" => {
            let mut counts = RepairCounts::default();
            for effect in effects.chunks_exact(2) {
                *count_of(&mut counts, &effect[0])? = parse(&effect[1])?;
            }
            let change = if packed.is_empty() { None } else { Some(change(packed)?) };
            Ok(Repaired { is_refused: false, change, counts })
        }
        _ => Err(Malformed),
    }
}

fn count_of<'counts>(
    counts: &'counts mut RepairCounts,
    effect: &[u8],
) -> Result<&'counts mut usize, Malformed> {
    Ok(match effect {
        b"added" => &mut counts.added,
        b"suspected" => &mut counts.suspected,
        b"replaced" => &mut counts.replaced,
        b"updated" => &mut counts.updated,
        b"removed" => &mut counts.removed,
        b"condemned" => &mut counts.condemned,
        b"reinstated" => &mut counts.reinstated,
        b"noted" => &mut counts.noted,
        b"outdated" => &mut counts.outdated,
        _ => return Err(Malformed),
    })
}

/// A message of a bucket's channel: the room's name, and what follows it.
pub(super) fn message(packed: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let mut unpacker = Unpacker::new(packed);
    let room = unpacker.text()?;
    Ok((room, unpacker.rest()))
}

/// A change as it is published.
pub(super) fn change(packed: &[u8]) -> Result<Change, Malformed> {
    let mut unpacker = Unpacker::new(packed);
    let prev = Version::from_u64(unpacker.number()?);
    let version = Version::from_u64(unpacker.number()?);
    let confirmed_until = StoreTime::from_micros(unpacker.number()?);
    let received_at = unpacker.optional_number()?.map(HostTime::from_micros);
    let mut joined = participants(unpacker.packed()?)?;
    let mut updated = participants(unpacker.packed()?)?;
    let mut left = Vec::new();
    let mut departures = unpacker.packed()?;
    while !departures.is_empty() {
        let sid = ParticipantSid::new(departures.text()?);
        left.push(Departure { sid, identity: Identity::new(departures.text()?) });
    }
    joined.sort_unstable_by(|a, b| a.identity.cmp(&b.identity));
    updated.sort_unstable_by(|a, b| a.identity.cmp(&b.identity));
    left.sort_unstable_by(|a, b| a.identity.cmp(&b.identity));
    Ok(Change { prev, version, confirmed_until, joined, updated, left, received_at })
}

fn participants(mut packed: Unpacker<'_>) -> Result<Vec<Participant>, Malformed> {
    let mut participants = Vec::new();
    while !packed.is_empty() {
        participants.push(participant(packed.packed()?)?);
    }
    Ok(participants)
}

fn participant(mut packed: Unpacker<'_>) -> Result<Participant, Malformed> {
    let identity = Identity::new(packed.text()?);
    let sid = ParticipantSid::new(packed.text()?);
    let joined_at = LiveKitTime::from_millis(packed.number()?);
    let profile = profile(packed.bytes()?)?;
    let mut jsons = packed.packed()?;
    let mut tracks = Vec::new();
    while !jsons.is_empty() {
        tracks.push(track(jsons.bytes()?)?);
    }
    Ok(Participant { sid, identity, joined_at, profile, tracks: tracks.into() })
}

/// The store's clock, as an answer says it.
pub(super) fn store_time(micros: &[u8]) -> Result<StoreTime, Malformed> {
    parse(micros).map(StoreTime::from_micros)
}

/// The answer of `read.lua` after its time; none where there is no such room.
pub(super) fn room(answer: &[Vec<Vec<u8>>]) -> Result<Option<Room>, Malformed> {
    let [meta, sessions, tracks, gone] = answer else {
        return if answer.is_empty() { Ok(None) } else { Err(Malformed) };
    };
    let [
        version,
        sid,
        epoch,
        whole,
        torn,
        opening,
        trusted,
        compared,
        started,
        started_at,
        condemned,
    ] = meta.as_slice()
    else {
        return Err(Malformed);
    };
    let optional = |digits: &[u8]| (!digits.is_empty()).then(|| store_time(digits)).transpose();
    let started = match (optional(started_at)?, started.as_slice()) {
        (Some(applied_at), created_at) => {
            let created_at = LiveKitTime::from_millis(parse(created_at)?);
            Some(Started { created_at, applied_at })
        }
        (None, _) => None,
    };
    let mut tracks: BTreeMap<&[u8], &[u8]> =
        tracks.chunks_exact(2).map(|pair| (&*pair[0], &*pair[1])).collect();
    let sessions = sessions
        .chunks_exact(2)
        .map(|pair| stored_session(&pair[0], &pair[1], tracks.remove(&*pair[0])))
        .collect::<Result<_, _>>()?;
    let gone = gone
        .chunks_exact(3)
        .map(|entry| {
            let sid = std::str::from_utf8(&entry[0]).map_err(|_| Malformed)?;
            Ok((ParticipantSid::new(sid), store_time(&entry[1])?, reason(&entry[2])?))
        })
        .collect::<Result<_, Malformed>>()?;
    Ok(Some(Room::from_parts(RoomParts {
        version: Version::from_u64(parse(version)?),
        sid: room_sid(std::str::from_utf8(sid).map_err(|_| Malformed)?),
        epoch: parse(epoch)?,
        is_whole: whole == b"1",
        is_torn: torn == b"1",
        opening: match opening.as_slice() {
            b"U" => Opening::Unknown,
            b"O" => Opening::Open,
            b"C" => Opening::Closed,
            _ => return Err(Malformed),
        },
        trusted_until: store_time(trusted)?,
        compared_at: store_time(compared)?,
        started,
        condemned_at: optional(condemned)?,
        sessions,
        gone,
    })))
}

/// The answer of `position.lua` after its time; none where there is no such room.
pub(super) fn position(answer: &[Vec<u8>]) -> Result<Option<Position>, Malformed> {
    match answer {
        [] => Ok(None),
        [version, confirmed_until, compared_at] => Ok(Some(Position {
            version: Version::from_u64(parse(version)?),
            confirmed_until: StoreTime::from_micros(parse(confirmed_until)?),
            compared_at: StoreTime::from_micros(parse(compared_at)?),
        })),
        _ => Err(Malformed),
    }
}

/// A room in the list of rooms.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub name: RoomName,
    pub count: usize,
    pub confirmed_until: StoreTime,
}

/// A room of an index, with two fields of its `meta`.
pub(super) fn listed(
    name: RoomName,
    count: &str,
    confirmed_until: &str,
) -> Result<Listed, Malformed> {
    Ok(Listed {
        name,
        count: parse(count.as_bytes())?,
        confirmed_until: StoreTime::from_micros(parse(confirmed_until.as_bytes())?),
    })
}

fn stored_session(
    sid: &[u8],
    packed: &[u8],
    tracks: Option<&[u8]>,
) -> Result<SessionParts, Malformed> {
    let sid = ParticipantSid::new(std::str::from_utf8(sid).map_err(|_| Malformed)?);
    let mut packed = Unpacker::new(packed);
    let identity = Identity::new(packed.text()?);
    let joined_at = LiveKitTime::from_millis(packed.number()?);
    let version = packed.number()?;
    let visible = packed.switch()?;
    let profile = profile(packed.bytes()?)?;
    let opening = match (packed.bytes()?, room_sid(packed.text()?)) {
        (b"S", sid) => OpeningOf::Said(sid),
        (b"P", sid) => OpeningOf::Supposed(sid),
        _ => return Err(Malformed),
    };
    let recorded_at = StoreTime::from_micros(packed.number()?);
    let heard_at = packed.optional_number()?.map(StoreTime::from_micros);
    let standing = match packed.bytes()? {
        b"P" => Standing::Present,
        b"S" => Standing::Suspect,
        b"C" => Standing::Condemned,
        b"M" => Standing::Missing,
        _ => return Err(Malformed),
    };
    let alive_at = StoreTime::from_micros(packed.number()?);
    let listed = match (packed.optional_number()?, packed.optional_number()?) {
        (Some(version), Some(asked_at)) => {
            Some(presence::Listed { version, asked_at: StoreTime::from_micros(asked_at) })
        }
        _ => None,
    };
    let life = Life {
        alive_at,
        listed,
        missing_since: packed.optional_number()?.map(StoreTime::from_micros),
        failures: packed.number()?,
        failed_at: StoreTime::from_micros(packed.number()?),
        witnessed: packed.switch()?,
    };
    let (published, removed) = stored_tracks(tracks.unwrap_or_default())?;
    Ok(SessionParts {
        sid,
        identity,
        joined_at,
        version,
        visible,
        profile,
        published,
        removed,
        opening,
        recorded_at,
        heard_at,
        standing,
        life,
    })
}

type Published = Vec<(Track, Option<StoreTime>)>;
type Removed = Vec<(TrackSid, StoreTime)>;

fn stored_tracks(packed: &[u8]) -> Result<(Published, Removed), Malformed> {
    let mut packed = Unpacker::new(packed);
    let (mut published, mut removed) = (Vec::new(), Vec::new());
    while !packed.is_empty() {
        let kind = packed.bytes()?;
        let sid = TrackSid::new(packed.text()?);
        let at = packed.optional_number()?.map(StoreTime::from_micros);
        let json = packed.bytes()?;
        match (kind, at) {
            (b"P", heard_at) => published.push((track(json)?, heard_at)),
            (b"R", Some(at)) => removed.push((sid, at)),
            _ => return Err(Malformed),
        }
    }
    Ok((published, removed))
}

fn room_sid(sid: &str) -> Option<RoomSid> {
    (!sid.is_empty()).then(|| RoomSid::new(sid))
}

fn reason(code: &[u8]) -> Result<GoneBecause, Malformed> {
    Ok(match code {
        b"L" => GoneBecause::Left,
        b"S" => GoneBecause::Superseded,
        b"R" => GoneBecause::Restarted,
        b"F" => GoneBecause::Finished,
        b"M" => GoneBecause::Missing,
        _ => return Err(Malformed),
    })
}

fn profile(json: &[u8]) -> Result<Arc<Profile>, Malformed> {
    let stored: StoredProfile<'_> = serde_json::from_slice(json).map_err(|_| Malformed)?;
    Ok(Arc::new(Profile {
        name: stored.name.into_owned(),
        metadata: stored.metadata.into_owned(),
        attributes: stored.attributes,
        kind: ParticipantKind::from_name(&stored.kind),
    }))
}

impl<'profile> StoredProfile<'profile> {
    fn of(profile: &'profile Profile) -> Self {
        Self {
            name: profile.name.as_str().into(),
            metadata: profile.metadata.as_str().into(),
            attributes: profile.attributes.clone(),
            kind: profile.kind.as_str().into(),
        }
    }
}

fn track(json: &[u8]) -> Result<Track, Malformed> {
    let stored: StoredTrack<'_> = serde_json::from_slice(json).map_err(|_| Malformed)?;
    Ok(Track {
        sid: TrackSid::new(&*stored.sid),
        source: TrackSource::from_name(&stored.source),
        kind: TrackKind::from_name(&stored.kind),
        muted: stored.muted,
        name: stored.name.into_owned(),
    })
}
