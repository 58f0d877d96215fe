//! The history of the captured webhooks, against the times that the webhooks themselves say. Also with some of them lost, and then
//! compared with LiveKit's own lists.

use std::collections::BTreeMap;

use livekit_presence::presence::LeftWhy;
use serde_json::Value;

use crate::captures::{Capture, CapturedWebhook, Moment};

use super::{captured::Replay, past::check_row};

const SEEDS: u64 = 20;
/// Of a hundred webhooks.
const LOST: u8 = 10;

#[test]
fn the_captured_webhooks_give_the_true_intervals_to_the_millisecond() {
    let mut ends = 0;
    for capture in Capture::all() {
        let truth = truth(capture.webhooks());
        let replay = replay(&capture, |_| true);
        let mut rows = BTreeMap::new();
        for past in replay.pasts.values() {
            rows.extend(past.rows.sessions().map(|row| (row.sid.as_str(), row)));
        }
        let known: Vec<_> = rows.keys().copied().collect();
        let expected: Vec<_> = truth.keys().map(String::as_str).collect();
        assert_eq!(known, expected, "{}", capture.name);
        for (sid, row) in rows {
            let told = &truth[sid];
            assert_eq!(Some(row.joined_at), told.joined_at, "{}: {row:#?}", capture.name);
            if row.left_why == Some(LeftWhy::Said) {
                assert_eq!((row.left_at, row.exact), told.end(), "{}: {row:#?}", capture.name);
                ends += 1;
            } else {
                let was_hidden = row.left_why == Some(LeftWhy::Hidden);
                assert!(told.left.is_none() || was_hidden, "{}: {row:#?}", capture.name);
                assert_eq!(row.exact, row.is_open(), "{}: {row:#?}", capture.name);
            }
        }
    }
    assert_eq!(ends, 251);
}

#[test]
fn lost_webhooks_change_no_join_and_the_ends_that_comparisons_conclude_are_marked() {
    let (mut said, mut concluded) = (0, 0);
    for capture in Capture::all() {
        let truth_of_joins = truth(capture.webhooks());
        for seed in 0..SEEDS {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut arrived = Vec::new();
            let replay = replay(&capture, |webhook| {
                let arrives = rng.u8(..100) >= LOST;
                arrived.extend(arrives.then_some(webhook));
                arrives
            });
            // If the first of several deliveries is lost, the next one counts.
            let truth_of_ends = truth(arrived.into_iter());
            for row in replay.pasts.values().flat_map(|past| past.rows.sessions()) {
                let place = || format!("{}, seed {seed}: {row:#?}", capture.name);
                assert_eq!(Some(row.joined_at), truth_of_joins[&row.sid].joined_at, "{}", place());
                match row.left_why {
                    Some(LeftWhy::Said) => {
                        let end = truth_of_ends[&row.sid].end();
                        assert_eq!((row.left_at, row.exact), end, "{}", place());
                        said += 1;
                    }
                    Some(LeftWhy::Concluded | LeftWhy::Hidden) => {
                        assert!(!row.exact, "{}", place());
                        let heard_at = truth_of_ends.get(&row.sid).map_or(0, |told| told.heard_at);
                        let left = truth_of_joins[&row.sid].left.map(|(at, _)| at.max(heard_at));
                        let by = left.and_then(|left| next_list(&capture, &row.room, left));
                        assert!(by.is_none_or(|by| row.left_at <= Some(by)), "{}", place());
                        concluded += 1;
                    }
                    None => {}
                }
            }
        }
    }
    assert!(said > 1_000 && concluded > 100, "{said} said, {concluded} concluded");
}

/// Applies the webhooks that are not lost, and compares at each checkpoint. At every moment the open rows are the list.
fn replay<'capture>(
    capture: &'capture Capture,
    mut arrives: impl FnMut(&'capture CapturedWebhook) -> bool,
) -> Replay {
    let mut replay = Replay::default();
    for moment in &capture.moments {
        match moment {
            Moment::Webhook(webhook) if arrives(webhook) => replay.apply(capture, webhook),
            Moment::Webhook(_) => {}
            Moment::Checkpoint(checkpoint) => replay.reconcile(checkpoint),
            Moment::Action { at, what } => replay.note(*at, what),
        }
        for (name, past) in &replay.pasts {
            past.check_open(&replay.rooms[name]).unwrap();
            past.rows.sessions().try_for_each(check_row).unwrap();
        }
    }
    replay
}

/// When LiveKit was asked for the first list of a room after this time.
fn next_list(capture: &Capture, room: &str, after: i64) -> Option<i64> {
    capture.moments.iter().find_map(|moment| match moment {
        Moment::Checkpoint(checkpoint) if checkpoint.room == room && checkpoint.list.is_some() => {
            let asked_at = checkpoint.asked_at.as_millis().cast_signed();
            (asked_at > after).then_some(asked_at)
        }
        Moment::Checkpoint(_) | Moment::Webhook(_) | Moment::Action { .. } => None,
    })
}

/// What the webhooks of a session say.
#[derive(Debug, Default)]
struct Told {
    joined_at: Option<i64>,
    /// When it left, and whether that is to the millisecond.
    left: Option<(i64, bool)>,
    /// When the last of them arrived.
    heard_at: i64,
}

impl Told {
    fn end(&self) -> (Option<i64>, bool) {
        self.left.map_or((None, true), |(at, exact)| (Some(at), exact))
    }
}

/// The sessions that clients may see, by sid, read from the webhooks without the service's code.
fn truth<'capture>(
    webhooks: impl Iterator<Item = &'capture CapturedWebhook>,
) -> BTreeMap<String, Told> {
    let mut sessions: BTreeMap<String, Told> = BTreeMap::new();
    for webhook in webhooks {
        let body: Value = serde_json::from_slice(&webhook.body).unwrap();
        let participant = &body["participant"];
        let permission = &participant["permission"];
        let is_hidden = permission["hidden"] == true
            || permission["recorder"] == true
            || participant["kind"] == "EGRESS";
        if is_hidden {
            continue;
        }
        let sid = || participant["sid"].as_str().unwrap().to_owned();
        let number = |value: &Value| value.as_str().unwrap().parse::<i64>().unwrap();
        let arrived = webhook.at.as_millis().cast_signed();
        match body["event"].as_str().unwrap() {
            "participant_joined" => {
                let told = sessions.entry(sid()).or_default();
                told.joined_at = Some(number(&participant["joinedAtMs"]));
            }
            "participant_left" => {
                let told = sessions.entry(sid()).or_default();
                told.joined_at = Some(number(&participant["joinedAtMs"]));
                let second = number(&body["createdAt"]) * 1000;
                let is_prompt = arrived - second <= 2_000;
                // LiveKit sends a webhook again with the same content. The first time counts.
                told.left.get_or_insert(if is_prompt { (arrived, true) } else { (second, false) });
            }
            _ => {}
        }
        if let Some(told) = participant["sid"].as_str().and_then(|sid| sessions.get_mut(sid)) {
            told.heard_at = arrived;
        }
    }
    sessions
}
