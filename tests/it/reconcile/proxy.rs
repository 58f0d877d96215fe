//! A proxy between the service and LiveKit's API.

use crate::harness::{HttpProxy, ScriptedLiveKit, TestApp, identities, joined};

use super::KEYS;

const CA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
/// `user:hunter2`.
const CREDENTIALS: &str = "Basic dXNlcjpodW50ZXIy";

/// Checks that the service reaches LiveKit with these settings.
async fn lists_alice(livekit: &ScriptedLiveKit, settings: &[(&str, &str)]) {
    livekit.list("general", &[joined("alice")]);
    let app = TestApp::with_keys(settings, KEYS).await;
    let answer = app.participants("general").await;
    assert_eq!(identities(&answer.json()), ["alice"]);
    assert_eq!(answer.header("x-cache"), "livekit");
}

#[tokio::test]
async fn an_api_with_tls_is_reached_through_a_tunnel() {
    let livekit = ScriptedLiveKit::start_with_tls(KEYS).await;
    let proxy = HttpProxy::start(livekit.address.port(), Some(CREDENTIALS)).await;
    let through = format!("http://user:hunter2@127.0.0.1:{}", proxy.port);
    // Nothing listens on that port; the proxy leads elsewhere.
    let settings = [("LIVEKIT_URL", "wss://localhost:9"), ("LKP__LIVEKIT__CA_FILE", CA_FILE)];
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        lists_alice(&livekit, &[settings.as_slice(), &[(name, &through)]].concat()).await;
    }
    assert!(proxy.asked().len() >= 3);
    assert!(proxy.asked().iter().all(|line| line == "CONNECT localhost:9 HTTP/1.1"));
}

#[tokio::test]
async fn an_api_without_tls_is_asked_for_by_its_whole_address() {
    let livekit = ScriptedLiveKit::start(KEYS).await;
    let proxy = HttpProxy::start(livekit.address.port(), Some(CREDENTIALS)).await;
    let through = format!("http://user:hunter2@127.0.0.1:{}", proxy.port);
    lists_alice(
        &livekit,
        &[("LIVEKIT_URL", "ws://livekit.invalid:7880"), ("HTTP_PROXY", &through)],
    )
    .await;
    let asked = proxy.asked();
    let twirp = "POST http://livekit.invalid:7880/twirp/livekit.RoomService/";
    assert!(asked.iter().all(|line| line.starts_with(twirp)), "{asked:?}");
}

#[tokio::test]
async fn hosts_that_need_no_proxy_are_reached_without() {
    let livekit = ScriptedLiveKit::start(KEYS).await;
    let url = livekit.url();
    let broken = "http://127.0.0.1:9";
    for (no_proxy, value) in [("NO_PROXY", "127.0.0.0/8"), ("no_proxy", "localhost, 127.0.0.1")] {
        let settings = [("LIVEKIT_URL", url.as_str()), ("HTTP_PROXY", broken), (no_proxy, value)];
        lists_alice(&livekit, &settings).await;
    }
    // The proxy of another scheme does not count.
    lists_alice(&livekit, &[("LIVEKIT_URL", &url), ("HTTPS_PROXY", broken)]).await;
}

#[tokio::test]
async fn a_proxy_that_wants_other_credentials_is_told_from_a_livekit_that_refuses() {
    use crate::harness::{Process, eventually};

    let livekit = ScriptedLiveKit::start(KEYS).await;
    let proxy = HttpProxy::start(livekit.address.port(), Some("Basic other")).await;
    let through = format!("http://user:hunter2@127.0.0.1:{}", proxy.port);
    for (url, name) in [("ws://livekit.invalid", "HTTP_PROXY"), ("wss://localhost", "HTTPS_PROXY")]
    {
        let settings = [("LIVEKIT_URL", url), (name, &through), ("LKP__LOG__LEVEL", "trace")];
        let service = Process::start(&settings).await;
        eventually("the reason to be logged", async || {
            let log = service.log();
            service.get("/api/livekit/participants?room=general").await;
            log.contains("LiveKit's API does not work") && log.contains("proxy")
        })
        .await;
        assert!(!service.log().contains("hunter2"), "{}", service.log());
        assert!(!service.log().contains("dXNlcjpodW50ZXIy"), "{}", service.log());
    }
}
