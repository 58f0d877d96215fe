//! The captured webhooks, verified, parsed and applied by the rules.

use std::{collections::HashMap, time::Duration};

use livekit_presence::{
    livekit::WebhookToken,
    presence::{
        Listing, Participant, ParticipantSid, ProbeAnswer, Probed, Repair, RepairCause, Repairs,
        Room, Rules, StoreTime, missing, plan,
    },
};

use crate::captures::{Capture, CapturedWebhook, Checkpoint, Moment, People};

use super::past::Past;

/// The ghosts that LiveKit lists after it was killed in `crash-redis`: bob, carol, and dave in a room that nobody entered
/// again; and alice's first session, until she was back.
const GHOSTS: [&str; 4] =
    ["PA_K4fJQdRHhmbU", "PA_5dFdsiZhg3Kh", "PA_dPgEo2WZEAxW", "PA_TUJEYJzscZUW"];

#[test]
fn all_766_captured_webhooks_verify_and_parse() {
    let mut count = 0;
    for capture in Capture::all() {
        for webhook in capture.webhooks() {
            let token = WebhookToken::verify(
                webhook.authorization(),
                &capture.keys(),
                webhook.at.as_secs(),
            );
            let verified = token.unwrap().vouch_for(&webhook.body).unwrap();
            let parsed = verified.parse(webhook.at).unwrap();
            assert!(parsed.event.is_some(), "{}: {:?} is about a room", capture.name, parsed.name);
            count += 1;
        }
    }
    assert_eq!(count, 766);
}

#[test]
fn with_reconcile_the_captured_webhooks_lead_to_livekits_list_at_every_checkpoint() {
    let mut lists = 0;
    for capture in Capture::all() {
        let mut replay = Replay::default();
        for moment in &capture.moments {
            match moment {
                Moment::Webhook(webhook) => replay.apply(&capture, webhook),
                Moment::Checkpoint(checkpoint) => {
                    lists += usize::from(checkpoint.list.is_some());
                    replay.reconcile(checkpoint);
                    replay.assert_right(&capture, checkpoint);
                }
                Moment::Action { at, what } => replay.note(*at, what),
            }
        }
    }
    assert_eq!(lists, 186);
}

/// The rooms of one capture, by name.
#[derive(Default)]
pub(super) struct Replay {
    pub(super) rooms: HashMap<String, Room>,
    /// What became of each of them.
    pub(super) pasts: HashMap<String, Past>,
    rules: Rules,
    /// When LiveKit was killed, if it was.
    killed_at: Option<StoreTime>,
}

/// Ghosts may be shown this long: LiveKit lists them still, and they showed life just before.
const GHOSTS_GONE_AFTER: Duration = Duration::from_secs(36);

impl Replay {
    pub(super) fn apply(&mut self, capture: &Capture, webhook: &CapturedWebhook) {
        let token =
            WebhookToken::verify(webhook.authorization(), &capture.keys(), webhook.at.as_secs());
        let verified = token.unwrap().vouch_for(&webhook.body).unwrap();
        let event = verified.parse(webhook.at).unwrap().event.unwrap();
        let name = event.room.as_str();
        let room = self.rooms.entry(name.to_owned()).or_default();
        let past = self.pasts.entry(name.to_owned()).or_insert_with(|| Past::of(name));
        let (now, mut transitions) = (webhook.at.as_store_time(), Vec::new());
        let applied = room.apply_noting(&event, now, &self.rules, &mut transitions);
        past.note_event(room, &event, &applied, &transitions, now);
    }

    /// Compares the room with the list, and probes those whom the rules name.
    pub(super) fn reconcile(&mut self, checkpoint: &Checkpoint) {
        let Some(sessions) = &checkpoint.list else { return };
        let name = checkpoint.room.as_str();
        let room = self.rooms.entry(name.to_owned()).or_default();
        let past = self.pasts.entry(name.to_owned()).or_insert_with(|| Past::of(name));
        let listing = |asked_at| Listing { asked_at, sessions: sessions.clone() };
        let mut now = checkpoint.asked_at;
        // The list is right: a session that it omits is gone.
        let targets = missing(room, &listing(now), &self.rules);
        let answer = ProbeAnswer::Gone;
        let probed: Vec<_> = targets
            .into_iter()
            .map(|target| Probed { sid: target.sid, asked_at: now, answer })
            .collect();
        repair(room, past, &plan(room, &listing(now), &probed, &self.rules), now, &self.rules);
        // There is time for a few rounds before the next checkpoint.
        for _ in 0..4 {
            let targets = room.to_probe(now, &self.rules);
            for target in targets {
                let is_dead = self.killed_at.is_some() && GHOSTS.contains(&target.sid.as_str());
                let step = if is_dead {
                    Repair::Dead { sid: target.sid, witnessed: false }
                } else {
                    Repair::Alive(target.sid)
                };
                probe(room, past, step, now, &self.rules);
            }
            now = now + Duration::from_millis(1);
            repair(room, past, &plan(room, &listing(now), &[], &self.rules), now, &self.rules);
        }
    }

    pub(super) fn note(&mut self, at: StoreTime, action: &str) {
        if action.contains("livekit-server is killed") {
            self.killed_at = Some(at);
        }
    }

    fn assert_right(&self, capture: &Capture, checkpoint: &Checkpoint) {
        let Some(mut listed) = checkpoint.people() else { return };
        let room = &self.rooms[&checkpoint.room];
        let mut shown = people(&room.list());
        if let Some(killed_at) = self.killed_at {
            let is_no_ghost = |(sid, _): &(ParticipantSid, _)| !GHOSTS.contains(&sid.as_str());
            listed.retain(is_no_ghost);
            if checkpoint.at.since(killed_at) < GHOSTS_GONE_AFTER {
                shown.retain(is_no_ghost);
            }
        }
        assert_eq!(shown, listed, "{} at {:?} in {}", capture.name, checkpoint.at, checkpoint.room);
        assert!(room.completeness().is_complete_at(checkpoint.at));
    }
}

fn repair(room: &mut Room, past: &mut Past, repairs: &Repairs, now: StoreTime, rules: &Rules) {
    let mut transitions = Vec::new();
    let repaired = room.repair_noting(repairs, now, rules, &mut transitions);
    past.note_repairs(room, &repaired, &transitions, now);
}

fn probe(room: &mut Room, past: &mut Past, step: Repair, now: StoreTime, rules: &Rules) {
    let repairs = Repairs {
        asked_at: now,
        epoch: room.epoch(),
        version: room.version(),
        confirms: false,
        unlisted_at: None,
        cause: RepairCause::Comparison,
        steps: vec![step],
    };
    repair(room, past, &repairs, now, rules);
}

fn people(list: &[Participant]) -> People {
    list.iter()
        .map(|one| (one.sid.clone(), one.tracks.iter().map(|track| track.sid.clone()).collect()))
        .collect()
}
