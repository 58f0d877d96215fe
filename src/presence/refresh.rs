//! What LiveKit keeps of the people in a room, read again because something in it has changed.
//!
//! Such a reading only describes people who are held. Webhooks tell at the same time who joins and leaves, and ghosts, suspects and
//! those whom a list omits are left to comparisons: a reading is no sign of life, and no absence counts.

use std::collections::BTreeSet;

use super::{
    name::ParticipantSid,
    reconcile::{Listing, omitted, plan_unknown, plan_update},
    repairs::{RepairCause, Repairs},
    room::Room,
    rules::Rules,
    session::Standing,
};

/// What follows from a reading.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The new descriptions of people who are held.
    pub repairs: Repairs,
    /// If what tells of these is not only on its way, a webhook was lost, and a comparison has to tell.
    pub differing: BTreeSet<Differing>,
    /// Whether somebody is described otherwise, and a webhook came, or another list was asked for, since this one was. Nobody knows
    /// which is newer, and another reading tells.
    pub is_overtaken: bool,
}

/// A session that only one of both has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Differing {
    /// LiveKit keeps it, and the room does not hold it.
    NotHeld(ParticipantSid),
    /// The room holds it, and LiveKit does not keep it.
    NotKept(ParticipantSid),
}

/// What must change for the room's people to be described as LiveKit describes them. Who is in it does not change.
pub fn plan_refresh(room: &Room, listing: &Listing, rules: &Rules) -> Refresh {
    let asked_at = listing.asked_at;
    let listed = listing.listed();
    let updates =
        listed.iter().filter_map(|info| plan_update(room.held(&info.sid)?, info, asked_at));
    let unknown = listed.iter().filter(|info| {
        let is_held = room.held(&info.sid).is_some();
        !is_held && plan_unknown(room, info, asked_at, rules).is_some()
    });
    let missing = omitted(room, &listed, asked_at, rules)
        .into_iter()
        .filter(|held| held.standing != Standing::Evicted)
        .map(|held| Differing::NotKept(held.sid.clone()));
    let is_overtaken = listed.iter().any(|info| {
        let held = room.held(&info.sid).filter(|held| held.version == info.version);
        held.is_some_and(|held| {
            held.is_described_since(asked_at) && held.would_differ(info, asked_at)
        })
    });
    let repairs = Repairs {
        asked_at,
        epoch: room.epoch,
        version: room.version,
        confirms: false,
        unlisted_at: None,
        cause: RepairCause::Refresh,
        steps: updates.collect(),
    };
    let unknown = unknown.map(|info| Differing::NotHeld(info.sid.clone()));
    let differing = unknown.chain(missing).collect();
    Refresh { repairs, differing, is_overtaken }
}
