//! Webhooks of a real LiveKit 1.13.5, as if they were sent now: with other rooms, ids and times, and signed anew.

use std::collections::BTreeSet;

use serde_json::Value;

/// What a line of these is called in captures of LiveKit.
const IDS: [&str; 2] = ["sid", "id"];
/// Fields with seconds, and with milliseconds, since the Unix epoch.
const SECONDS: [&str; 3] = ["createdAt", "joinedAt", "creationTime"];
const MILLIS: [&str; 2] = ["joinedAtMs", "creationTimeMs"];

/// The webhooks of a scenario. `now` is when the last of them is to have happened, in seconds since the Unix epoch.
pub(super) fn rewritten(lines: &str, suffix: &str, now: u64) -> Vec<Value> {
    let mut events: Vec<Value> =
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let times = events.iter().map(|event| seconds(&event["createdAt"]));
    let later = now.saturating_sub(times.max().unwrap_or_default());
    for event in &mut events {
        if let Some(Value::String(name)) = event.pointer_mut("/room/name") {
            name.push_str(suffix);
        }
        rewrite(event, suffix, later);
    }
    events
}

/// The rooms that events are about.
pub(super) fn rooms(events: &[Value]) -> BTreeSet<&str> {
    events.iter().filter_map(|event| event["room"]["name"].as_str()).collect()
}

fn rewrite(value: &mut Value, suffix: &str, later: u64) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if IDS.contains(&name.as_str()) => text.push_str(suffix),
                    Value::String(text) if SECONDS.contains(&name.as_str()) => add(text, later),
                    Value::String(text) if MILLIS.contains(&name.as_str()) => {
                        add(text, later * 1000);
                    }
                    other => rewrite(other, suffix, later),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, suffix, later)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn add(number: &mut String, later: u64) {
    if let Ok(time) = number.parse::<u64>() {
        *number = (time + later).to_string();
    }
}

fn seconds(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_rooms_and_times_are_new_and_everything_else_is_as_it_was() {
        let line = concat!(
            r#"{"event":"participant_joined", "room":{"sid":"RM_1", "name":"a"}, "#,
            r#""participant":{"sid":"PA_1", "identity":"a", "joinedAtMs":"1005"}, "id":"EV_1", "createdAt":"1"}"#,
        );
        assert_eq!(
            rewritten(line, "-x", 101),
            [json!({"event": "participant_joined", "room": {"sid": "RM_1-x", "name": "a-x"},
                "participant": {"sid": "PA_1-x", "identity": "a", "joinedAtMs": "101005"},
                "id": "EV_1-x", "createdAt": "101"})]
        );
    }
}
