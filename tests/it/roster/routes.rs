//! What the routes answer, and what they refuse.

use serde_json::{Value, json};

use crate::harness::{
    TestApp, TestDatabase, WebhookBody, eventually, joined, left, now, now_ms, started,
};

use super::{ROSTER, Stage, counts, everybody, expected, moderator, send, statuses};

#[tokio::test]
async fn somebody_is_invited_read_changed_and_taken_out_again() {
    for kind in TestDatabase::both().await {
        let stage = Stage::with(kind, &[]).await;
        let alice = format!("{ROSTER}/alice");
        let body = json!({"role": "speaker", "note": "opens", "canVideo": false});
        let put = stage.ask("PUT", &alice, Some(body), &[]).await;
        assert_eq!(put.status, 201, "{}", put.text());
        let entry = put.json();
        let (invited_at, version) = (&entry["invitedAt"], entry["version"].as_str().unwrap());
        assert_eq!(put.header("etag"), format!("\"{version}\""));
        assert_eq!(
            entry,
            json!({
                "identity": "alice", "role": "speaker", "canSpeak": true, "canVideo": false,
                "invited": true, "invitedAt": invited_at, "note": "opens", "status": "INVITED",
                "joinedAt": null, "leftAt": null, "version": version,
            })
        );
        let read = stage.ask("GET", &alice, None, &[]).await;
        assert_eq!((read.json(), read.header("cache-control")), (entry.clone(), "no-store"));
        assert_eq!(read.header("etag"), put.header("etag"));
        let list = stage.list().await;
        let whole = json!({"room": "stage", "onlineCount": 0, "totalCount": 1, "entries": [entry]});
        assert_eq!(list, whole);

        let patched = stage.ok("PATCH", &alice, Some(json!({"canSpeak": false}))).await;
        assert_eq!((&patched["canSpeak"], &patched["note"]), (&json!(false), &json!("opens")));
        assert_ne!(patched["version"], list["entries"][0]["version"]);
        let replaced = stage.ask("PUT", &alice, Some(json!({})), &[]).await;
        assert_eq!((replaced.status, replaced.json().get("note")), (200, None));
        assert_eq!(replaced.json()["invitedAt"], *invited_at);
        let again = stage.ok("PUT", &alice, Some(json!({}))).await;
        assert_eq!(again, replaced.json(), "what changes nothing leaves the version");

        assert_eq!(stage.ask("DELETE", &alice, None, &[]).await.status, 204);
        assert_eq!(counts(&stage.list().await), [&json!(0), &json!(0)]);
        for method in ["GET", "PATCH", "DELETE"] {
            stage.ask(method, &alice, None, &[]).await.problem(404);
        }
    }
}

#[tokio::test]
async fn everybody_is_replaced_merged_and_removed_at_once() {
    let stage = Stage::new().await;
    let totals = stage.ok("PUT", ROSTER, Some(everybody(["a", "b", "c"].map(String::from)))).await;
    assert_eq!(totals, json!({"onlineCount": 0, "totalCount": 3}));
    let merged = json!({"entries": [{"identity": "b", "role": "host"}, {"identity": "d"}]});
    assert_eq!(stage.ok("PATCH", ROSTER, Some(merged.clone())).await["totalCount"], 4);
    let replaced = stage.ok("PUT", ROSTER, Some(merged)).await;
    assert_eq!(replaced["totalCount"], 2);
    let list = stage.list().await;
    assert_eq!(statuses(&list["entries"]), expected(&[("b", "INVITED"), ("d", "INVITED")]));
    assert_eq!(list["entries"][0]["role"], "host");
    assert_eq!(stage.ask("DELETE", ROSTER, None, &[]).await.status, 204);
    assert_eq!(stage.list().await["entries"], json!([]));
}

#[tokio::test]
async fn a_roster_is_read_in_pages() {
    let stage = Stage::new().await;
    let names = ["a/b", "ä", "z", "😀"].map(String::from);
    stage.ok("PUT", ROSTER, Some(everybody(names))).await;
    let mut target = format!("{ROSTER}?limit=3");
    let first = stage.ok("GET", &target, None).await;
    assert_eq!((counts(&first), &first["next"]), ([&json!(0), &json!(4)], &json!("ä")));
    target.push_str("&after=%C3%A4");
    let second = stage.ok("GET", &target, None).await;
    assert_eq!(statuses(&second["entries"]), expected(&[("😀", "INVITED")]));
    assert_eq!(second.get("next"), None);
    for wrong in ["limit=0", "limit=1001", "limit=x", "after=a&after=b"] {
        stage.ask("GET", &format!("{ROSTER}?{wrong}"), None, &[]).await.problem(400);
    }
}

