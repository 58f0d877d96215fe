//! A webhook, in the only order that is safe: its token from the headers, then its body's hash, and only then its JSON.

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::presence::{
    Event, EventId, EventKind, HostTime, Identity, InvalidRoomName, LiveKitTime, ParticipantSid,
    RoomLifecycle, RoomName, RoomSid, TrackSid,
};

use crate::livekit::{
    Keys, TokenError,
    object::Object,
    token::{self, Claims, NumericDate},
    wire::{Missing, ParticipantInfo, TrackInfo, WebhookEvent, required},
};

/// A webhook's token lives this long (`webhook/resource_url_notifier.go` of livekit/protocol).
const TOKEN_LIFE_SECS: u64 = 300;

/// A verified `Authorization` header: somebody with one of our keys vouches for a body with this hash.
#[derive(Clone, Debug)]
pub struct WebhookToken {
    key_name: String,
    sha256: [u8; 32],
}

impl WebhookToken {
    /// Verifies the value of `Authorization` at `now`, in seconds since the Unix epoch. LiveKit sends the raw JWT; with
    /// `Bearer ` before it, as some proxies want it, it is taken too.
    ///
    /// # Errors
    /// Whatever makes the token invalid; among it that it has no body hash, as a client's access token has none.
    pub fn verify(authorization: &str, keys: &Keys, now: u64) -> Result<Self, TokenError> {
        let token = match authorization.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => authorization,
        };
        let claims = token::verify(token, keys, now)?;
        let sha256 = claims.sha256.ok_or(TokenError::NotForWebhooks)?;
        let sha256 = BASE64_STANDARD.decode(sha256).map_err(|_| TokenError::Malformed)?;
        let sha256 = sha256.try_into().map_err(|_| TokenError::Malformed)?;
        Ok(Self { key_name: claims.iss, sha256 })
    }

    /// The name of the key that signed it.
    pub fn key_name(&self) -> &str {
        &self.key_name
    }

    /// Signs a body with the first key, as LiveKit does. None without keys.
    pub fn sign(body: &[u8], keys: &Keys, now: u64) -> Option<String> {
        let claims = Claims {
            exp: Some(NumericDate::Whole(now + TOKEN_LIFE_SECS)),
            nbf: Some(NumericDate::Whole(now)),
            sha256: Some(BASE64_STANDARD.encode(Sha256::digest(body))),
            ..Claims::default()
        };
        token::sign(claims, keys)
    }

    /// Compares the body with the hash, in constant time.
    ///
    /// # Errors
    /// The body is not the one that was signed.
    pub fn vouch_for(self, body: &[u8]) -> Result<VerifiedWebhook<'_>, BodyMismatch> {
        let digest: [u8; 32] = Sha256::digest(body).into();
        if bool::from(digest.ct_eq(&self.sha256)) {
            Ok(VerifiedWebhook { body })
        } else {
            Err(BodyMismatch)
        }
    }
}

/// The body is not the one whose hash was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the body is not the one that was signed; something between LiveKit and here may have changed it"
)]
pub struct BodyMismatch;

/// A body that LiveKit signed.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedWebhook<'body> {
    body: &'body [u8],
}

/// A webhook, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub name: WebhookName,
    /// None for events that say nothing about who is in a room.
    pub event: Option<Event>,
}

/// Why a signed body is no webhook.
#[derive(Debug, thiserror::Error)]
pub enum MalformedWebhook {
    #[error("the webhook's body is not a JSON object")]
    NotAnObject,
    /// Where, and not what: the words of the parser quote what it found.
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

macro_rules! webhook_names {
    ($($variant:ident $text:literal),+ $(,)?) => {
        /// The events LiveKit knows (`webhook/consts.go` of livekit/protocol).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum WebhookName {
            $($variant,)+
            /// One that this build does not know.
            Other,
        }

        impl WebhookName {
            pub fn parse(name: &str) -> Self {
                match name {
                    $($text => Self::$variant,)+
                    _ => Self::Other,
                }
            }

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other => "other",
                }
            }
        }
    };
}

webhook_names! {
    RoomStarted "room_started",
    RoomFinished "room_finished",
    ParticipantJoined "participant_joined",
    ParticipantLeft "participant_left",
    ParticipantConnectionAborted "participant_connection_aborted",
    TrackPublished "track_published",
    TrackUnpublished "track_unpublished",
    EgressStarted "egress_started",
    EgressUpdated "egress_updated",
    EgressEnded "egress_ended",
    IngressStarted "ingress_started",
    IngressEnded "ingress_ended",
    AgentJobStarted "agent_job_started",
    AgentJobEnded "agent_job_ended",
}

impl VerifiedWebhook<'_> {
    /// Reads the body. `received_at` is when it arrived, for measurements.
    ///
    /// # Errors
    /// [`MalformedWebhook`] says what is missing. Unknown events, fields and enum members are no error.
    pub fn parse(&self, received_at: HostTime) -> Result<Webhook, MalformedWebhook> {
        let is_object = self.body.trim_ascii_start().starts_with(b"{");
        if !is_object {
            return Err(MalformedWebhook::NotAnObject);
        }
        let Object(webhook): Object<WebhookEvent> = serde_json::from_slice(self.body)?;
        let name = WebhookName::parse(webhook.event.as_deref().unwrap_or_default());
        let identity = webhook.participant.as_ref().and_then(|Object(one)| one.identity.as_deref());
        let identity = identity.filter(|identity| !identity.is_empty()).map(Identity::new);
        let Some(kind) = event_kind(name, webhook.participant, webhook.track)? else {
            return Ok(Webhook { name, event: None });
        };
        let Object(room) = webhook.room.ok_or(Missing("room"))?;
        let event = Event {
            id: webhook.id.filter(|id| !id.is_empty()).map(EventId::new),
            room: RoomName::parse(&required(room.name, "room.name")?)?,
            room_sid: room.sid.filter(|sid| !sid.is_empty()).map(RoomSid::new),
            identity,
            created_at: LiveKitTime::from_secs(webhook.created_at.unwrap_or_default().0),
            received_at,
            kind,
        };
        Ok(Webhook { name, event: Some(event) })
    }
}

