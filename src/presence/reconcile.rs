//! Compares a room with LiveKit's own list of it. Computes repairs; a store applies them, and checks each again.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::{
    gone::GoneBecause,
    name::{Identity, ParticipantSid},
    participant::{SessionInfo, SessionState},
    probe::{ProbeAnswer, ProbeTarget, Probed},
    repairs::{Repair, RepairCause, Repairs},
    room::Room,
    rules::Rules,
    session::{MAX_MISSING, MISSING_MEMORY, Session, Standing},
    time::{LiveKitTime, StoreTime},
};

/// Failed probes that evict a session if another session answered one in between.
const FAILURES_WITNESSED: u8 = 2;
/// Failed probes that evict a session if no other session showed that LiveKit answers.
const FAILURES_ALONE: u8 = 3;

/// LiveKit's list of one room. An empty one says that nobody is there.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The store's time before LiveKit was asked. What webhooks did since is newer than this list.
    pub asked_at: StoreTime,
    pub sessions: Vec<SessionInfo>,
}

impl Listing {
    pub(super) fn listed(&self) -> Vec<&SessionInfo> {
        let is_there = |info: &&SessionInfo| info.state != SessionState::Disconnected;
        self.sessions.iter().filter(is_there).collect()
    }
}

/// The sessions that this list omits and that must be probed before they count as gone, those with the newest signs of life
/// first. Lists omit the living: 5 to 15 % of LiveKit's lag right after a join (livekit/livekit#4373), and a node's mistake has
/// emptied the list of a room of hundreds (livekit/livekit#4316).
pub fn missing(room: &Room, listing: &Listing, rules: &Rules) -> Vec<ProbeTarget> {
    if !rules.can_probe {
        return Vec::new();
    }
    let listed = listing.listed();
    let newest = newest_of(&listed);
    let mut missing: Vec<&Session> = omitted(room, &listed, listing.asked_at, rules)
        .into_iter()
        .filter(|held| held.standing != Standing::Evicted)
        .filter(|held| !is_replaced(room, held, &newest))
        .collect();
    missing.sort_by_key(|held| Reverse(held.last_sign()));
    missing.into_iter().map(Session::as_target).collect()
}

/// What must change for the room to agree with LiveKit's list. LiveKit wins, with three exceptions: what webhooks did since it
/// was asked, ghosts, and sessions that it omits, which stay until a probe shows that they are gone. `probed` has the answers of
/// these probes; a session that lives was noted by a repair of its own.
pub fn plan(room: &Room, listing: &Listing, probed: &[Probed], rules: &Rules) -> Repairs {
    let asked_at = listing.asked_at;
    let listed = listing.listed();
    let mut steps: Vec<Repair> = listed
        .iter()
        .filter_map(|info| match room.held(&info.sid) {
            None => plan_unknown(room, info, asked_at, rules),
            Some(held) => plan_held(room, held, info, asked_at),
        })
        .collect();
    let held: Vec<&Session> = listed.iter().filter_map(|info| room.held(&info.sid)).collect();
    steps.extend(plan_believed(room, &held, asked_at, rules));
    steps.extend(plan_evicted(room, &held, asked_at));
    steps.extend(plan_missing(room, &listed, asked_at, probed, rules));
    steps.extend(room.plan_lapses(asked_at));
    Repairs {
        asked_at,
        epoch: room.epoch,
        version: room.version,
        confirms: true,
        unlisted_at: None,
        cause: RepairCause::Comparison,
        steps,
    }
}

