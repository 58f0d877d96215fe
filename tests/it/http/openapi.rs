//! `GET /openapi.json` and the page that shows it. That it describes each answer and each frame is checked by all other tests: the
//! harness compares what they read with it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Asked, KEYWORDS, Requests, TestApp, document, violation};

/// Methods of operations; other fields of a path are about all of them.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[tokio::test]
async fn it_is_served_to_anybody_with_a_tag_and_to_pages_of_other_origins() {
    let app = TestApp::with(&[("LKP__HTTP__CORS_ORIGINS", "https://app.example.com")]).await;
    let origin = ("Origin", "https://app.example.com");
    let answer = app.get("/openapi.json", &[origin]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(answer.json(), *document());
    let known = ("If-None-Match", answer.header("etag"));
    assert_eq!(app.get("/openapi.json", &[known]).await.status, 304);
    assert_eq!(app.get("/openapi.json", &[("If-None-Match", "\"another\"")]).await.status, 200);
}

/// With a method that no route takes, `Allow` names those that it takes.
#[tokio::test]
async fn it_has_every_route_with_its_methods_and_no_other() {
    let app = TestApp::start().await;
    for (path, described) in document()["paths"].as_object().unwrap() {
        // The files of the page are routes of their own.
        let target = path.replace("{file}", "main.js").replace(['{', '}'], "");
        let answer = app.ask("BREW", &target, &[]).await;
        assert_eq!(answer.status, 405, "{path}");
        let taken: BTreeSet<String> = answer
            .header("allow")
            .split(',')
            .map(|method| method.trim().to_ascii_lowercase())
            .filter(|method| method != "head")
            .collect();
        let described: BTreeSet<String> = described.as_object().unwrap().keys().cloned().collect();
        assert_eq!(taken, described, "{path}");
    }
    let paths = document()["paths"].as_object().unwrap();
    let sources = [
        include_str!("../../../src/http/router.rs"),
        include_str!("../../../src/http/routes/misdirected.rs"),
        include_str!("../../../src/http/routes/page.rs"),
    ];
    // In the last two, paths are elements of constants.
    for source in sources.map(|source| source.split("#[cfg(test)]").next().unwrap()) {
        for text in source.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/')) {
            let is_file = text.starts_with("/page/");
            assert!(is_file || paths.contains_key(text), "{text} is not described");
        }
    }
}

#[test]
fn it_uses_only_what_the_tests_check_and_its_references_lead_somewhere() {
    for schema in document()["components"]["schemas"].as_object().unwrap().values() {
        has_known_keywords(schema);
    }
    let mut ids = BTreeSet::new();
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{path}: {method}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path} {method}");
            let answers = operation["responses"].as_object().unwrap().values();
            for content in answers.filter_map(|answer| answer["content"].as_object()) {
                content.values().for_each(|kind| has_known_keywords(&kind["schema"]));
            }
        }
    }
    leads_somewhere(document());
}

fn has_known_keywords(schema: &Value) {
    let Value::Object(fields) = schema else { return };
    for (keyword, value) in fields {
        assert!(KEYWORDS.contains(&keyword.as_str()), "no test checks {keyword}: {schema}");
        match keyword.as_str() {
            "properties" | "x-events" => {
                value.as_object().unwrap().values().for_each(has_known_keywords);
            }
            "oneOf" | "prefixItems" => {
                value.as_array().unwrap().iter().for_each(has_known_keywords);
            }
            "items" | "additionalProperties" => has_known_keywords(value),
            _ => {}
        }
    }
}

