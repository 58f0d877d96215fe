//! Applies repairs to a room. Each is checked again here, because webhooks may have come since it was computed.

use std::sync::Arc;

use super::{
    change::ViewDiff,
    gone::GoneBecause,
    name::{Identity, ParticipantSid},
    opening::Opening,
    participant::SessionInfo,
    repaired::{Effect, RepairCounts, Repaired},
    repairs::{Repair, RepairCause, Repairs},
    room::Room,
    rules::Rules,
    session::{LastListed, OpeningOf, Session, Standing},
    time::StoreTime,
    transition::{Ending, Entrance, Transition},
};

impl Room {
    /// Applies repairs, each only if it still holds.
    pub fn repair(&mut self, repairs: &Repairs, now: StoreTime, rules: &Rules) -> Repaired {
        self.repair_noting(repairs, now, rules, &mut Vec::new())
    }

    /// As [`Self::repair`]. Adds who entered and who left the list to `transitions`.
    pub fn repair_noting(
        &mut self,
        repairs: &Repairs,
        now: StoreTime,
        rules: &Rules,
        transitions: &mut Vec<Transition>,
    ) -> Repaired {
        let mut repaired = Repaired::default();
        if repairs.epoch != self.epoch || self.version < repairs.version {
            repaired.is_refused = true;
            repaired.counts.outdated = repairs.steps.len();
            return repaired;
        }
        self.forget(now);
        let mut diff = ViewDiff::default();
        for step in &repairs.steps {
            let effect = match (step, repairs.cause) {
                (Repair::Update(info), RepairCause::Refresh) => {
                    self.describe(info, repairs.asked_at, &mut diff)
                }
                (step, _) => self.repair_one(step, repairs.asked_at, now, rules, &mut diff),
            };
            repaired.found_ended |= *step == Repair::Closed && matches!(effect, Effect::Noted);
            *repaired.counts.of(effect) += 1;
        }
        let mut is_mended = false;
        if repairs.confirms {
            is_mended = self.knowledge.compared(now + rules.trust);
            self.compared_at = self.compared_at.max(repairs.asked_at);
            repaired.found_ended = self.close_if_empty(repaired.counts, repairs.unlisted_at);
        }
        self.end_metadata();
        repaired.change = self.end_step(diff, is_mended, None, now, transitions);
        repaired
    }

    fn repair_one(
        &mut self,
        step: &Repair,
        asked_at: StoreTime,
        now: StoreTime,
        rules: &Rules,
        diff: &mut ViewDiff,
    ) -> Effect {
        match step {
            Repair::Add { session, suspect } => {
                self.add(session, *suspect, asked_at, now, rules, diff)
            }
            Repair::Update(info) => self.update(info, asked_at, diff),
            Repair::Forget(sid) => self.forget_missing(sid),
            Repair::Listed { sid, version } => self.note_listed(sid, *version, asked_at, diff),
            Repair::Missed(sid) => self.note_missed(sid, asked_at),
            Repair::Remove(sid) => self.remove_missing(sid, asked_at, now, diff),
            Repair::Evict(sid) => self.evict(sid, asked_at, now, diff),
            Repair::Alive(sid) => self.reinstate(sid, asked_at, diff),
            Repair::Dead { sid, witnessed } => self.note_dead(sid, *witnessed, asked_at, now),
            Repair::Muted { sid, track } => self.mute(sid, track, asked_at, now, diff),
            Repair::Ended { sid, .. } => self.end(sid, now, diff),
            Repair::Closed => self.close(now, rules),
            Repair::Lapse(identity) => self.note_lapse(identity, now, diff),
        }
    }

