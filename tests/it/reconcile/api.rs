//! LiveKit's API behind TLS, behind a private authority, or unreachable.

use crate::harness::{ApiFault, ScriptedLiveKit, TestApp, eventually, identities, joined};

use super::{KEYS, with_api};

const CA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");

async fn with_tls(settings: &[(&str, &str)]) -> (TestApp, ScriptedLiveKit) {
    let livekit = ScriptedLiveKit::start_with_tls(KEYS).await;
    let url = format!("wss://localhost:{}", livekit.address.port());
    let mut all = vec![("LIVEKIT_URL", url.as_str())];
    all.extend(settings);
    (TestApp::with_keys(&all, KEYS).await, livekit)
}

#[tokio::test]
async fn a_livekit_behind_tls_is_asked_if_its_authority_is_known() {
    let (app, livekit) = with_tls(&[("LKP__LIVEKIT__CA_FILE", CA_FILE)]).await;
    livekit.list("general", &[joined("alice")]);
    let answer = app.participants("general").await;
    assert_eq!(identities(&answer.json()), ["alice"]);
    assert_eq!(answer.header("x-cache"), "livekit");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_not_believed() {
    let (app, livekit) = with_tls(&[]).await;
    livekit.list("general", &[joined("alice")]);
    let answer = app.participants("general").await;
    assert_eq!((answer.text(), answer.header("x-cache")), ("[]", "stale"));
    assert_eq!(livekit.calls("ListParticipants", None), 0);
    let unreachable = "livekit_calls_total{method=\"list_participants\",outcome=\"unreachable\"}";
    assert!(app.metric(unreachable).await >= 1.0);
}

#[tokio::test]
async fn where_nothing_listens_clients_get_what_is_known_at_once() {
    let settings = [("LIVEKIT_URL", "http://127.0.0.1:1")];
    let app = TestApp::with_keys(&settings, KEYS).await;
    app.webhook(joined("alice")).await;
    let asked_at = std::time::Instant::now();
    let answer = app.participants("general").await;
    assert_eq!(identities(&answer.json()), ["alice"]);
    assert_eq!(answer.header("x-cache"), "stale");
    assert!(asked_at.elapsed() < std::time::Duration::from_secs(1));
}

#[tokio::test]
async fn outcomes_of_calls_are_counted() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "50ms")]).await;
    livekit.list("general", &[joined("alice")]);
    let _subscriber = app.subscriber("general").await;
    for (fault, outcome) in [
        (ApiFault::Refuses, "refused"),
        (ApiFault::Fails, "failed"),
        (ApiFault::None, "ok"),
        (ApiFault::Limits(1), "limited"),
    ] {
        let counted = async || {
            let calls = ["list_participants", "list_rooms"].map(|method| {
                format!("livekit_calls_total{{method=\"{method}\",outcome=\"{outcome}\"}}")
            });
            app.metric(&calls[0]).await + app.metric(&calls[1]).await
        };
        let before = counted().await;
        livekit.set_fault(fault);
        eventually(outcome, async || counted().await > before).await;
    }
}
