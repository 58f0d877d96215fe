//! All at once.

use super::*;

const MUTE_ALL: &str = "/api/livekit/rooms/general/mute-all";

fn with_camera(identity: &str) -> WebhookBody {
    let camera = json!({
        "sid": format!("TR_cam_{identity}"), "type": "VIDEO", "source": "CAMERA", "name": "", "muted": false,
    });
    joined(identity).with("tracks", json!([microphone(&format!("TR_{identity}")), camera]))
}

#[tokio::test]
async fn everybody_is_muted_but_those_who_are_excepted_and_muted_already() {
    let mut silent = microphone("TR_dora");
    silent["muted"] = true.into();
    let dora = joined("dora").with("tracks", json!([silent]));
    let people = [with_camera("alice"), with_camera("bob"), with_camera("carol"), dora];
    let with = Moderated::with(&[], &people).await;
    let answer = with.ask("POST", MUTE_ALL, &json!({"except": ["bob", "nobody"]})).await;
    assert_eq!(
        (answer.status, answer.json()),
        (
            200,
            json!({"failed": [], "muted": [
                {"identity": "alice", "sid": "TR_alice"}, {"identity": "carol", "sid": "TR_carol"},
            ]})
        )
    );
    let list = with.app.participants("general").await.json();
    let tracks = list.as_array().unwrap().iter().flat_map(|one| one["tracks"].as_array().unwrap());
    let mut muted: Vec<_> = tracks.filter(|track| track["muted"] == true).collect();
    muted.sort_by_key(|track| track["sid"].to_string());
    let muted: Vec<_> = muted.iter().map(|track| track["sid"].as_str().unwrap()).collect();
    assert_eq!(muted, ["TR_alice", "TR_carol", "TR_dora"]);
    assert_eq!(with.livekit.acts(), 2);
}

#[tokio::test]
async fn other_sources_are_muted_where_they_are_named() {
    let with = Moderated::with(&[], &[with_camera("alice")]).await;
    let answer = with.ask("POST", MUTE_ALL, &json!({"sources": ["camera", "screen_share"]})).await;
    assert_eq!(answer.json()["muted"], json!([{"identity": "alice", "sid": "TR_cam_alice"}]));
    let unknown = with.ask("POST", MUTE_ALL, &json!({"sources": ["mouth"]})).await.problem(400);
    assert!(unknown.contains("mouth") && unknown.contains("screen_share_audio"), "{unknown}");
}

#[tokio::test]
async fn who_cannot_be_muted_is_named_and_the_others_are_muted() {
    let with = Moderated::start().await;
    with.livekit.kill("bob");
    let answer = with.ask("POST", MUTE_ALL, &Value::Null).await.json();
    assert_eq!(answer["muted"], json!([{"identity": "alice", "sid": "TR_alice"}]));
    let failed = &answer["failed"][0];
    assert_eq!(
        (failed["identity"].as_str(), failed["sid"].as_str()),
        (Some("bob"), Some("TR_bob"))
    );
    assert!(failed["detail"].as_str().unwrap().contains("no server of LiveKit answers"));
}

#[tokio::test]
async fn more_tracks_than_the_budget_allows_are_named() {
    let people: Vec<_> = (0..12).map(|number| speaker(&format!("user-{number:02}"))).collect();
    let with = Moderated::with(&[("LKP__LIVEKIT__CALLS_PER_MINUTE", "60")], &people).await;
    let answer = with.ask("POST", MUTE_ALL, &Value::Null).await.json();
    let (muted, failed) =
        (answer["muted"].as_array().unwrap(), answer["failed"].as_array().unwrap());
    assert_eq!(muted.len() + failed.len(), 12);
    assert!(muted.len() >= 4 && failed.len() >= 4, "{answer}");
    assert!(failed[0]["detail"].as_str().unwrap().contains("used up"));
}

#[tokio::test]
async fn a_room_that_is_not_known_to_be_complete_is_compared_first() {
    let with = Moderated::with(&[], &[]).await;
    with.livekit.list("general", &[speaker("alice")]);
    let answer = with.ask("POST", MUTE_ALL, &Value::Null).await.json();
    assert_eq!(answer["muted"], json!([{"identity": "alice", "sid": "TR_alice"}]));
    let token = with.app.token_with(admin_of("nowhere"), "maria", 60);
    let bearer = format!("Bearer {token}");
    let nowhere = "/api/livekit/rooms/nowhere/mute-all";
    let answer = with.ask_with("POST", nowhere, &[("Authorization", &bearer)], &Value::Null).await;
    assert!(answer.problem(404).contains("no such room"));
}
