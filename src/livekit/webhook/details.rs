//! What a webhook says beside who is in its room, as far as subscribers may see it. Names the fields that are shown, and leaves out
//! every other one: `turnPassword`, stream keys, addresses, storage credentials, and what a later LiveKit adds.

use serde_json::{Map, Value, json};

use crate::{
    livekit::wire::{EnumValue, Integer, WebhookRoom},
    presence::{EventId, LiveKitTime, RoomDetails, RoomName, RoomSid},
};

use super::name::WebhookName;

/// An event that says nothing about who is in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub id: EventId,
    /// LiveKit's name of it, also where this build does not know it.
    pub name: String,
    pub room: Option<RoomName>,
    pub created_at: LiveKitTime,
    /// What subscribers may see of it.
    pub data: Value,
}

/// The objects of a webhook that only some events have.
pub(super) struct Objects {
    pub egress: Option<Value>,
    pub ingress: Option<Value>,
    pub job: Option<Value>,
}

/// The longest name of an unknown event, in bytes.
const MAX_NAME_BYTES: usize = 100;
const NANOS_PER_MILLI: i64 = 1_000_000;
const EGRESS_STATUS: [&str; 7] = [
    "EGRESS_STARTING",
    "EGRESS_ACTIVE",
    "EGRESS_ENDING",
    "EGRESS_COMPLETE",
    "EGRESS_FAILED",
    "EGRESS_ABORTED",
    "EGRESS_LIMIT_REACHED",
];
const INGRESS_STATUS: [&str; 5] = [
    "ENDPOINT_INACTIVE",
    "ENDPOINT_BUFFERING",
    "ENDPOINT_PUBLISHING",
    "ENDPOINT_ERROR",
    "ENDPOINT_COMPLETE",
];
const INGRESS_INPUT: [&str; 3] = ["RTMP_INPUT", "WHIP_INPUT", "URL_INPUT"];
const JOB_TYPE: [&str; 3] = ["JT_ROOM", "JT_PUBLISHER", "JT_PARTICIPANT"];
const JOB_STATUS: [&str; 4] = ["JS_PENDING", "JS_RUNNING", "JS_SUCCESS", "JS_FAILED"];
/// `DisconnectReason`.
const DISCONNECT_REASON: [&str; 17] = [
    "UNKNOWN_REASON",
    "CLIENT_INITIATED",
    "DUPLICATE_IDENTITY",
    "SERVER_SHUTDOWN",
    "PARTICIPANT_REMOVED",
    "ROOM_DELETED",
    "STATE_MISMATCH",
    "JOIN_FAILURE",
    "MIGRATION",
    "SIGNAL_CLOSE",
    "ROOM_CLOSED",
    "USER_UNAVAILABLE",
    "USER_REJECTED",
    "SIP_TRUNK_FAILURE",
    "CONNECTION_TIMEOUT",
    "MEDIA_FAILURE",
    "AGENT_ERROR",
];
/// `RoomEndReason`.
const ROOM_END_REASON: [&str; 6] = [
    "ROOM_END_UNKNOWN",
    "ROOM_END_API_DELETE",
    "ROOM_END_IDLE_TIMEOUT",
    "ROOM_END_SERVER_SHUTDOWN",
    "ROOM_END_SUPERSEDED",
    "ROOM_END_OPEN_FAILED",
];

pub(super) fn disconnect_reason(reason: EnumValue) -> String {
    reason.into_name(&DISCONNECT_REASON)
}

pub(super) fn room_end_reason(reason: EnumValue) -> String {
    reason.into_name(&ROOM_END_REASON)
}

impl WebhookRoom {
    pub fn sid(&self) -> Option<RoomSid> {
        self.sid.as_deref().filter(|sid| !sid.is_empty()).map(RoomSid::new)
    }

    /// When this opening of the room was created; none in the short form that events of tracks have.
    pub fn created_at(&self) -> Option<LiveKitTime> {
        // Older servers know only seconds.
        let millis = self.creation_time_ms.filter(|Integer(millis)| *millis != 0);
        let secs = || self.creation_time.filter(|Integer(secs)| *secs != 0);
        let millis = millis.map(|Integer(millis)| LiveKitTime::from_millis(millis));
        millis.or_else(|| secs().map(|Integer(secs)| LiveKitTime::from_secs(secs)))
    }

