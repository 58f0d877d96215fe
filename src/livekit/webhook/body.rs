//! What a webhook's body says: its JSON, turned into an [`Event`].

use std::sync::Arc;

use crate::{
    livekit::{
        object::Object,
        wire::{Missing, ParticipantInfo, TrackInfo, WebhookEvent, required},
    },
    presence::{
        Event, EventDetails, EventId, EventKind, HostTime, Identity, InvalidRoomName, LiveKitTime,
        ParticipantSid, RoomLifecycle, RoomName, SessionInfo,
    },
};

use super::{
    details::{Objects, Report, disconnect_reason, room_end_reason},
    name::WebhookName,
};

/// A webhook's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub name: WebhookName,
    /// None for events that say nothing about who is in a room.
    pub event: Option<Event>,
    /// Of these events, what the log of events shows.
    pub report: Option<Report>,
}

/// Why a signed body cannot be read as a webhook.
#[derive(Debug, thiserror::Error)]
pub enum MalformedWebhook {
    #[error("the webhook's body is not a JSON object")]
    NotAnObject,
    /// Gives the position only, because the parser's own message quotes what it found.
    #[error("the webhook's body is not the expected JSON at line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("the webhook has no `{0}`")]
    MissingField(&'static str),
    #[error("the webhook's room cannot be watched: {0}")]
    RoomName(#[from] InvalidRoomName),
}

impl From<serde_json::Error> for MalformedWebhook {
    fn from(error: serde_json::Error) -> Self {
        Self::NotJson { line: error.line(), column: error.column() }
    }
}

impl From<Missing> for MalformedWebhook {
    fn from(Missing(field): Missing) -> Self {
        Self::MissingField(field)
    }
}

impl Webhook {
    /// Reads a body whose signature was verified.
    pub(super) fn parse(body: &[u8], received_at: HostTime) -> Result<Self, MalformedWebhook> {
        let is_object = body.trim_ascii_start().starts_with(b"{");
        if !is_object {
            return Err(MalformedWebhook::NotAnObject);
        }
        let Object(webhook): Object<WebhookEvent> = serde_json::from_slice(body)?;
        let name = WebhookName::parse(webhook.event.as_deref().unwrap_or_default());
        let identity = identity_of(webhook.participant.as_ref());
        let id = webhook.id.filter(|id| !id.is_empty()).map(EventId::new);
        let created_at = LiveKitTime::from_secs(webhook.created_at.unwrap_or_default().0);
        let reason = webhook.room_end_reason.map(room_end_reason);
        let mut details = EventDetails { room_end_reason: reason, ..EventDetails::default() };
        let Some(kind) = event_kind(name, webhook.participant, webhook.track, &mut details)? else {
            let objects = Objects {
                egress: webhook.egress_info,
                ingress: webhook.ingress_info,
                job: webhook.job,
            };
            let text = webhook.event.unwrap_or_default();
            let room = webhook.room.map(|Object(room)| room);
            let report = Report::new(name, &text, id, created_at, room, objects, body);
            return Ok(Self { name, event: None, report: Some(report) });
        };
        let Object(mut room) = webhook.room.ok_or(Missing("room"))?;
        let (room_sid, room_created_at) = (room.sid(), room.created_at());
        let room_name = RoomName::parse(&required(room.name.take(), "room.name")?)?;
        details.room = Some(room.into_details(room_name.clone()));
        let event = Event {
            id,
            room: room_name,
            room_sid,
            room_created_at,
            identity,
            created_at,
            received_at,
            kind,
            details: Arc::new(details),
        };
        Ok(Self { name, event: Some(event), report: None })
    }
}

fn identity_of(participant: Option<&Object<ParticipantInfo>>) -> Option<Identity> {
    let identity = participant.and_then(|Object(one)| one.identity.as_deref());
    identity.filter(|identity| !identity.is_empty()).map(Identity::new)
}

/// What an event says about who is in its room, if anything. Adds what it says beside that to `details`.
fn event_kind(
    name: WebhookName,
    participant: Option<Object<ParticipantInfo>>,
    track: Option<Object<TrackInfo>>,
    details: &mut EventDetails,
) -> Result<Option<EventKind>, Missing> {
    let participant =
        || participant.map(|Object(participant)| participant).ok_or(Missing("participant"));
    let track = || track.map(|Object(track)| track).ok_or(Missing("track"));
    let kind = match name {
        WebhookName::RoomStarted => EventKind::Room(RoomLifecycle::Started),
        WebhookName::RoomFinished => EventKind::Room(RoomLifecycle::Finished),
        WebhookName::ParticipantJoined => EventKind::Joined(participant()?.into_session()?),
        WebhookName::ParticipantLeft => left(participant()?, true, details)?,
        WebhookName::ParticipantConnectionAborted => left(participant()?, false, details)?,
        WebhookName::TrackPublished => EventKind::TrackPublished {
            sid: participant_sid(participant()?.sid)?,
            track: track()?.into_track()?,
        },
        WebhookName::TrackUnpublished => {
            let sid = participant_sid(participant()?.sid)?;
            let ended = track()?.into_track()?;
            let track = ended.sid.clone();
            details.track = Some(ended);
            EventKind::TrackUnpublished { sid, track }
        }
        WebhookName::EgressStarted
        | WebhookName::EgressUpdated
        | WebhookName::EgressEnded
        | WebhookName::IngressStarted
        | WebhookName::IngressEnded
        | WebhookName::AgentJobStarted
        | WebhookName::AgentJobEnded
        | WebhookName::Other => return Ok(None),
    };
    Ok(Some(kind))
}

/// The end of a session. Its join may have been lost, or it may have been in no list because it was never active, so its description
/// is kept, unless it is hidden.
fn left(
    mut participant: ParticipantInfo,
    was_active: bool,
    details: &mut EventDetails,
) -> Result<EventKind, Missing> {
    details.disconnect_reason = participant.disconnect_reason.take().map(disconnect_reason);
    let sid = participant_sid(participant.sid.clone())?;
    let described = participant.into_session().ok().filter(SessionInfo::is_visible);
    details.participant = described.map(|session| session.as_participant());
    Ok(EventKind::Left { sid, was_active })
}

fn participant_sid(sid: Option<String>) -> Result<ParticipantSid, Missing> {
    Ok(ParticipantSid::new(required(sid, "participant.sid")?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::presence::{
        KindDetail, ParticipantKind, Permission, SessionInfo, SessionState, TrackKind, TrackSource,
    };

    fn parse(body: &str) -> Result<Webhook, MalformedWebhook> {
        Webhook::parse(body.as_bytes(), HostTime::default())
    }

    fn joined(body: &str) -> SessionInfo {
        match parse(body).unwrap().event.unwrap().kind {
            EventKind::Joined(info) => info,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_join_is_read_in_camel_case_with_integers_as_strings() {
        let info = joined(
            r#"{"event":"participant_joined", "id":"EV_1", "createdAt":"1795391850",
                "room":{"sid":"RM_1", "name":"general", "turnPassword":"x"},
                "participant":{"sid":"PA_1", "identity":"alice", "state":"ACTIVE", "joinedAt":"1795391850",
                  "joinedAtMs":"1795391850268", "name":"Alice", "version":2, "metadata":"{}", "attributes":{"seat":"1"},
                  "permission":{"canPublish":true, "hidden":true, "recorder":true}, "kind":"AGENT",
                  "tracks":[{"sid":"TR_1", "type":"VIDEO", "source":"CAMERA", "muted":true, "name":"cam"}]}}"#,
        );
        assert_eq!(info.sid.as_str(), "PA_1");
        assert_eq!(info.identity.as_str(), "alice");
        assert_eq!(info.state, SessionState::Active);
        assert_eq!(info.joined_at, LiveKitTime::from_millis(1_795_391_850_268));
        assert_eq!((info.version, info.hidden, info.recorder), (2, true, true));
        assert_eq!(info.profile.kind, ParticipantKind::Agent);
        assert_eq!(info.profile.attributes, BTreeMap::from([("seat".into(), "1".into())]));
        assert_eq!(info.tracks[0].kind, TrackKind::Video);
        assert_eq!(info.tracks[0].source, TrackSource::Camera);
        assert!(info.tracks[0].muted);
    }

    #[test]
    fn fields_of_newer_servers_are_read_in_both_spellings() {
        let session = r#""sid":"PA_1","identity":"a","kind":"AGENT""#;
        let webhook = format!(
            r#"{{{session},"permission":{{"canSubscribe":true,"agent":true}},"kindDetails":["CLOUD_AGENT","NEW",3,42],
                "dataTracks":[{{"sid":"DTR_2","name":"b"}},{{"sid":"DTR_1","pubHandle":1}},{{"name":"no sid"}}]}}"#
        );
        let list = format!(
            r#"{{{session},"permission":{{"can_subscribe":true,"can_publish":false,"agent":true}},
                "kind_details":[0,"NEW","CONNECTOR_TWILIO",42],
                "data_tracks":[{{"sid":"DTR_1","name":""}},{{"pub_handle":2,"sid":"DTR_2","name":"b"}}]}}"#
        );
        let read = |participant| {
            let room = r#""room":{"name":"r"}"#;
            joined(&format!(
                r#"{{"event":"participant_joined",{room},"participant":{participant}}}"#
            ))
        };
        let profile = read(webhook).profile;
        assert_eq!(profile, read(list).profile);
        let permission = Permission {
            can_publish: false,
            can_publish_data: false,
            agent: true,
            can_subscribe: true,
        };
        assert_eq!(profile.permission, permission);
        let details: Vec<_> = profile.kind_details.iter().map(KindDetail::as_str).collect();
        assert_eq!(details, ["CLOUD_AGENT", "NEW", "CONNECTOR_TWILIO", "42"]);
        let tracks: Vec<_> =
            profile.data_tracks.iter().map(|track| (track.sid.as_str(), &*track.name)).collect();
        assert_eq!(tracks, [("DTR_1", ""), ("DTR_2", "b")]);
    }

    #[test]
    fn where_livekit_does_not_say_what_somebody_may_do_everything_is_allowed() {
        for permission in ["", r#","permission":null"#] {
            let info = joined(&format!(
                r#"{{"event":"participant_joined","room":{{"name":"r"}},"participant":{{"sid":"PA_1","identity":"a"{permission}}}}}"#
            ));
            assert_eq!(info.profile.permission, Permission::default());
        }
    }

    #[test]
    fn a_rooms_creation_is_read_in_milliseconds_or_seconds() {
        for (room, millis) in [
            (
                r#""creationTime":"1795391850","creationTimeMs":"1795391850268""#,
                Some(1_795_391_850_268),
            ),
            (r#""creationTime":"1795391850""#, Some(1_795_391_850_000)),
            (r#""creation_time":"0","creation_time_ms":"0""#, None),
            (r#""metadata":"""#, None),
        ] {
            let body = format!(r#"{{"event":"room_started","room":{{"name":"r",{room}}}}}"#);
            let event = parse(&body).unwrap().event.unwrap();
            assert_eq!(event.room_created_at, millis.map(LiveKitTime::from_millis), "{room}");
        }
    }

    #[test]
    fn every_variant_that_a_conforming_sender_may_choose_is_accepted() {
        let room = r#""room":{"name":"r"}"#;
        let variants = [
            r#""sid":"PA_1","identity":"a","state":2,"joined_at_ms":1700000000123,"version":"7","kind":4"#,
            r#""sid":"PA_1","identity":"a","state":"ACTIVE","joinedAtMs":1700000000123,"version":7.0,"kind":"AGENT","attributes":null,"tracks":null,"metadata":null,"permission":null,"name":null"#,
            r#""sid":"PA_1","identity":"a","state":2,"joinedAtMs":"1700000000123","version":7,"kind":"AGENT","joined_at":null,"futureField":{"deep":[1,{"x":null}]},"capabilities":["CAP_NEW",99],"attributes":{}"#,
        ];
        for participant in variants {
            let body = format!(
                r#"{{"event":"participant_joined",{room},"participant":{{{participant}}}}}"#
            );
            let info = joined(&body);
            assert_eq!(info.joined_at, LiveKitTime::from_millis(1_700_000_000_123), "{body}");
            assert_eq!((info.version, info.state), (7, SessionState::Active), "{body}");
            assert_eq!(info.profile.kind, ParticipantKind::Agent, "{body}");
        }
    }

    #[test]
    fn members_newer_than_this_build_are_kept_by_their_own_name_or_number() {
        let info = joined(
            r#"{"event":"participant_joined","room":{"name":"r"},"participant":{"sid":"PA_1","identity":"a",
                "state":"HOVERING","kind":99,"joinedAt":"5",
                "tracks":[{"sid":"TR_1","type":"SMELL","source":77}]}}"#,
        );
        assert_eq!(info.state, SessionState::Connecting);
        assert_eq!(info.profile.kind.as_str(), "99");
        assert_eq!(info.tracks[0].kind.as_str(), "SMELL");
        assert_eq!(info.tracks[0].source.as_str(), "77");
        assert_eq!(
            info.joined_at,
            LiveKitTime::from_millis(5_000),
            "seconds, where there are no milliseconds"
        );
    }

    #[test]
    fn events_that_say_nothing_about_who_is_inside_are_accepted() {
        for (body, name) in [
            ("{}", WebhookName::Other),
            (r#"{"event":null,"room":null}"#, WebhookName::Other),
            (
                r#"{"event":"egress_started","egressInfo":{"egressId":"EG_1"}}"#,
                WebhookName::EgressStarted,
            ),
            (r#"{"event":"moon_landed","room":{"name":""}}"#, WebhookName::Other),
        ] {
            let webhook = parse(body).unwrap();
            assert_eq!((webhook.name, webhook.event), (name, None), "{body}");
            assert!(webhook.report.is_some(), "{body}");
        }
    }

    #[test]
    fn a_missing_field_is_named() {
        let cases = [
            ("", "the webhook's body is not a JSON object"),
            ("[]", "the webhook's body is not a JSON object"),
            ("null", "the webhook's body is not a JSON object"),
            (r#"{"event":"room_started"}"#, "the webhook has no `room`"),
            (r#"{"event":"room_started","room":{}}"#, "the webhook has no `room.name`"),
            (
                r#"{"event":"room_started","room":{"name":"a\nb"}}"#,
                "the webhook's room cannot be watched: the room name contains a control character",
            ),
            (
                r#"{"event":"participant_joined","room":{"name":"r"}}"#,
                "the webhook has no `participant`",
            ),
            (
                r#"{"event":"participant_left","room":{"name":"r"},"participant":{"identity":"a"}}"#,
                "the webhook has no `participant.sid`",
            ),
            (
                r#"{"event":"participant_joined","room":{"name":"r"},"participant":{"sid":"PA_1"}}"#,
                "the webhook has no `participant.identity`",
            ),
            (
                r#"{"event":"track_published","room":{"name":"r"},"participant":{"sid":"PA_1"},"track":{}}"#,
                "the webhook has no `track.sid`",
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(parse(body).unwrap_err().to_string(), expected, "{body}");
        }
        for body in ["{", r#"{"event":5}"#, "{\"event\":\"\u{fffd}", r#"{"createdAt":"soon"}"#] {
            assert!(matches!(parse(body), Err(MalformedWebhook::NotJson { .. })), "{body}");
        }
    }

    // Serde's derive reads a struct from an array of its fields too, which LiveKit never sends.
    #[test]
    fn an_array_is_never_taken_for_an_object() {
        let session = r#""sid":"PA_1","identity":"a""#;
        let bodies = [
            r#"{"event":"room_started","room":["RM_1","r"]}"#.to_owned(),
            r#"{"event":"track_published","room":{"name":"r"},"participant":["PA_1","a"],"track":{"sid":"TR_1"}}"#.to_owned(),
            format!(r#"{{"event":"track_published","room":{{"name":"r"}},"participant":{{{session}}},"track":["TR_1"]}}"#),
            format!(r#"{{"event":"participant_joined","room":{{"name":"r"}},"participant":{{{session},"permission":[true,true]}}}}"#),
            format!(r#"{{"event":"participant_joined","room":{{"name":"r"}},"participant":{{{session},"tracks":[["TR_1"]]}}}}"#),
            format!(r#"{{"event":"participant_joined","room":{{"name":"r"}},"participant":{{{session},"attributes":[]}}}}"#),
        ];
        for body in bodies {
            let error = parse(&body).unwrap_err();
            assert!(matches!(error, MalformedWebhook::NotJson { .. }), "{body}: {error}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_what_the_webhook_says() {
        let body = r#"{"event":"participant_joined","participant":{"attributes":"PRIVATE"}}"#;
        let error = parse(body).unwrap_err().to_string();
        assert_eq!(error, "the webhook's body is not the expected JSON at line 1, column 67");
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let unknown = parse(&format!(r#"{{"event":"egress_started","x":{deep}}}"#)).unwrap();
        assert_eq!(unknown.name, WebhookName::EgressStarted);
        let known = parse(&format!(r#"{{"participant":{{"attributes":{deep}}}}}"#));
        assert!(matches!(known, Err(MalformedWebhook::NotJson { .. })));
    }
}