#[tokio::test]
async fn names_with_slashes_and_emoji_are_those_of_one_person() {
    let stage = Stage::new().await;
    let target = format!("{ROSTER}/a%2Fb%20%F0%9F%98%80%25");
    let entry = stage.ok("PUT", &target, Some(json!({}))).await;
    assert_eq!(entry["identity"], "a/b 😀%");
    assert_eq!(stage.ok("GET", &target, None).await, entry);
    assert_eq!(stage.ask("GET", &format!("{ROSTER}/a"), None, &[]).await.status, 404);
}

#[tokio::test]
async fn of_two_moderators_who_change_the_same_version_at_once_one_is_told_to_read_again() {
    for kind in TestDatabase::both().await {
        let stage = Stage::with(kind, &[]).await;
        let alice = format!("{ROSTER}/alice");
        let read = stage.ask("PUT", &alice, Some(json!({})), &[]).await;
        let headers = [("If-Match", read.header("etag"))];
        let body = |note: &str| Some(json!({"note": note}));
        let (one, other) = tokio::join!(
            stage.ask("PATCH", &alice, body("one"), &headers),
            stage.ask("PATCH", &alice, body("other"), &headers),
        );
        let mut answers = [one.status, other.status];
        answers.sort_unstable();
        assert_eq!(answers, [200, 412]);
        let lost = if one.status == 412 { &one } else { &other };
        assert!(lost.problem(412).contains("read it again"));
        let kept = if one.status == 200 { "one" } else { "other" };
        assert_eq!(stage.ok("GET", &alice, None).await["note"], kept);
        stage.ask("DELETE", &alice, None, &headers).await.problem(412);
        let new = [("If-None-Match", "*")];
        stage.ask("PUT", &alice, Some(json!({})), &new).await.problem(412);
        let bob = stage.ask("PUT", &format!("{ROSTER}/bob"), Some(json!({})), &new).await;
        assert_eq!(bob.status, 201);
    }
}

#[tokio::test]
async fn who_comes_uninvited_is_in_the_roster_and_may_be_given_a_role() {
    let stage = Stage::new().await;
    let agent = joined("agent").kind("AGENT").room("stage");
    stage.app.webhooks([started().room("stage"), joined("bob").room("stage"), agent]).await;
    let list = stage.list().await;
    assert_eq!(
        (counts(&list), list["entries"].as_array().unwrap().len()),
        ([&json!(1), &json!(1)], 1)
    );
    let bob = &list["entries"][0];
    let [role, invited, status, version] =
        ["role", "invited", "status", "version"].map(|field| bob[field].clone());
    let viewer = [json!("viewer"), json!(false), json!("JOINED"), json!("0")];
    assert_eq!([role, invited, status, version], viewer);

    let target = format!("{ROSTER}/bob");
    let unwritten = [("If-Match", "\"0\"")];
    let patched = stage.ask("PATCH", &target, Some(json!({"role": "host"})), &unwritten).await;
    assert_eq!(patched.status, 201);
    let patched = patched.json();
    assert_eq!([&patched["role"], &patched["invited"]], [&json!("host"), &json!(false)]);
    stage.app.webhook(now(left("bob").room("stage"))).await;
    let gone = stage.ok("GET", &target, None).await;
    assert_eq!([&gone["status"], &gone["role"]], [&json!("LEFT"), &json!("host")]);
    let invited = stage.ok("PUT", &target, Some(json!({"role": "host"}))).await;
    assert_eq!(invited["invited"], true);
}

#[tokio::test]
async fn who_came_and_left_uninvited_stays_in_the_roster_for_the_life_of_the_room() {
    let stage = Stage::new().await;
    let made_at = now_ms();
    let bob = |one: WebhookBody| now(one.with("joinedAtMs", json!(made_at.to_string())));
    for webhook in [now(started()), bob(joined("bob")), bob(left("bob"))] {
        stage.app.webhook(webhook.room("stage").room_created_at_ms(made_at)).await;
    }
    let target = format!("{ROSTER}/bob");
    let is_known = async || stage.ask("GET", &target, None, &[]).await.status == 200;
    eventually("the history to have its first session", is_known).await;
    let entry = stage.ok("GET", &target, None).await;
    assert_eq!([&entry["status"], &entry["invited"]], [&json!("LEFT"), &json!(false)]);
    assert!(entry["joinedAt"].is_string() && entry["leftAt"].is_string(), "{entry}");
    let list = stage.list().await;
    assert_eq!((counts(&list), &list["entries"][0]), ([&json!(0), &json!(1)], &entry));
}