/// What an event says about who is in its room, if anything.
fn event_kind(
    name: WebhookName,
    participant: Option<Object<ParticipantInfo>>,
    track: Option<Object<TrackInfo>>,
) -> Result<Option<EventKind>, Missing> {
    let participant =
        || participant.map(|Object(participant)| participant).ok_or(Missing("participant"));
    let track = || track.map(|Object(track)| track).ok_or(Missing("track"));
    let kind = match name {
        WebhookName::RoomStarted => EventKind::Room(RoomLifecycle::Started),
        WebhookName::RoomFinished => EventKind::Room(RoomLifecycle::Finished),
        WebhookName::ParticipantJoined => EventKind::Joined(participant()?.into_session()?),
        WebhookName::ParticipantLeft | WebhookName::ParticipantConnectionAborted => {
            EventKind::Left {
                sid: participant_sid(participant()?.sid)?,
                was_active: name == WebhookName::ParticipantLeft,
            }
        }
        WebhookName::TrackPublished => EventKind::TrackPublished {
            sid: participant_sid(participant()?.sid)?,
            track: track()?.into_track()?,
        },
        WebhookName::TrackUnpublished => EventKind::TrackUnpublished {
            sid: participant_sid(participant()?.sid)?,
            track: TrackSid::new(required(track()?.sid, "track.sid")?),
        },
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

fn participant_sid(sid: Option<String>) -> Result<ParticipantSid, Missing> {
    Ok(ParticipantSid::new(required(sid, "participant.sid")?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        livekit::{AccessToken, ApiKey, VideoGrant},
        presence::{ParticipantKind, SessionInfo, SessionState, TrackKind, TrackSource},
    };

    const NOW: u64 = 1_795_391_850;

    fn keys() -> Keys {
        Keys::new(&ApiKey::parse_lines("APIone: secret-one").unwrap())
    }

    fn parse(body: &str) -> Result<Webhook, MalformedWebhook> {
        VerifiedWebhook { body: body.as_bytes() }.parse(HostTime::default())
    }

    fn joined(body: &str) -> SessionInfo {
        match parse(body).unwrap().event.unwrap().kind {
            EventKind::Joined(info) => info,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_signed_body_is_vouched_for_and_no_other() {
        let token = WebhookToken::sign(b"{}", &keys(), NOW).unwrap();
        for authorization in [token.clone(), format!("Bearer {token}"), format!("bearer  {token}")]
        {
            let verified = WebhookToken::verify(&authorization, &keys(), NOW).unwrap();
            assert!(verified.clone().vouch_for(b"{}").is_ok());
            assert_eq!(verified.vouch_for(b"{} ").err(), Some(BodyMismatch));
        }
        let basic = format!("Basic {token}");
        assert!(WebhookToken::verify(&basic, &keys(), NOW).is_err());
    }

    #[test]
    fn a_token_lives_five_minutes_and_the_leeway() {
        let token = WebhookToken::sign(b"{}", &keys(), NOW).unwrap();
        assert!(WebhookToken::verify(&token, &keys(), NOW + 360).is_ok());
        let late = WebhookToken::verify(&token, &keys(), NOW + 361);
        assert_eq!(late.err(), Some(TokenError::Expired));
    }

    #[test]
    fn a_clients_token_is_no_webhooks() {
        let token = AccessToken::sign("alice", VideoGrant::default(), NOW + 60, &keys()).unwrap();
        let verified = WebhookToken::verify(&token, &keys(), NOW);
        assert_eq!(verified.err(), Some(TokenError::NotForWebhooks));
    }

    #[test]
    fn a_hash_must_be_standard_base64_with_padding() {
        let digest = Sha256::digest(b"4");
        let standard = BASE64_STANDARD.encode(digest);
        let wrong = [
            base64::prelude::BASE64_STANDARD_NO_PAD.encode(digest),
            base64::prelude::BASE64_URL_SAFE.encode(digest),
            "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a".to_owned(),
            BASE64_STANDARD.encode(b"short"),
        ];
        assert!(standard.contains('/') || standard.contains('+'), "or url-safe would be the same");
        for sha256 in wrong {
            let claims = Claims {
                exp: Some(NumericDate::Whole(NOW)),
                sha256: Some(sha256),
                ..Claims::default()
            };
            let token = token::sign(claims, &keys()).unwrap();
            let verified = WebhookToken::verify(&token, &keys(), NOW);
            assert_eq!(verified.err(), Some(TokenError::Malformed));
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
            assert_eq!(parse(body).unwrap(), Webhook { name, event: None }, "{body}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
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

    // Serde's derive reads a struct from an array of its fields too, which no sender of LiveKit's JSON ever means.
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
    fn what_a_webhook_says_is_not_repeated_in_what_is_wrong_with_it() {
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
