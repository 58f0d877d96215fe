//! Comparing a room with LiveKit's own list of it. Computes repairs; a store applies them, each under its guard.

use std::{collections::HashSet, time::Duration};

use super::{
    ParticipantSid, Repair, Repairs, Room, Rules, Session, SessionInfo, SessionState, Standing,
    StoreTime, room::GoneBecause,
};

/// Failed proofs that condemn a session, when another session proved its life in between.
const FAILURES_WITNESSED: u8 = 2;
/// Failed proofs that condemn a session when no other session could show that LiveKit answers.
const FAILURES_ALONE: u8 = 3;

/// LiveKit's list of one room. An empty one says that nobody is there.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Read from the store's clock before LiveKit was asked: what webhooks did since is newer than this list.
    pub asked_at: StoreTime,
    pub sessions: Vec<SessionInfo>,
}

/// What must change for the room to agree with LiveKit's list. LiveKit wins, except over what webhooks did since it was
/// asked, and except for ghosts.
pub fn plan(room: &Room, listing: &Listing, rules: &Rules) -> Repairs {
    let asked_at = listing.asked_at;
    let listed: Vec<&SessionInfo> =
        listing.sessions.iter().filter(|info| info.state != SessionState::Disconnected).collect();
    let mut steps: Vec<Repair> = listed
        .iter()
        .filter_map(|info| match room.sessions.get(&info.sid) {
            None => plan_unknown(room, info, asked_at, rules),
            Some(held) => plan_held(room, held, info, asked_at),
        })
        .collect();
    let held: Vec<&Session> =
        listed.iter().filter_map(|info| room.sessions.get(&info.sid)).collect();
    steps.extend(plan_condemned(room, &held, asked_at));
    steps.extend(plan_missing(room, &listed, asked_at, rules));
    Repairs {
        asked_at,
        epoch: room.epoch,
        version: room.version,
        confirms: true,
        unlisted_at: None,
        steps,
    }
}

/// What follows where LiveKit says that there is the room, but not who is inside, as it does for a room whose node is gone
/// when it asks the nodes for its lists. Nobody is added or missed; whoever is held counts as listed, so that proofs of life
/// decide.
pub fn plan_without_list(room: &Room, asked_at: StoreTime) -> Repairs {
    let mut held: Vec<&Session> = room.sessions.values().collect();
    held.sort_unstable_by(|a, b| a.sid.cmp(&b.sid));
    let is_noted =
        |held: &&Session| held.life.listed.is_some() && held.life.missing_since.is_none();
    let mut steps: Vec<Repair> = held
        .iter()
        .filter(|held| !is_noted(held))
        .map(|held| Repair::Listed { sid: held.sid.clone(), version: held.version })
        .collect();
    steps.extend(plan_condemned(room, &held, asked_at));
    Repairs {
        asked_at,
        epoch: room.epoch,
        version: room.version,
        confirms: false,
        unlisted_at: None,
        steps,
    }
}