#[tokio::test]
async fn what_is_no_roster_is_refused_with_a_sentence_and_changes_nothing() {
    let stage = Stage::new().await;
    let alice = format!("{ROSTER}/alice");
    let twice = everybody(["a", "a"].map(String::from));
    let cases: [(&str, &str, Value, u16, &str); 9] = [
        ("PUT", &alice, json!({"role": "king"}), 400, "host, speaker, viewer"),
        ("PUT", &alice, json!({"rôle": "host"}), 400, "rôle"),
        ("PUT", &alice, json!({"note": "x".repeat(1_001)}), 400, "1000 bytes"),
        ("PUT", &alice, json!([]), 400, "JSON object"),
        ("PATCH", &alice, json!({}), 404, "invite them"),
        ("PUT", ROSTER, json!({}), 400, "entries"),
        ("PUT", ROSTER, json!({"entries": [{"identity": "a", "x": 1}]}), 400, "`x`"),
        ("PATCH", ROSTER, json!({"entries": [{"role": "host"}]}), 400, "`identity`"),
        ("PUT", ROSTER, twice, 400, "named twice"),
    ];
    for (method, target, body, status, expected) in cases {
        let answer = stage.ask(method, target, Some(body.clone()), &[]).await;
        let detail = answer.problem(status);
        assert!(detail.contains(expected), "{method} {target} {body}: {detail}");
    }
    let large = json!({"entries": [{"identity": "a", "note": "x".repeat(1024 * 1024)}]});
    stage.ask("PUT", ROSTER, Some(large), &[]).await.problem(413);
    let post = stage.ask("POST", ROSTER, Some(json!({})), &[]).await;
    assert_eq!((post.status, post.header("allow")), (405, "GET,HEAD,PUT,PATCH,DELETE"));
    assert_eq!(stage.list().await["entries"], json!([]));
}

#[tokio::test]
async fn without_a_database_there_are_no_rosters_and_the_answer_names_the_setting() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", moderator(&app));
    let headers = [("Authorization", bearer.as_str())];
    let alice = format!("{ROSTER}/alice");
    let body = json!({"entries": []});
    for (method, target, body) in [
        ("GET", ROSTER, json!({})),
        ("PUT", ROSTER, body.clone()),
        ("PATCH", ROSTER, body),
        ("DELETE", ROSTER, json!({})),
        ("GET", &alice, json!({})),
        ("PUT", &alice, json!({})),
        ("PATCH", &alice, json!({})),
        ("DELETE", &alice, json!({})),
        ("GET", "rooms/stream?room=stage&roster=true", json!({})),
    ] {
        let answer = send(&app, method, target, Some(body), &headers).await;
        assert!(answer.problem(404).contains("history.url"), "{method} {target}");
    }
}

#[tokio::test]
async fn who_is_erased_is_in_no_roster() {
    let stage = Stage::new().await;
    stage.ok("PUT", ROSTER, Some(everybody(["alice", "bob"].map(String::from)))).await;
    let admin = livekit_presence::livekit::VideoGrant {
        room_admin: true,
        ..livekit_presence::livekit::VideoGrant::default()
    };
    let bearer = format!("Bearer {}", stage.app.token_with(admin, "operator", 60));
    let headers = [("Authorization", bearer.as_str())];
    let erased = send(&stage.app, "DELETE", "people/alice/history", None, &headers).await;
    assert_eq!(erased.status, 200);
    let list = stage.list().await;
    assert_eq!(statuses(&list["entries"]), expected(&[("bob", "INVITED")]));
}

#[tokio::test]
async fn a_change_of_one_among_many_answers_the_totals_of_all() {
    let stage = Stage::new().await;
    let people = ["ann", "bea", "cid"].map(str::to_owned);
    stage.ok("PUT", ROSTER, Some(everybody(people))).await;
    let one = json!({"entries": [{"identity": "bea", "note": "late"}]});
    let totals = stage.ok("PATCH", ROSTER, Some(one)).await;
    assert_eq!(totals, json!({"onlineCount": 0, "totalCount": 3}));
    let fewer = json!({"entries": [{"identity": "ann"}, {"identity": "bea", "note": "late"}]});
    let totals = stage.ok("PUT", ROSTER, Some(fewer)).await;
    assert_eq!(totals, json!({"onlineCount": 0, "totalCount": 2}));
}
