//! What may be shown of a webhook's body: an allowlist, since LiveKit adds fields, and some of them are secrets.

use serde_json::{Map, Value};

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
/// Shown with what of them may be shown.
const NESTED: [&str; 8] =
    ["room", "participant", "track", "tracks", "permission", "egressInfo", "ingressInfo", "job"];

/// The body as it may be shown, without the person unless they are known to be in the list. None if it is no JSON object.
pub(super) fn clean(body: &[u8], shows_person: bool) -> Option<Value> {
    let Value::Object(mut body) = serde_json::from_slice(body).ok()? else { return None };
    hide_person(&mut body, shows_person);
    Some(Value::Object(cleaned(body)))
}

/// A body that was cleaned with its person before, as it may be shown.
pub(super) fn cleaned_before(body: &[u8], shows_person: bool) -> Option<Value> {
    let Value::Object(mut body) = serde_json::from_slice(body).ok()? else { return None };
    hide_person(&mut body, shows_person);
    Some(Value::Object(body))
}

fn hide_person(body: &mut Map<String, Value>, shows_person: bool) {
    for name in ["participant", "job", "track"] {
        if let Some(person) = body.get_mut(name)
            && !shows_person
        {
            *person = NOT_SHOWN.into();
        }
    }
}

fn cleaned(object: Map<String, Value>) -> Map<String, Value> {
    let fields = object.into_iter();
    fields.map(|(name, value)| (name.clone(), field(&name, value))).collect()
}

fn field(name: &str, value: Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::String(text) if name == "metadata" => length_of(&text),
        Value::Object(attributes) if name == "attributes" => {
            let some = attributes.into_iter().take(MAX_ELEMENTS);
            Value::Object(some.map(|(name, value)| (name, length(&value))).collect())
        }
        Value::String(text) if text == NOT_SHOWN => Value::String(text),
        Value::Object(inner) if NESTED.contains(&name) => Value::Object(cleaned(inner)),
        Value::Array(all) if NESTED.contains(&name) || PLAIN.contains(&name) => {
            Value::Array(all.into_iter().take(MAX_ELEMENTS).map(|one| field(name, one)).collect())
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
                "ingressInfo": {"ingressId": "IN_1", "streamKey": "(cut)", "url": "(cut)"},
                "egressInfo": {"egressId": "EG_1", "roomComposite": "(cut)", "error": "(cut)"},
            })
        );
    }

    #[test]
    fn nobody_is_named_who_is_not_known_to_be_in_the_list() {
        let body = json!({
            "event": "participant_joined", "room": {"name": "general"},
            "participant": {"identity": "spy"}, "job": {"participant": {"identity": "spy"}},
            "track": {"name": "spy"},
        });
        let shown = cleaned_json(&body, false).to_string();
        assert!(shown.contains("general") && !shown.contains("spy"), "{shown}");
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