    fn add(
        &mut self,
        info: &SessionInfo,
        suspect: bool,
        asked_at: StoreTime,
        now: StoreTime,
        rules: &Rules,
        diff: &mut ViewDiff,
    ) -> Effect {
        // What was planned while a ban held may come after it.
        self.lapse_ban(&info.identity, now, diff);
        if self.held(&info.sid).is_some() {
            return self.update(info, asked_at, diff);
        }
        if self.is_superseded(&info.sid, &info.identity, info.joined_at) {
            return Effect::Outdated;
        }
        let gone_at = self.gone.get(&info.sid).map(|(at, _)| *at);
        let needs_probe = gone_at.is_some_and(|at| at + rules.grace >= asked_at);
        if gone_at.is_some_and(|at| at >= asked_at) || needs_probe && !suspect {
            return Effect::Outdated;
        }
        let missing = self.drop_session(&info.sid).map(|session| session.tracks);
        let waiting = missing.or_else(|| self.take_waiting(&info.sid));
        let mut session = Session::new(info, waiting, OpeningOf::Supposed(self.sid.clone()), now);
        session.tracks.replace(&info.tracks, asked_at);
        session.described_at = asked_at;
        session.life.listed = Some(LastListed { version: info.version, asked_at });
        if suspect {
            session.standing = Standing::Suspect;
            self.insert(session, diff);
            return Effect::Suspected;
        }
        let is_known = self.held_of(&info.identity).next().is_some();
        if gone_at.is_some() {
            Arc::make_mut(&mut self.gone).remove(&info.sid);
        }
        self.supersede_older(info, now, diff);
        self.insert(session, diff);
        if is_known { Effect::Replaced } else { Effect::Added }
    }

    fn update(&mut self, info: &SessionInfo, asked_at: StoreTime, diff: &mut ViewDiff) -> Effect {
        let Some(held) = self.held(&info.sid) else {
            return Effect::Outdated;
        };
        // If its description is known better by now, it was listed all the same.
        let is_listed = held.life.listed.is_none_or(|listed| listed.asked_at <= asked_at);
        if is_listed {
            self.note_listed(&info.sid, info.version, asked_at, diff);
        }
        match self.describe(info, asked_at, diff) {
            Effect::Outdated if is_listed => Effect::Noted,
            effect => effect,
        }
    }

    /// Takes over LiveKit's description of a held session, and nothing that follows from its being listed.
    fn describe(&mut self, info: &SessionInfo, asked_at: StoreTime, diff: &mut ViewDiff) -> Effect {
        let Some(held) = self.held(&info.sid).filter(|held| held.takes_over(info, asked_at)) else {
            return Effect::Outdated;
        };
        let (sid, identity) = (held.sid.clone(), held.identity.clone());
        self.touch(&identity, diff);
        if !held.visible && info.is_visible() {
            diff.revealed(&sid, Entrance::Revealed);
        }
        self.amend(&sid, |held| {
            held.describe(info);
            held.described_at = held.described_at.max(asked_at);
            held.tracks.replace(&info.tracks, asked_at);
        });
        Effect::Updated
    }

    fn note_listed(
        &mut self,
        sid: &ParticipantSid,
        version: u32,
        asked_at: StoreTime,
        diff: &mut ViewDiff,
    ) -> Effect {
        let Some(held) = self.held(sid) else {
            return Effect::Outdated;
        };
        // A version that differs is a sign of life only between two lists that were asked for after the room's last start.
        let is_since_start = |listed: LastListed| {
            self.started.is_none_or(|start| listed.asked_at > start.applied_at)
        };
        let has_lived = held
            .life
            .listed
            .is_some_and(|listed| listed.version != version && is_since_start(listed));
        let may_return = self.gone_because(sid).is_none_or(|why| why == GoneBecause::Restarted);
        let identity = held.identity.clone();
        let is_alive = has_lived && may_return;
        if is_alive {
            self.touch(&identity, diff);
            self.forgive(sid);
        }
        self.amend(sid, |held| {
            if is_alive {
                held.shows_life(asked_at);
            }
            held.life.missing_since = None;
            held.life.listed = Some(LastListed { version, asked_at });
        });
        Effect::Noted
    }

    fn note_missed(&mut self, sid: &ParticipantSid, asked_at: StoreTime) -> Effect {
        match self.held(sid) {
            Some(held) if !held.was_seen_since(asked_at) => {
                self.amend(sid, |held| {
                    held.life.missing_since.get_or_insert(asked_at);
                });
                Effect::Noted
            }
            Some(_) | None => Effect::Outdated,
        }
    }

