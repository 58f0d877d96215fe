//! Who is inside, as a few lines understand LiveKit's webhooks: the reference for captured ones. It is written apart from the rules
//! by which this service keeps rooms, so that neither repeats a mistake of the other. It only has to be right for webhooks that come
//! in LiveKit's own order, some of them twice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A room, as events have told of it.
#[derive(Default)]
pub(super) struct Model {
    inside: BTreeMap<String, Session>,
    gone: BTreeSet<String>,
    seen: BTreeSet<String>,
}

struct Session {
    identity: String,
    joined_ms: u64,
    room_sid: String,
    is_hidden: bool,
    tracks: BTreeSet<String>,
}

impl Model {
    pub fn apply(&mut self, event: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if !self.seen.insert(text(&event["id"])) {
            return;
        }
        let (room_sid, sid) = (text(&event["room"]["sid"]), text(&event["participant"]["sid"]));
        let track = text(&event["track"]["sid"]);
        match event["event"].as_str().unwrap_or_default() {
            "participant_joined" => self.join(sid, room_sid, &event["participant"]),
            "participant_left" | "participant_connection_aborted" => self.leave(&sid),
            "track_published" => {
                if let Some(session) = self.inside.get_mut(&sid) {
                    session.tracks.insert(track);
                }
            }
            "track_unpublished" => {
                if let Some(session) = self.inside.get_mut(&sid) {
                    session.tracks.remove(&track);
                }
            }
            "room_finished" => self.leave_if(|session| session.room_sid == room_sid),
            // LiveKit says when in seconds.
            "room_started" => {
                let started = number(&event["createdAt"]) * 1000;
                self.leave_if(|session| session.joined_ms + 2_000 < started);
            }
            _ => {}
        }
    }

    fn join(&mut self, sid: String, room_sid: String, participant: &Value) {
        if self.gone.contains(&sid) || participant["state"] == "DISCONNECTED" {
            return;
        }
        let identity = participant["identity"].as_str().unwrap_or_default().to_owned();
        let joined_ms = number(&participant["joinedAtMs"]);
        self.leave_if(|one| one.identity == identity && one.joined_ms < joined_ms);
        let permission = &participant["permission"];
        let is_hidden = permission["hidden"] == true
            || permission["recorder"] == true
            || participant["kind"] == "EGRESS";
        let session = Session { identity, joined_ms, room_sid, is_hidden, tracks: BTreeSet::new() };
        self.inside.insert(sid, session);
    }

    fn leave(&mut self, sid: &str) {
        self.inside.remove(sid);
        self.gone.insert(sid.to_owned());
    }

    fn leave_if(&mut self, is_gone: impl Fn(&Session) -> bool) {
        let over = self.inside.iter().filter(|(_, session)| is_gone(session));
        let over: Vec<_> = over.map(|(sid, _)| sid.clone()).collect();
        for sid in over {
            self.leave(&sid);
        }
    }

    /// Whom anybody may see, by sid, with the tracks of each.
    pub fn visible(&self) -> BTreeMap<&str, Vec<&str>> {
        let visible = self.inside.iter().filter(|(_, session)| !session.is_hidden);
        visible.map(|(sid, session)| (sid.as_str(), session.tracks())).collect()
    }
}

impl Session {
    fn tracks(&self) -> Vec<&str> {
        self.tracks.iter().map(String::as_str).collect()
    }
}

/// LiveKit writes large numbers as text.
fn number(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).or(value.as_u64()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_joined_is_inside_until_they_leave_or_their_room_ends() {
        let mut model = Model::default();
        let joined = |id: &str, sid: &str, at: &str| {
            json!({"event": "participant_joined", "id": id, "room": {"sid": "RM_1"},
                "participant": {"sid": sid, "identity": "alice", "joinedAtMs": at}})
        };
        model.apply(&joined("EV_1", "PA_1", "5000"));
        let track = json!({"event": "track_published", "id": "EV_2", "participant": {"sid": "PA_1"}, "track": {"sid": "TR_1"}});
        model.apply(&track);
        assert_eq!(model.visible(), BTreeMap::from([("PA_1", vec!["TR_1"])]));
        model.apply(&joined("EV_3", "PA_2", "6000"));
        assert_eq!(model.visible(), BTreeMap::from([("PA_2", vec![])]));
        model.apply(&json!({"event": "room_finished", "id": "EV_4", "room": {"sid": "RM_1"}}));
        model.apply(&joined("EV_3", "PA_2", "6000"));
        model.apply(&joined("EV_5", "PA_2", "6000"));
        assert_eq!(model.visible(), BTreeMap::new());
    }
}