fn plan_unknown(
    room: &Room,
    info: &SessionInfo,
    asked_at: StoreTime,
    rules: &Rules,
) -> Option<Repair> {
    if info.state != SessionState::Active {
        return None;
    }
    let suspect = match room.gone.get(&info.sid) {
        Some((_, GoneBecause::Restarted)) => true,
        Some(_) if rules.prove_life => true,
        // Nobody can be asked for a proof, so a list from well after it was gone has to do.
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
    if held.takes_over(info, asked_at) && held.would_differ(info, asked_at) {
        return Some(Repair::Update(info.clone()));
    }
    let restarted_since =
        |earlier: StoreTime| room.started.is_some_and(|started| started.applied_at >= earlier);
    let is_noted = held.life.missing_since.is_none()
        && held.life.listed.is_some_and(|listed| {
            listed.version == info.version && !restarted_since(listed.asked_at)
        });
    (!is_noted).then(|| Repair::Listed { sid: info.sid.clone(), version: info.version })
}

/// Sessions that failed their proofs and are still listed. Taking away more than half of a room needs a further failure.
fn plan_condemned(room: &Room, listed: &[&Session], asked_at: StoreTime) -> Vec<Repair> {
    let failed_by = |margin: u8| -> Vec<&Session> {
        listed
            .iter()
            .copied()
            .filter(|held| held.standing != Standing::Condemned)
            .filter(|held| held.life.failures >= held.failures_allowed() + margin)
            .filter(|held| held.life.failed_at < asked_at)
            .collect()
    };
    let is_shown = |held: &&&Session| held.standing == Standing::Present;
    let present = room.sessions.values().filter(|held| is_shown(&held)).count();
    let mut condemned = failed_by(0);
    if condemned.iter().filter(is_shown).count() * 2 > present {
        condemned = failed_by(1);
    }
    condemned.into_iter().map(|held| Repair::Condemn(held.sid.clone())).collect()
}

fn plan_missing(
    room: &Room,
    listed: &[&SessionInfo],
    asked_at: StoreTime,
    rules: &Rules,
) -> Vec<Repair> {
    let listed: HashSet<&ParticipantSid> = listed.iter().map(|info| &info.sid).collect();
    let mut missing: Vec<&Session> = room
        .sessions
        .values()
        .filter(|held| !listed.contains(&held.sid) && !held.changed_since(asked_at))
        .collect();
    missing.sort_unstable_by(|a, b| a.sid.cmp(&b.sid));
    missing.into_iter().filter_map(|held| plan_one_missing(held, asked_at, rules)).collect()
}

fn plan_one_missing(held: &Session, asked_at: StoreTime, rules: &Rules) -> Option<Repair> {
    let last_sign = held.heard_at.unwrap_or_default().max(held.recorded_at);
    let is_old = asked_at.since(last_sign) > rules.grace;
    match held.life.missing_since {
        Some(since) if since < asked_at => Some(Repair::Remove(held.sid.clone())),
        _ if is_old => Some(Repair::Remove(held.sid.clone())),
        Some(_) => None,
        None => Some(Repair::Missed(held.sid.clone())),
    }
}

impl Room {
    /// For how long what a repair mends had been wrong, as far as that can be told. For measurements only: a join's time is
    /// LiveKit's, and the two clocks are taken for the same here.
    pub fn age_of(&self, repair: &Repair, asked_at: StoreTime) -> Option<Duration> {
        match repair {
            Repair::Add { session, .. } => {
                let joined_at = u64::try_from(session.joined_at.as_millis()).ok()?;
                Some(asked_at.since(StoreTime::from_millis(joined_at)))
            }
            Repair::Remove(sid) | Repair::Condemn(sid) => {
                let held = self.sessions.get(sid)?;
                Some(asked_at.since(held.life.alive_at.max(held.recorded_at)))
            }
            Repair::Update(_)
            | Repair::Listed { .. }
            | Repair::Missed(_)
            | Repair::Alive(_)
            | Repair::Dead { .. } => None,
        }
    }
}

impl Session {
    /// Whether a description from a list asked for at `asked_at` is newer than what is held.
    pub(super) fn takes_over(&self, info: &SessionInfo, asked_at: StoreTime) -> bool {
        info.version > self.version || info.version == self.version && !self.heard_since(asked_at)
    }

    fn would_differ(&self, info: &SessionInfo, asked_at: StoreTime) -> bool {
        info.version != self.version
            || info.is_visible() != self.visible
            || info.joined_at != self.joined_at
            || info.profile != self.profile
            || self.tracks.differ_from(&info.tracks, asked_at)
    }

    /// Whether it was recorded, or a webhook about it came, at or after `moment`.
    pub(super) fn changed_since(&self, moment: StoreTime) -> bool {
        self.recorded_at >= moment || self.heard_since(moment)
    }

    fn failures_allowed(&self) -> u8 {
        if self.life.witnessed { FAILURES_WITNESSED } else { FAILURES_ALONE }
    }
}