    fn remove_missing(
        &mut self,
        sid: &ParticipantSid,
        asked_at: StoreTime,
        now: StoreTime,
        diff: &mut ViewDiff,
    ) -> Effect {
        match self.held(sid) {
            Some(held) if !held.was_seen_since(asked_at) => {
                self.amend(sid, |held| {
                    held.life.missing_since.get_or_insert(asked_at);
                });
                self.remove(sid, GoneBecause::Missing, now, diff);
                Effect::Removed
            }
            Some(_) | None => Effect::Outdated,
        }
    }

    fn forget_missing(&mut self, sid: &ParticipantSid) -> Effect {
        match self.sessions.get(sid) {
            Some(kept) if !kept.is_held() => {
                self.drop_session(sid);
                Effect::Noted
            }
            Some(_) | None => Effect::Outdated,
        }
    }

    /// A session that counted as gone is here.
    fn forgive(&mut self, sid: &ParticipantSid) {
        if self.gone.contains(sid) {
            Arc::make_mut(&mut self.gone).remove(sid);
        }
    }

    fn evict(
        &mut self,
        sid: &ParticipantSid,
        asked_at: StoreTime,
        now: StoreTime,
        diff: &mut ViewDiff,
    ) -> Effect {
        let still_fails = |held: &Session| held.life.failures > 0 && held.life.alive_at < asked_at;
        let Some(held) = self.held(sid).filter(|held| still_fails(held)) else {
            return Effect::Outdated;
        };
        let last_sign = held.last_sign();
        self.touch(&held.identity.clone(), diff);
        diff.ended(sid, Ending::Evicted { last_sign });
        self.amend(sid, |held| held.standing = Standing::Evicted);
        self.evicted_at = Some(now);
        Effect::Evicted
    }

    fn reinstate(
        &mut self,
        sid: &ParticipantSid,
        asked_at: StoreTime,
        diff: &mut ViewDiff,
    ) -> Effect {
        let Some(held) = self.sessions.get(sid) else {
            return Effect::Outdated;
        };
        if self.gone.get(sid).is_some_and(|(gone_at, _)| *gone_at >= asked_at) {
            return Effect::Outdated;
        }
        let (was_present, was_held) = (held.standing == Standing::Present, held.is_held());
        self.touch(&held.identity.clone(), diff);
        if !was_held {
            self.list_was_wrong();
        }
        self.forgive(sid);
        self.amend(sid, |held| held.shows_life(asked_at));
        if was_present { Effect::Noted } else { Effect::Reinstated }
    }

    /// A failed probe counts only if it was asked for after the one before had ended: two in one hiccup of LiveKit are one. A
    /// failure has ended when it comes here, so the store's clock tells when.
    fn note_dead(
        &mut self,
        sid: &ParticipantSid,
        witnessed: bool,
        asked_at: StoreTime,
        now: StoreTime,
    ) -> Effect {
        let counts = |held: &Session| {
            let is_another = held.life.failures == 0 || held.life.failed_at < asked_at;
            held.life.alive_at < asked_at && is_another
        };
        if !self.held(sid).is_some_and(counts) {
            return Effect::Outdated;
        }
        self.amend(sid, |held| {
            held.life.failures = held.life.failures.saturating_add(1);
            held.life.failed_at = now;
            held.life.witnessed |= witnessed;
        });
        Effect::Noted
    }

    fn note_lapse(&mut self, identity: &Identity, now: StoreTime, diff: &mut ViewDiff) -> Effect {
        self.lapse_ban(identity, now, diff);
        // It may have been set anew.
        if self.is_banned(identity) { Effect::Outdated } else { Effect::Noted }
    }

    /// Closes a room whose `room_finished` was missed: LiveKit's list removed the last session, or LiveKit does not have the
    /// room. Returns whether it did.
    fn close_if_empty(&mut self, counts: RepairCounts, unlisted_at: Option<StoreTime>) -> bool {
        let was_never_open = self.opening == Opening::Unknown;
        let is_unlisted = unlisted_at
            .is_some_and(|at| self.started.is_none_or(|started| started.applied_at < at));
        let is_over =
            self.inside.is_empty() && (counts.removed > 0 || was_never_open || is_unlisted);
        let was_closed = self.opening == Opening::Closed;
        if is_over {
            self.opening = Opening::Closed;
        }
        is_over && !was_closed
    }
}