    /// What subscribers may see of it. A full room has the time of its creation, and leaves out what is empty.
    pub fn into_details(self, name: RoomName) -> RoomDetails {
        let sid = self.sid();
        let creation_time = self.created_at();
        let is_full = creation_time.is_some();
        RoomDetails {
            sid,
            name,
            metadata: self.metadata.or(is_full.then(String::new)),
            creation_time,
            active_recording: self.active_recording.or(is_full.then_some(false)),
        }
    }
}

impl Report {
    /// `body` gives an event without an id one.
    pub(super) fn new(
        name: WebhookName,
        text: &str,
        id: Option<EventId>,
        created_at: LiveKitTime,
        room: Option<WebhookRoom>,
        objects: Objects,
        body: &[u8],
    ) -> Self {
        let text = match name {
            WebhookName::Other => &text[..text.floor_char_boundary(MAX_NAME_BYTES)],
            known => known.as_str(),
        };
        let mut data = Map::new();
        if let Some(egress) = objects.egress.filter(|_| is_egress(name)) {
            data.insert("egress".into(), egress_data(&Fields(egress)));
        }
        if let Some(ingress) = objects.ingress.filter(|_| is_ingress(name)) {
            data.insert("ingress".into(), ingress_data(&Fields(ingress)));
        }
        let mut job_room = None;
        if let Some(job) = objects.job.filter(|_| is_job(name)).map(Fields) {
            job_room = job.part("room").text("name", "name");
            data.insert("job".into(), job_data(&job));
        }
        let room_name = room.as_ref().and_then(|room| RoomName::parse(room.name.as_deref()?).ok());
        let room_name = room_name.or_else(|| room_of(&data, job_room.as_ref()));
        if let Some(room_name) = &room_name {
            let sid = room.and_then(|room| room.sid());
            let details = RoomDetails::named(room_name.clone(), sid);
            data.insert("room".into(), json!(details));
        }
        Self {
            // The same in every repetition.
            id: id.unwrap_or_else(|| EventId::of_parts([body])),
            name: text.to_owned(),
            room: room_name,
            created_at,
            data: Value::Object(data),
        }
    }
}

fn is_egress(name: WebhookName) -> bool {
    use WebhookName::{EgressEnded, EgressStarted, EgressUpdated};
    matches!(name, EgressStarted | EgressUpdated | EgressEnded)
}

fn is_ingress(name: WebhookName) -> bool {
    matches!(name, WebhookName::IngressStarted | WebhookName::IngressEnded)
}

fn is_job(name: WebhookName) -> bool {
    matches!(name, WebhookName::AgentJobStarted | WebhookName::AgentJobEnded)
}

/// The room that an egress, an ingress or a job names.
fn room_of(data: &Map<String, Value>, of_job: Option<&Value>) -> Option<RoomName> {
    let object = data.get("egress").or_else(|| data.get("ingress"));
    let name = object.and_then(|object| object.get("roomName")).or(of_job)?;
    RoomName::parse(name.as_str()?).ok()
}

/// The fields of an object whose other fields are not looked at.
struct Fields(Value);

impl Fields {
    fn get(&self, camel: &str, snake: &str) -> Option<&Value> {
        self.0.get(camel).or_else(|| self.0.get(snake)).filter(|value| !value.is_null())
    }

    fn text(&self, camel: &str, snake: &str) -> Option<Value> {
        let text = self.get(camel, snake)?.as_str()?;
        (!text.is_empty()).then(|| text.into())
    }

    fn member(&self, field: &str, names: &[&str]) -> Value {
        let value = self.get(field, field).cloned().unwrap_or(Value::from(0));
        let member: Option<EnumValue> = serde_json::from_value(value).ok();
        member.unwrap_or_default().into_name(names).into()
    }

    fn integer(&self, camel: &str, snake: &str) -> Option<i64> {
        let Integer(value) = serde_json::from_value(self.get(camel, snake)?.clone()).ok()?;
        (value != 0).then_some(value)
    }

