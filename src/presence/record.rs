//! What one step on a room adds to its history: who was there, and when. The history itself is kept elsewhere; the rules only say
//! what it has to know.
//!
//! The times are milliseconds since the Unix epoch. A join has LiveKit's clock, a leave that of the instance which took its webhook,
//! what a comparison found the store's. They are taken for one clock here, and nowhere else.

use serde::{Deserialize, Serialize};

use super::{
    event::{Event, EventKind, RoomLifecycle},
    label::{ParticipantKind, TrackSource},
    name::{Identity, ParticipantSid, RoomSid},
    participant::{Participant, is_default},
    time::{LiveKitTime, StoreTime},
    transition::{Ending, Entrance, Transition},
};

/// LiveKit gives the time of an event in whole seconds. A webhook that arrives within this time of it was not delayed, and then its
/// arrival is the better time.
const PROMPT_MILLIS: i64 = 2_000;

/// One thing that the history of a room has to know. Of one step it has at most one about each session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// The room opened, or opened again after a crash of LiveKit, which may keep the sid.
    Opened(Opened),
    /// The room object ended.
    Closed(Closed),
    /// The session is in the list, as it is described here.
    Shown(Shown),
    /// The session is in the list no more, or was in it and has left, which nobody had said before.
    Left(Left),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    pub sid: RoomSid,
    /// When LiveKit made the room.
    pub created_at: LiveKitTime,
    /// When it said so.
    pub at: LiveKitTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closed {
    pub sid: RoomSid,
    pub at: Moment,
    /// LiveKit's name of the reason, if it said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub told_by: ToldBy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    pub stay: Stay,
    /// When it joined, or when it could be seen again if it had been hidden.
    pub since: LiveKitTime,
    /// Whether it had been hidden, so that this is another interval of the same session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is_revealed: bool,
    /// What it sends, from `at` on.
    pub media: Media,
    pub at: LiveKitTime,
    pub told_by: ToldBy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    pub stay: Stay,
    pub at: Moment,
    /// LiveKit's name of the reason, if it said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub why: LeftWhy,
    pub told_by: ToldBy,
}

/// A session, as its history keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stay {
    pub sid: ParticipantSid,
    pub identity: Identity,
    /// The life of the room that it belongs to, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_sid: Option<RoomSid>,
    pub joined_at: LiveKitTime,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: ParticipantKind,
    /// Whether LiveKit counts it as an agent, and not as a person.
    #[serde(default, skip_serializing_if = "is_default")]
    pub agent: bool,
    /// Only where it is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

/// Which kinds of tracks a session publishes and does not mute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Media {
    #[serde(skip_serializing_if = "is_default")]
    pub microphone: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub camera: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub screen: bool,
}

/// A moment, and whether it is more than the best that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    pub at: LiveKitTime,
    pub exact: bool,
}

/// What told of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToldBy {
    /// A webhook of the session or the room itself.
    Webhook,
    /// A comparison, a probe, or a webhook of something else.
    Comparison,
}

/// Why a session is in the list no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LeftWhy {
    /// LiveKit said that it left.
    Said,
    /// That was concluded. Its own webhook may come later, and knows better; or it turns out that it never left.
    Concluded,
    /// It goes on, hidden.
    Hidden,
}

impl Media {
    fn of(participant: &Participant) -> Self {
        let sends = |source: &TrackSource| {
            participant.tracks.iter().any(|track| track.source == *source && !track.muted)
        };
        Self {
            microphone: sends(&TrackSource::Microphone),
            camera: sends(&TrackSource::Camera),
            screen: sends(&TrackSource::ScreenShare),
        }
    }
}

impl Stay {
    fn of(participant: &Participant, room_sid: Option<&RoomSid>, metadata: bool) -> Self {
        let profile = &participant.profile;
        let metadata = metadata.then(|| profile.metadata.clone());
        Self {
            sid: participant.sid.clone(),
            identity: participant.identity.clone(),
            room_sid: room_sid.cloned(),
            joined_at: participant.joined_at,
            name: profile.name.clone(),
            kind: profile.kind.clone(),
            agent: profile.is_agent(),
            metadata: metadata.filter(|metadata| !metadata.is_empty()),
        }
    }
}

/// A step that was taken on a room, as far as its history is concerned.
pub struct StepTaken<'step> {
    /// LiveKit's id of the room after the step.
    pub room_sid: Option<&'step RoomSid>,
    pub transitions: &'step [Transition],
    /// Whom the list shows otherwise than before, by identity.
    pub updated: &'step [Participant],
    /// The webhook behind it, unless it had been applied before; none where it is a comparison's repair.
    pub event: Option<&'step Event>,
    /// Whether it found that the room has ended, which no webhook had said.
    pub found_ended: bool,
    pub now: StoreTime,
    /// Whether metadata is kept.
    pub metadata: bool,
}

