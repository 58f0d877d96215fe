//! Characters that some clients take for the end of a `data:` line: common SSE clients in Python read streams with `splitlines`.

use serde_json::Value;

use crate::harness::{TestApp, joined};

const TEXT: &str = "a\u{2028}b\u{2029}c\u{85}d\u{7f}e\rf\u{b}g\u{c}h\u{1c}i\u{feff}j\u{a0}k\u{c3}l\u{2027}m\u{202a}n";

/// The characters that end a line for `splitlines`, except LF.
fn line_ends(text: &str) -> Vec<char> {
    let is_end = |letter: &char| {
        matches!(
            letter,
            '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    text.chars().filter(is_end).collect()
}

#[tokio::test]
async fn nothing_in_a_list_a_snapshot_or_a_delta_ends_a_line_early() {
    let app = TestApp::start().await;
    let room = "a\u{2028}b";
    let in_url = "a%E2%80%A8b";
    let with_text = |identity: &str| {
        let mut webhook = joined(&format!("{identity}{TEXT}")).room(room).metadata(TEXT);
        webhook.0["participant"]["name"] = TEXT.into();
        webhook.0["participant"]["attributes"] = serde_json::json!({ TEXT: TEXT });
        webhook
    };
    app.webhook(with_text("alice")).await;
    let mut lists = app.subscriber(in_url).await;
    let mut deltas = app.rooms_subscriber(&[in_url]).await;
    let list = lists.next().await.unwrap();
    let snapshot = deltas.next().await.unwrap();
    app.webhook(with_text("bob")).await;
    let longer = lists.next().await.unwrap();
    let delta = deltas.next().await.unwrap();
    assert_eq!((snapshot.name.as_str(), delta.name.as_str()), ("room:snapshot", "room:delta"));
    let got = app.participants(in_url).await;
    let rooms = app.get_as_operator("/api/livekit/rooms").await;
    let all = [&list.data, &snapshot.data, &longer.data, &delta.data, got.text(), rooms.text()];
    for data in all {
        assert!(line_ends(data).is_empty(), "{data:?}");
    }
    let is_whole = |one: &Value| {
        one["name"] == TEXT && one["metadata"] == TEXT && one["attributes"][TEXT] == TEXT
    };
    assert!(is_whole(&list.json()[0]) && is_whole(&longer.json()[1]));
    assert!(is_whole(&snapshot.json()["participants"][0]) && is_whole(&delta.json()["joined"][0]));
    assert_eq!(delta.json()["room"], room);
    assert_eq!(longer.data, got.text(), "the same bytes");
    assert_eq!(rooms.json()[0]["name"], room);
}