    /// In milliseconds; LiveKit gives nanoseconds.
    fn time(&self, camel: &str, snake: &str) -> Option<Value> {
        Some((self.integer(camel, snake)? / NANOS_PER_MILLI).into())
    }

    fn part(&self, field: &str) -> Self {
        Self(self.get(field, field).cloned().unwrap_or_default())
    }
}

/// An object of those fields that are there.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

/// What subscribers see of an egress, an ingress or a job, by the name of its field in a webhook.
///
/// # Errors
/// The value as it is, if it is none of these.
pub fn shown_object(field: &str, value: Value) -> Result<Value, Value> {
    let data = match field {
        _ if !value.is_object() => return Err(value),
        "egressInfo" | "egress_info" => egress_data,
        "ingressInfo" | "ingress_info" => ingress_data,
        "job" => job_data,
        _ => return Err(value),
    };
    Ok(data(&Fields(value)))
}

fn egress_data(egress: &Fields) -> Value {
    object([
        ("egressId", egress.text("egressId", "egress_id")),
        ("status", Some(egress.member("status", &EGRESS_STATUS))),
        ("roomName", egress.text("roomName", "room_name")),
        ("startedAt", egress.time("startedAt", "started_at")),
        ("updatedAt", egress.time("updatedAt", "updated_at")),
        ("endedAt", egress.time("endedAt", "ended_at")),
        // Its text may quote addresses with keys.
        ("errorCode", egress.integer("errorCode", "error_code").map(Value::from)),
    ])
}

fn ingress_data(ingress: &Fields) -> Value {
    let state = ingress.part("state");
    let input =
        if ingress.get("input_type", "input_type").is_some() { "input_type" } else { "inputType" };
    object([
        ("ingressId", ingress.text("ingressId", "ingress_id")),
        ("name", ingress.text("name", "name")),
        ("inputType", Some(ingress.member(input, &INGRESS_INPUT))),
        ("status", Some(state.member("status", &INGRESS_STATUS))),
        ("roomName", ingress.text("roomName", "room_name")),
        ("startedAt", state.time("startedAt", "started_at")),
        ("endedAt", state.time("endedAt", "ended_at")),
    ])
}

fn job_data(job: &Fields) -> Value {
    let state = job.part("state");
    object([
        ("id", job.text("id", "id")),
        ("type", Some(job.member("type", &JOB_TYPE))),
        ("agentName", job.text("agentName", "agent_name")),
        ("status", Some(state.member("status", &JOB_STATUS))),
        ("startedAt", state.time("startedAt", "started_at")),
        ("endedAt", state.time("endedAt", "ended_at")),
    ])
}

#[cfg(test)]
mod tests {
    use crate::{
        livekit::webhook::body::Webhook,
        presence::{Event, HostTime},
    };

    use super::*;

    fn report(body: &str) -> Report {
        Webhook::parse(body.as_bytes(), HostTime::default()).unwrap().report.unwrap()
    }

    fn event(body: &str) -> Event {
        Webhook::parse(body.as_bytes(), HostTime::default()).unwrap().event.unwrap()
    }