fn leads_somewhere(value: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                assert!(document().pointer(&target[1..]).is_some(), "{target}");
            }
            fields.values().for_each(leads_somewhere);
        }
        Value::Array(items) => items.iter().for_each(leads_somewhere),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn what_differs_from_a_schema_is_found_and_named() {
    let fitting = [
        ("at", json!("2026-12-01T18:00:00.000Z")),
        ("kind", json!("a")),
        ("count", json!(0)),
        ("span", json!([5])),
        ("either", json!("x")),
        ("free", json!({"x": "y"})),
    ];
    for (field, value) in fitting {
        assert_eq!(with(field, value), None, "{field}");
    }
    let wrong = [
        ("room", json!(""), "/room: \"\" is too short"),
        ("room", json!(5), "/room: 5 is no string"),
        ("at", json!("now"), "/at: \"now\" is no time as RFC 3339 has them"),
        ("kind", json!("c"), "/kind: \"c\" is none of [String(\"a\"), String(\"b\")]"),
        ("count", json!(-1), "/count: -1 is out of its bounds"),
        ("count", json!(0.5), "/count: 0.5 is no integer"),
        ("span", json!([5, 6]), "/span/1: nothing may be here"),
        ("free", json!({"x": 1}), "/free/x: 1 is no string"),
        ("other", json!(1), "/other is not described"),
    ];
    for (field, value, expected) in wrong {
        assert_eq!(with(field, value).as_deref(), Some(expected));
    }
    assert!(with("either", json!(true)).unwrap().starts_with("/either: 0 of the choices fit"));
    let missing = wrong_with(&json!({"room": "a"}));
    assert_eq!(missing.as_deref(), Some("the whole: `at` is missing"));
}

/// What is wrong with an object that has this field.
fn with(field: &str, value: Value) -> Option<String> {
    let mut whole = json!({"room": "a", "at": null});
    whole[field] = value;
    wrong_with(&whole)
}

fn wrong_with(whole: &Value) -> Option<String> {
    let schema = json!({
        "type": "object",
        "required": ["room", "at"],
        "properties": {
            "room": { "type": "string", "minLength": 1 },
            "at": { "type": ["string", "null"], "format": "date-time" },
            "kind": { "enum": ["a", "b"] },
            "count": { "type": "integer", "minimum": 0 },
            "span": { "type": "array", "prefixItems": [{ "type": "integer" }], "items": false },
            "either": { "oneOf": [{ "type": "integer" }, { "type": "string" }] },
            "free": { "type": "object", "additionalProperties": { "type": "string" } },
        },
    });
    violation(&Value::Null, &schema, whole)
}

#[test]
fn requests_are_found_however_their_bytes_are_cut() {
    let mut requests = Requests::to(1);
    let bytes = b"POST //api/livekit/webhook/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /GET /healthz?x HTTP/1.1\r\n\r\n\x81\x82ab";
    for byte in bytes {
        requests.sent(&[*byte]);
    }
    assert_eq!(requests.answered(), Some(Asked::new("POST", "/api/livekit/webhook", 1)));
    assert_eq!(requests.answered(), Some(Asked::new("GET", "/healthz", 1)));
    assert_eq!(requests.answered(), None);
    requests.sent(bytes);
    assert!(requests.answered().is_some() && requests.answered().is_some());
}

#[test]
fn what_is_not_described_fails_the_test_that_read_it() {
    let headers = [("x-request-id", "1"), ("content-type", "application/json"), ("etag", "\"1\"")];
    let header = |wanted: &str| {
        let found = headers.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| *value)
    };
    let rooms = || Asked::new("GET", "/api/livekit/rooms?limit=1", 1);
    rooms().check_head(200, &header);
    rooms().check_body(200, &header, b"[]");
    assert!(fails(|| rooms().check_head(418, &header)), "a status");
    assert!(fails(|| rooms().check_body(200, &header, br#"[{"name":"a"}]"#)), "a body");
    let room = || Asked::new("GET", "/api/livekit/rooms/a", 1);
    assert!(fails(|| room().check_head(200, &header)), "an answer without `X-Cache`");
    let socket = || Asked::new("GET", "/api/livekit/rooms/ws", 1);
    socket().check_message(r#"{"event":"watching","rooms":["a"]}"#);
    assert!(fails(|| socket().check_message(r#"{"event":"watching","rooms":[1]}"#)), "a message");
    assert!(fails(|| socket().check_message(r#"{"event":"news","data":{}}"#)), "an event");
}

fn fails(check: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err()
}