/// The repairs where LiveKit has the room but does not say who is inside, as for a room whose node is gone. Nobody is added or
/// missed; every held session counts as listed, so that liveness probes decide.
pub fn plan_without_list(room: &Room, asked_at: StoreTime) -> Repairs {
    let mut held: Vec<&Session> =
        room.sessions.values().filter(|session| session.is_held()).collect();
    held.sort_unstable_by(|a, b| a.sid.cmp(&b.sid));
    let is_noted =
        |held: &&Session| held.life.listed.is_some() && held.life.missing_since.is_none();
    let mut steps: Vec<Repair> = held
        .iter()
        .filter(|held| !is_noted(held))
        .map(|held| Repair::Listed { sid: held.sid.clone(), version: held.version_listed() })
        .collect();
    steps.extend(plan_evicted(room, &held, asked_at));
    steps.extend(room.plan_lapses(asked_at));
    Repairs {
        asked_at,
        epoch: room.epoch,
        version: room.version,
        confirms: false,
        unlisted_at: None,
        cause: RepairCause::Comparison,
        steps,
    }
}

pub(super) fn plan_unknown(
    room: &Room,
    info: &SessionInfo,
    asked_at: StoreTime,
    rules: &Rules,
) -> Option<Repair> {
    // A list lags if it names an older session than the held one.
    let lags = room.is_superseded(&info.sid, &info.identity, info.joined_at);
    if info.state != SessionState::Active || lags {
        return None;
    }
    let suspect = match room.gone.get(&info.sid) {
        Some((_, gone)) if gone.because == GoneBecause::Restarted => true,
        Some(_) if rules.can_probe => true,
        // Without probes, a list from well after it was gone decides.
        Some((gone_at, _)) if asked_at > *gone_at + rules.grace => false,
        Some(_) => return None,
        None => room.predates_start(info.joined_at, StoreTime::default()),
    };
    Some(Repair::Add { session: info.clone(), suspect })
}

fn plan_held(
    room: &Room,
    held: &Session,
    info: &SessionInfo,
    asked_at: StoreTime,
) -> Option<Repair> {
    if let Some(update) = plan_update(held, info, asked_at) {
        return Some(update);
    }
    let is_noted = held.life.missing_since.is_none()
        && held.life.listed.is_some_and(|listed| {
            listed.version == info.version && !room.restarted_since(listed.asked_at)
        });
    (!is_noted).then(|| Repair::Listed { sid: info.sid.clone(), version: info.version })
}

/// The new description of a held session, if it is newer than what is held.
pub(super) fn plan_update(
    held: &Session,
    info: &SessionInfo,
    asked_at: StoreTime,
) -> Option<Repair> {
    let differs = held.takes_over(info, asked_at) && held.would_differ(info, asked_at);
    differs.then(|| Repair::Update(info.clone()))
}

/// Suspects that cannot be probed. Two lists that were asked for after the start and name one are believed.
fn plan_believed(
    room: &Room,
    listed: &[&Session],
    asked_at: StoreTime,
    rules: &Rules,
) -> Vec<Repair> {
    let is_named_twice = |held: &&&Session| {
        held.life.listed.is_some_and(|listed| {
            listed.asked_at < asked_at && !room.restarted_since(listed.asked_at)
        })
    };
    let suspects = listed.iter().filter(|held| held.standing == Standing::Suspect);
    let believed = suspects.filter(|_| !rules.can_probe).filter(is_named_twice);
    believed.map(|held| Repair::Alive(held.sid.clone())).collect()
}

/// Sessions that failed their probes and are still listed. To evict more than half of a room takes one failure more.
fn plan_evicted(room: &Room, listed: &[&Session], asked_at: StoreTime) -> Vec<Repair> {
    let failed_by = |margin: u8| -> Vec<&Session> {
        listed
            .iter()
            .copied()
            .filter(|held| held.standing != Standing::Evicted)
            .filter(|held| held.life.failures >= held.failures_allowed() + margin)
            .filter(|held| held.life.failed_at < asked_at)
            .collect()
    };
    let is_shown = |held: &&&Session| held.standing == Standing::Present;
    let present = room.sessions.values().filter(|held| is_shown(&held)).count();
    let mut evicted = failed_by(0);
    if evicted.iter().filter(is_shown).count() * 2 > present {
        evicted = failed_by(1);
    }
    evicted.into_iter().map(|held| Repair::Evict(held.sid.clone())).collect()
}