    #[test]
    fn of_a_room_nothing_secret_is_kept_and_a_full_one_is_told_from_a_short_one() {
        let full = event(
            r#"{"event":"room_finished","createdAt":"1795391850","roomEndReason":"ROOM_END_API_DELETE",
                "room":{"sid":"RM_1","name":"general","turnPassword":"SECRET","creationTime":"1795391800",
                  "creationTimeMs":"1795391800123","metadata":"{}","numParticipants":7,"futureField":"SECRET"}}"#,
        );
        assert_eq!(
            json!(full.details.room),
            json!({"sid":"RM_1","name":"general","metadata":"{}","creationTime":1_795_391_800_123_i64,"activeRecording":false})
        );
        assert_eq!(full.details.room_end_reason.as_deref(), Some("ROOM_END_API_DELETE"));
        let short = event(
            r#"{"event":"track_unpublished","room":{"sid":"RM_1","name":"general"},"participant":{"sid":"PA_1"},
                "track":{"sid":"TR_1","source":"CAMERA","type":"VIDEO"}}"#,
        );
        assert_eq!(json!(short.details.room), json!({"sid":"RM_1","name":"general"}));
        assert_eq!(short.details.track.as_ref().unwrap().source.as_str(), "CAMERA");
    }

    #[test]
    fn the_reason_of_a_leave_is_named_also_where_only_its_number_is_sent() {
        for (sent, name) in
            [("\"MIGRATION\"", "MIGRATION"), ("14", "CONNECTION_TIMEOUT"), ("99", "99")]
        {
            let left = event(&format!(
                r#"{{"event":"participant_left","room":{{"name":"r"}},"participant":{{"sid":"PA_1","disconnectReason":{sent}}}}}"#
            ));
            assert_eq!(left.details.disconnect_reason.as_deref(), Some(name));
        }
    }

    #[test]
    fn an_aborted_session_is_described_unless_it_is_hidden() {
        let aborted = |more: &str| {
            event(&format!(
                r#"{{"event":"participant_connection_aborted","room":{{"name":"r"}},
                    "participant":{{"sid":"PA_1","identity":"alice"{more}}}}}"#
            ))
        };
        assert!(aborted("").details.participant.is_some());
        for hidden in [r#","permission":{"hidden":true}"#, r#","kind":"EGRESS""#] {
            assert!(aborted(hidden).details.participant.is_none(), "{hidden}");
        }
    }

    #[test]
    fn of_an_egress_an_ingress_or_a_job_only_the_named_fields_are_kept() {
        let egress = report(
            r#"{"event":"egress_ended","id":"EV_1","createdAt":"1795391850","egressInfo":{"egressId":"EG_1","roomId":"RM_1",
                "roomName":"general","status":"EGRESS_FAILED","startedAt":"1795391850268000000","error":"rtmp://x/SECRET",
                "errorCode":500,"streamResults":[{"url":"rtmp://x/SECRET"}],"roomComposite":{"file":{"s3":{"secret":"SECRET"}}}}}"#,
        );
        assert_eq!((egress.id.as_str(), egress.name.as_str()), ("EV_1", "egress_ended"));
        assert_eq!(egress.room.as_ref().unwrap().as_str(), "general");
        assert_eq!(
            egress.data,
            json!({"room":{"name":"general"},"egress":{"egressId":"EG_1","status":"EGRESS_FAILED","roomName":"general",
                "startedAt":1_795_391_850_268_i64,"errorCode":500}})
        );
        let ingress = report(
            r#"{"event":"ingress_started","room":{"name":"general"},"ingressInfo":{"ingressId":"IN_1","name":"cam",
                "streamKey":"SECRET","url":"rtmp://x/SECRET","inputType":"WHIP_INPUT","participantIdentity":"SECRET",
                "state":{"status":"ENDPOINT_PUBLISHING","error":"SECRET","startedAt":"5000000"}}}"#,
        );
        assert_eq!(
            ingress.data,
            json!({"room":{"name":"general"},"ingress":{"ingressId":"IN_1","name":"cam","inputType":"WHIP_INPUT",
                "status":"ENDPOINT_PUBLISHING","startedAt":5}})
        );
        let job = report(
            r#"{"event":"agent_job_ended","job":{"id":"AJ_1","type":"JT_PUBLISHER","metadata":"SECRET","agentName":"scribe",
                "room":{"name":"general","turnPassword":"SECRET"},"participant":{"identity":"SECRET"},
                "state":{"status":"JS_SUCCESS"}}}"#,
        );
        assert_eq!(job.room.as_ref().unwrap().as_str(), "general");
        assert_eq!(
            job.data,
            json!({"room":{"name":"general"},"job":{"id":"AJ_1","type":"JT_PUBLISHER","agentName":"scribe","status":"JS_SUCCESS"}})
        );
    }

    #[test]
    fn an_unknown_event_has_its_name_and_its_room_and_the_same_id_each_time() {
        let body = r#"{"event":"moon_landed","createdAt":"7","room":{"name":"general","metadata":"SECRET"},"egressInfo":{"x":1}}"#;
        let unknown = report(body);
        assert_eq!((unknown.name.as_str(), unknown.created_at.as_millis()), ("moon_landed", 7_000));
        assert_eq!(unknown.data, json!({"room":{"name":"general"}}));
        assert_eq!(report(body).id, unknown.id);
    }
}
