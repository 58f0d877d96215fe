//! What may be shown of a webhook's body: an allowlist, since LiveKit adds fields, and some of them are secrets.

use serde_json::{Map, Value};

use crate::livekit::shown_object;

/// The most that is kept of a body.
pub const MAX_BODY_BYTES: usize = 4 * 1024;
/// Elements of an array, or attributes, that are shown.
const MAX_ELEMENTS: usize = 20;
/// Characters of a text that are shown.
const MAX_CHARS: usize = 256;
const CUT: &str = "(cut)";
const NOT_SHOWN: &str = "(cut: not known to be in the list)";

/// Shown as they are, if they are numbers, texts, truths, or arrays of those.
const PLAIN: [&str; 55] = [
    "event",
    "id",
    "createdAt",
    "numDropped",
    "roomEndReason",
    "sid",
    "name",
    "identity",
    "state",
    "joinedAt",
    "joinedAtMs",
    "version",
    "region",
    "isPublisher",
    "kind",
    "kindDetails",
    "disconnectReason",
    "emptyTimeout",
    "departureTimeout",
    "maxParticipants",
    "creationTime",
    "creationTimeMs",
    "numParticipants",
    "numPublishers",
    "activeRecording",
    "canSubscribe",
    "canPublish",
    "canPublishData",
    "canPublishSources",
    "canUpdateMetadata",
    "hidden",
    "recorder",
    "agent",
    "type",
    "muted",
    "width",
    "height",
    "simulcast",
    "disableDtx",
    "disableRed",
    "source",
    "mimeType",
    "mid",
    "stereo",
    "encryption",
    "egressId",
    "roomId",
    "roomName",
    "status",
    "startedAt",
    "updatedAt",
    "endedAt",
    "ingressId",
    "dispatchId",
    "agentName",
];
/// Shown with what of them may be shown, where the body has them.
const OF_BODY: [&str; 3] = ["room", "participant", "track"];
/// The same where a participant has them.
const OF_PARTICIPANT: [&str; 2] = ["tracks", "permission"];
/// What names a person, wherever it stands.
const PERSONAL: [&str; 4] = ["participant", "track", "tracks", "identity"];

/// The body as it may be shown, without the person unless they are known to be in the list. None if it is no JSON object.
pub(super) fn clean(body: &[u8], shows_person: bool) -> Option<Value> {
    let Value::Object(body) = serde_json::from_slice(body).ok()? else { return None };
    let mut shown = cleaned(body, &OF_BODY);
    hide_person(&mut shown, shows_person);
    Some(Value::Object(shown))
}

/// A body that was cleaned with its person before, as it may be shown.
pub(super) fn cleaned_before(body: &[u8], shows_person: bool) -> Option<Value> {
    let Value::Object(mut body) = serde_json::from_slice(body).ok()? else { return None };
    hide_person(&mut body, shows_person);
    Some(Value::Object(body))
}

fn hide_person(body: &mut Map<String, Value>, shows_person: bool) {
    if !shows_person {
        hide_people(body);
    }
}