/// Sessions that a list omits although they were there when it was asked for, in no particular order. Without those whose
/// identity it shows with a newer session: adding that one ends the older.
pub(super) fn omitted<'room>(
    room: &'room Room,
    listed: &[&SessionInfo],
    asked_at: StoreTime,
    rules: &Rules,
) -> Vec<&'room Session> {
    let sids: HashSet<&ParticipantSid> = listed.iter().map(|info| &info.sid).collect();
    let is_added = |info: &&&SessionInfo| {
        let added = || plan_unknown(room, info, asked_at, rules);
        room.held(&info.sid).is_none()
            && matches!(added(), Some(Repair::Add { suspect: false, .. }))
    };
    let added: HashMap<&Identity, LiveKitTime> =
        listed.iter().filter(is_added).map(|info| (&info.identity, info.joined_at)).collect();
    let is_omitted = |held: &&Session| {
        let is_followed = added.get(&held.identity).is_some_and(|newer| held.joined_at < *newer);
        let is_listed = sids.contains(&held.sid);
        held.is_held() && !is_listed && !is_followed && !held.was_seen_since(asked_at)
    };
    room.sessions.values().filter(is_omitted).collect()
}

fn plan_missing(
    room: &Room,
    listed: &[&SessionInfo],
    asked_at: StoreTime,
    probed: &[Probed],
    rules: &Rules,
) -> Vec<Repair> {
    let newest = newest_of(listed);
    let mut missing = omitted(room, listed, asked_at, rules);
    missing.sort_unstable_by(|a, b| a.sid.cmp(&b.sid));
    let steps: Vec<Repair> = missing
        .into_iter()
        .filter_map(|held| {
            let latest = probed.iter().rfind(|probed| probed.sid == held.sid);
            let is_over = held.standing == Standing::Evicted
                || is_replaced(room, held, &newest)
                || is_gone(held, latest, asked_at, rules);
            match is_over {
                true => Some(Repair::Remove(held.sid.clone())),
                false if is_known_alive(latest) || held.life.missing_since.is_some() => None,
                false => Some(Repair::Missed(held.sid.clone())),
            }
        })
        .collect();
    let forgotten = plan_forgotten(room, &steps, asked_at);
    steps.into_iter().chain(forgotten).collect()
}

/// When the newest session of each identity in a list joined.
type Newest<'list> = HashMap<&'list Identity, LiveKitTime>;

fn newest_of<'list>(listed: &[&'list SessionInfo]) -> Newest<'list> {
    let mut newest = Newest::new();
    for info in listed {
        let joined_at = newest.entry(&info.identity).or_insert(info.joined_at);
        *joined_at = info.joined_at.max(*joined_at);
    }
    newest
}

/// Whether a newer session of the identity is shown, or listed, even if not active yet: LiveKit ends the older session before the
/// newer one begins. A probe names an identity, so it would tell of the newer one.
fn is_replaced(room: &Room, held: &Session, newest: &Newest) -> bool {
    if newest.get(&held.identity).is_some_and(|joined_at| *joined_at > held.joined_at) {
        return true;
    }
    room.held_of(&held.identity).any(|other| {
        let is_newer = (other.joined_at, &other.sid) > (held.joined_at, &held.sid);
        is_newer && other.standing == Standing::Present
    })
}

fn is_known_alive(latest: Option<&Probed>) -> bool {
    latest.is_some_and(|probed| probed.answer == ProbeAnswer::Alive)
}

/// Whether a session that is not listed is known to be gone. A probe's answer counts unless the session has shown life since the
/// probe was made.
fn is_gone(held: &Session, latest: Option<&Probed>, asked_at: StoreTime, rules: &Rules) -> bool {
    let is_past_grace = asked_at.since(held.last_sign()) > rules.grace;
    if !rules.can_probe {
        // Two lists decide, as far apart as a list may lag.
        let missed = held.life.missing_since;
        return is_past_grace && missed.is_some_and(|since| since + rules.grace <= asked_at);
    }
    let Some(probed) = latest.filter(|probed| held.last_sign() < probed.asked_at) else {
        return false;
    };
    match probed.answer {
        ProbeAnswer::Alive => false,
        ProbeAnswer::Gone => true,
        // Gone if a second list, asked for after the probe, omits it too.
        ProbeAnswer::Unanswered => probed.asked_at < asked_at && is_past_grace,
    }
}