impl StepTaken<'_> {
    /// What the history has to know of it, in order.
    pub fn records(&self) -> Vec<Record> {
        let mut records: Vec<_> = self.opened().into_iter().collect();
        records.extend(self.transitions.iter().map(|one| self.of_transition(one)));
        let joins = |sid: &ParticipantSid| self.transitions.iter().any(|one| one.sid() == sid);
        let updated = self.updated.iter().filter(|participant| !joins(&participant.sid));
        records.extend(updated.map(|participant| self.of_update(participant)));
        records.extend(self.late_leave());
        records.extend(self.closed());
        records
    }

    fn opened(&self) -> Option<Record> {
        let event = self.event?;
        let EventKind::Room(RoomLifecycle::Started) = event.kind else { return None };
        let created_at = event.room_created_at.unwrap_or(event.created_at);
        let sid = event.room_sid.clone()?;
        Some(Record::Opened(Opened { sid, created_at, at: event.created_at }))
    }

    fn closed(&self) -> Option<Record> {
        if self.found_ended {
            let at = Moment { at: self.now(), exact: false };
            let sid = self.room_sid.cloned()?;
            let told_by = ToldBy::Comparison;
            return Some(Record::Closed(Closed { sid, at, reason: None, told_by }));
        }
        let event = self.event?;
        let EventKind::Room(RoomLifecycle::Finished) = event.kind else { return None };
        let sid = event.room_sid.clone()?;
        let reason = event.details.room_end_reason.clone();
        Some(Record::Closed(Closed { sid, at: said_at(event), reason, told_by: ToldBy::Webhook }))
    }

    fn of_transition(&self, transition: &Transition) -> Record {
        match transition {
            Transition::Joined(participant, entrance) => {
                let is_revealed = *entrance == Entrance::Revealed;
                let at = self.time(participant);
                let since = if is_revealed { at } else { participant.joined_at };
                Record::Shown(Shown { since, is_revealed, ..self.shown(participant) })
            }
            Transition::Left(participant, ending) => self.left(participant, *ending),
        }
    }

    fn of_update(&self, participant: &Participant) -> Record {
        Record::Shown(self.shown(participant))
    }

    fn shown(&self, participant: &Participant) -> Shown {
        Shown {
            stay: self.stay(participant),
            since: participant.joined_at,
            is_revealed: false,
            media: Media::of(participant),
            at: self.time(participant),
            told_by: self.told_by(participant),
        }
    }

    fn left(&self, participant: &Participant, ending: Ending) -> Record {
        let own = self.event.filter(|event| event.sid() == Some(&participant.sid));
        let guess = |at: LiveKitTime| Moment { at, exact: false };
        let at = match ending {
            Ending::Said | Ending::Hidden => own.map_or_else(|| guess(self.now()), said_at),
            Ending::Superseded => guess(self.joined_instead(participant)),
            Ending::Finished => guess(self.event.map_or(self.now(), |event| said_at(event).at)),
            Ending::Missing { since } => guess(as_livekits(since)),
            Ending::Restarted { last_sign } | Ending::Evicted { last_sign } => {
                guess(as_livekits(last_sign))
            }
        };
        let why = match ending {
            Ending::Said => LeftWhy::Said,
            Ending::Hidden => LeftWhy::Hidden,
            Ending::Superseded
            | Ending::Restarted { .. }
            | Ending::Finished
            | Ending::Missing { .. }
            | Ending::Evicted { .. } => LeftWhy::Concluded,
        };
        let is_said = why == LeftWhy::Said;
        let reason =
            own.filter(|_| is_said).and_then(|event| event.details.disconnect_reason.clone());
        Record::Left(Left {
            stay: self.stay(participant),
            at: Moment { at: at.at.max(participant.joined_at), ..at },
            reason,
            why,
            told_by: self.told_by(participant),
        })
    }

    /// The leave of a session that the list did not show: its join was lost, or it was taken for gone before.
    fn late_leave(&self) -> Option<Record> {
        let event = self.event?;
        let EventKind::Left { sid, was_active: true } = &event.kind else { return None };
        let participant = event.details.participant.as_ref()?;
        let is_told = self.transitions.iter().any(|one| one.sid() == sid);
        (!is_told).then(|| self.left(participant, Ending::Said))
    }

    /// When the session joined that replaced this one.
    fn joined_instead(&self, old: &Participant) -> LiveKitTime {
        let of_newer = |transition: &Transition| match transition {
            Transition::Joined(newer, _) if newer.identity == old.identity => Some(newer.joined_at),
            Transition::Joined(..) | Transition::Left(..) => None,
        };
        let newer = self.transitions.iter().find_map(of_newer);
        newer.unwrap_or_else(|| self.event.map_or(self.now(), |event| said_at(event).at))
    }

    fn stay(&self, participant: &Participant) -> Stay {
        let own = self.event.filter(|event| event.sid() == Some(&participant.sid));
        let room_sid = own.and_then(|event| event.room_sid.as_ref()).or(self.room_sid);
        Stay::of(participant, room_sid, self.metadata)
    }

    /// When what this step says of a session happened.
    fn time(&self, participant: &Participant) -> LiveKitTime {
        let own = self.event.filter(|event| event.sid() == Some(&participant.sid));
        own.map_or(self.now(), |event| said_at(event).at).max(participant.joined_at)
    }

    fn told_by(&self, participant: &Participant) -> ToldBy {
        let is_own = self.event.is_some_and(|event| event.sid() == Some(&participant.sid));
        if is_own { ToldBy::Webhook } else { ToldBy::Comparison }
    }

    fn now(&self) -> LiveKitTime {
        as_livekits(self.now)
    }
}

/// When an event happened: its webhook's arrival, if that was prompt; else LiveKit's whole second.
fn said_at(event: &Event) -> Moment {
    let arrived = i64::try_from(event.received_at.as_millis()).unwrap_or(i64::MAX);
    let said = event.created_at.as_millis();
    if said == 0 {
        return Moment { at: LiveKitTime::from_millis(arrived), exact: false };
    }
    let is_prompt = arrived.abs_diff(said) <= PROMPT_MILLIS.unsigned_abs();
    let at = if is_prompt { arrived } else { said };
    Moment { at: LiveKitTime::from_millis(at), exact: is_prompt }
}

fn as_livekits(time: StoreTime) -> LiveKitTime {
    LiveKitTime::from_millis(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}