/// Hides the people who are named, at any depth.
fn hide_people(object: &mut Map<String, Value>) {
    for (name, value) in object {
        if PERSONAL.contains(&name.as_str()) {
            *value = NOT_SHOWN.into();
            continue;
        }
        match value {
            Value::Object(inner) => hide_people(inner),
            Value::Array(all) => {
                all.iter_mut().filter_map(Value::as_object_mut).for_each(hide_people);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// What may be shown of an object, which may have these objects in it.
fn cleaned(object: Map<String, Value>, inner: &[&str]) -> Map<String, Value> {
    let fields = object.into_iter();
    fields.map(|(name, value)| (name.clone(), field(&name, value, inner))).collect()
}

fn field(name: &str, value: Value, inner: &[&str]) -> Value {
    // Of these subscribers see the same, which names nobody.
    let value = match shown_object(name, value) {
        Ok(shown) => return within_limits(shown),
        Err(other) => other,
    };
    match value {
        Value::Null => Value::Null,
        Value::String(text) if name == "metadata" => length_of(&text),
        Value::Object(attributes) if name == "attributes" => {
            let some = attributes.into_iter().take(MAX_ELEMENTS);
            Value::Object(some.map(|(name, value)| (name, length(&value))).collect())
        }
        Value::Object(object) if inner.contains(&name) => {
            let inner = if name == "participant" { &OF_PARTICIPANT[..] } else { &[] };
            Value::Object(cleaned(object, inner))
        }
        Value::Array(all) if inner.contains(&name) || PLAIN.contains(&name) => {
            let some = all.into_iter().take(MAX_ELEMENTS);
            Value::Array(some.map(|one| field(name, one, inner)).collect())
        }
        Value::String(text) if PLAIN.contains(&name) => Value::String(shortened(text)),
        plain @ (Value::Bool(_) | Value::Number(_)) if PLAIN.contains(&name) => plain,
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => CUT.into(),
    }
}

/// An object whose texts are not too long.
fn within_limits(mut shown: Value) -> Value {
    for value in shown.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Value::String(text) = value {
            *text = shortened(std::mem::take(text));
        }
    }
    shown
}

fn length(value: &Value) -> Value {
    value.as_str().map_or_else(|| CUT.into(), length_of)
}

fn length_of(text: &str) -> Value {
    // Nothing is hidden where there is nothing.
    if text.is_empty() { "".into() } else { format!("({} bytes)", text.len()).into() }
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cleaned_json(body: &Value, shows_person: bool) -> Value {
        clean(body.to_string().as_bytes(), shows_person).unwrap()
    }

    #[test]
    fn metadata_attributes_and_whatever_is_not_known_to_be_harmless_are_cut() {
        let body = json!({
            "event": "participant_joined",
            "newSecret": "s3cret",
            "room": {"name": "general", "metadata": "PRIVATE", "turnPassword": "s3cret", "enabledCodecs": [{"mime": "x"}]},
            "participant": {
                "identity": "alice", "metadata": "", "attributes": {"seat": "12", "odd": 5},
                "permission": {"canPublish": true, "futureToken": "s3cret"},
                "tracks": [{"sid": "TR_1", "muted": true, "layers": [{"width": 1}]}],
            },
            "ingressInfo": {"ingressId": "IN_1", "streamKey": "s3cret", "url": "rtmp://s3cret"},
            "egressInfo": {"egressId": "EG_1", "roomComposite": {"customBaseUrl": "s3cret"}, "error": "s3cret"},
        });
        let shown = cleaned_json(&body, true);
        assert_eq!(
            shown,
            json!({
                "event": "participant_joined",
                "newSecret": "(cut)",
                "room": {"name": "general", "metadata": "(7 bytes)", "turnPassword": "(cut)", "enabledCodecs": "(cut)"},
                "participant": {
                    "identity": "alice", "metadata": "", "attributes": {"seat": "(2 bytes)", "odd": "(cut)"},
                    "permission": {"canPublish": true, "futureToken": "(cut)"},
                    "tracks": [{"sid": "TR_1", "muted": true, "layers": "(cut)"}],
                },
                "ingressInfo": {"ingressId": "IN_1", "inputType": "RTMP_INPUT", "status": "ENDPOINT_INACTIVE"},
                "egressInfo": {"egressId": "EG_1", "status": "EGRESS_STARTING"},
            })
        );
    }

    #[test]
    fn nobody_is_named_who_is_not_known_to_be_in_the_list() {
        let body = json!({
            "event": "participant_joined", "room": {"name": "general"},
            "participant": {"identity": "spy"}, "track": {"name": "spy"}, "identity": "spy", "tracks": [{"name": "spy"}],
            "job": {"id": "AJ_1", "participant": {"identity": "spy"}},
            "egressInfo": {"egressId": "EG_1", "participant": {"identity": "spy"}, "identity": "spy"},
            "ingress_info": {"ingressId": "IN_1", "participantIdentity": "spy"},
        });
        let shown = cleaned_json(&body, false).to_string();
        assert!(shown.contains("general") && !shown.contains("spy"), "{shown}");
        assert!(["AJ_1", "EG_1", "IN_1"].iter().all(|id| shown.contains(id)), "{shown}");
        let room =
            json!([{"name": "general", "identity": "spy", "participant": {"identity": "spy"}}]);
        let odd = json!({"event": "room_started", "room": room}).to_string();
        let shown = clean(odd.as_bytes(), false).unwrap().to_string();
        assert!(shown.contains("general") && !shown.contains("spy"), "{shown}");
        let before = cleaned_before(odd.as_bytes(), false).unwrap().to_string();
        assert!(!before.contains("spy"), "{before}");
        let of_alice = json!({"participant": {"identity": "alice"}, "job": {"participant": {"identity": "spy"}}});
        let shown = cleaned_json(&of_alice, true).to_string();
        assert!(shown.contains("alice") && !shown.contains("spy"), "{shown}");
    }

    #[test]
    fn long_texts_and_arrays_are_shortened_and_what_is_no_object_has_no_body() {
        let tracks = vec![json!({"sid": "TR"}); 30];
        let shown = cleaned_json(
            &json!({"event": "é".repeat(300), "participant": {"tracks": tracks}}),
            true,
        );
        assert_eq!(shown["event"].as_str().unwrap().chars().count(), 257);
        assert_eq!(shown["participant"]["tracks"].as_array().unwrap().len(), 20);
        assert_eq!((clean(b"[]", true), clean(b"{", true)), (None, None));
    }
}