/// The sessions kept as missing whose time is over, and the oldest of them where there are too many.
fn plan_forgotten(room: &Room, steps: &[Repair], asked_at: StoreTime) -> Vec<Repair> {
    let mut kept: Vec<(StoreTime, &ParticipantSid)> = room
        .sessions
        .values()
        .filter(|session| !session.is_held())
        .map(|session| (session.life.missing_since.unwrap_or_default(), &session.sid))
        .collect();
    kept.sort_unstable();
    let removed = steps.iter().filter_map(|step| match step {
        Repair::Remove(sid) => Some((asked_at, sid)),
        _ => None,
    });
    kept.extend(removed);
    let too_many = kept.len().saturating_sub(MAX_MISSING);
    let is_over = |since: StoreTime| asked_at.since(since) > MISSING_MEMORY;
    kept.iter()
        .enumerate()
        .filter(|(index, (since, _))| *index < too_many || is_over(*since))
        .map(|(_, (_, sid))| Repair::Forget((*sid).clone()))
        .collect()
}

impl Room {
    /// Whether a session has shown no life for longer than the grace. Only then does a list decide about it.
    pub fn is_past_grace(&self, sid: &ParticipantSid, at: StoreTime, rules: &Rules) -> bool {
        self.held(sid).is_some_and(|held| at.since(held.last_sign()) > rules.grace)
    }

    /// Until when no list decides about a session; none if the room does not hold it.
    pub fn grace_until(&self, sid: &ParticipantSid, rules: &Rules) -> Option<StoreTime> {
        self.held(sid).map(|held| held.last_sign() + rules.grace)
    }

    /// Whether the room started at or after `moment`.
    fn restarted_since(&self, moment: StoreTime) -> bool {
        self.started.is_some_and(|started| started.applied_at >= moment)
    }

    /// How long what a repair mends had been wrong, if that can be told. For measurements only: the time of a join is by
    /// LiveKit's clock, which is taken for the store's here.
    pub fn age_of(&self, repair: &Repair, asked_at: StoreTime) -> Option<Duration> {
        match repair {
            Repair::Add { session, .. } => {
                let joined_at = u64::try_from(session.joined_at.as_millis()).ok()?;
                Some(asked_at.since(StoreTime::from_millis(joined_at)))
            }
            Repair::Remove(sid) | Repair::Evict(sid) => {
                let held = self.sessions.get(sid)?;
                Some(asked_at.since(held.life.alive_at.max(held.recorded_at)))
            }
            Repair::Update(_)
            | Repair::Listed { .. }
            | Repair::Missed(_)
            | Repair::Forget(_)
            | Repair::Alive(_)
            | Repair::Dead { .. }
            | Repair::Muted { .. }
            | Repair::Ended { .. }
            | Repair::Closed
            | Repair::Lapse(_) => None,
        }
    }
}

impl Session {
    pub(super) fn would_differ(&self, info: &SessionInfo, asked_at: StoreTime) -> bool {
        info.version != self.version
            || info.is_visible() != self.visible
            || info.is_recorder() != self.recorder
            || info.joined_at != self.joined_at
            || info.profile != self.profile
            || self.tracks.differ_from(&info.tracks, asked_at)
    }

    /// Its version in the last list. A newer one would be a sign of life, and where nothing was listed there is none.
    fn version_listed(&self) -> u32 {
        self.life.listed.map_or(self.version, |listed| listed.version)
    }

    fn failures_allowed(&self) -> u8 {
        if self.life.witnessed { FAILURES_WITNESSED } else { FAILURES_ALONE }
    }
}
