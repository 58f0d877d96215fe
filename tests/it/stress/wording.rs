//! LiveKit's encodings: protojson in webhooks (camelCase, without zero values), and Twirp's complete `snake_case` in lists.

use livekit_presence::presence::{
    Event, EventKind, Participant, RoomLifecycle, SessionInfo, SessionState, Track,
};
use serde_json::{Value, json};

/// The body of the webhook that tells of an event.
pub fn webhook(event: &Event) -> Vec<u8> {
    let of_session = |sid| json!({"sid": sid});
    let (name, participant, track) = match &event.kind {
        EventKind::Room(RoomLifecycle::Started) => ("room_started", None, None),
        EventKind::Room(RoomLifecycle::Finished) => ("room_finished", None, None),
        EventKind::Joined(info) => ("participant_joined", Some(joined(info)), None),
        EventKind::Left { sid, was_active } => {
            let name =
                if *was_active { "participant_left" } else { "participant_connection_aborted" };
            (name, Some(json!({"sid": sid, "state": "DISCONNECTED"})), None)
        }
        EventKind::TrackPublished { sid, track } => {
            ("track_published", Some(of_session(sid)), Some(described(track)))
        }
        EventKind::TrackUnpublished { sid, track } => {
            ("track_unpublished", Some(of_session(sid)), Some(json!({"sid": track})))
        }
    };
    let mut body = json!({
        "event": name,
        "id": event.id,
        "createdAt": (event.created_at.as_millis() / 1000).to_string(),
        "room": {"sid": event.room_sid, "name": event.room, "turnPassword": "never-shown"},
    });
    if let Some(participant) = participant {
        body["participant"] = participant;
    }
    if let Some(track) = track {
        body["track"] = track;
    }
    body.to_string().into_bytes()
}

/// A session in the answer of `ListParticipants`.
pub fn listed(info: &SessionInfo) -> Value {
    json!({
        "sid": info.sid,
        "identity": info.identity,
        "state": state(info.state),
        "joined_at": (info.joined_at.as_millis() / 1000).to_string(),
        "joined_at_ms": info.joined_at.as_millis().to_string(),
        "version": info.version,
        "name": info.profile.name,
        "metadata": info.profile.metadata,
        "attributes": info.profile.attributes,
        "kind": info.profile.kind,
        "permission": {
            "can_subscribe": true, "can_publish": true, "can_publish_data": true,
            "hidden": info.hidden, "recorder": info.recorder,
        },
        "tracks": info.tracks.iter().map(described).collect::<Vec<_>>(),
        "disconnect_reason": "UNKNOWN_REASON",
    })
}

/// A list as clients should see it, in canonical form.
pub fn shown(people: &[Participant]) -> String {
    canonical(&json!(people))
}

/// The canonical form of a list: equal for equal JSON, whatever the order of its fields.
pub fn canonical(list: &Value) -> String {
    list.to_string()
}

fn joined(info: &SessionInfo) -> Value {
    let mut joined = json!({
        "sid": info.sid,
        "identity": info.identity,
        "state": state(info.state),
        "joinedAtMs": info.joined_at.as_millis().to_string(),
        "version": info.version,
        "name": info.profile.name,
    });
    if info.hidden {
        joined["permission"] = json!({"canSubscribe": true, "canPublish": true, "canPublishData": true, "hidden": true});
    }
    joined
}

fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Connecting => "JOINED",
        SessionState::Active => "ACTIVE",
        SessionState::Disconnected => "DISCONNECTED",
    }
}

fn described(track: &Track) -> Value {
    json!({
        "sid": track.sid,
        "type": track.kind,
        "source": track.source,
        "muted": track.muted,
        "name": track.name,
    })
}
