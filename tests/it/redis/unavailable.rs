//! The log explains every 503.

use crate::harness::{Process, RedisServer, Sender, eventually, started};

use super::connections::working;

/// The number of lines in the log that have all these words.
fn lines(service: &Process, words: &[&str]) -> usize {
    service.log().lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

async fn is_logged_once(service: &Process, reason: &str) {
    let said = || lines(service, &["answered 503", reason]);
    eventually("the reason to be logged", async || said() > 0).await;
    assert_eq!(said(), 1, "{}", service.log());
}

#[tokio::test]
async fn every_route_that_is_answered_503_says_why_once() {
    let mut redis = RedisServer::start().await;
    let (service, sender) = working(&redis.url(), &[("LKP__LOG__LEVEL", "info")]).await;
    redis.kill().await;
    eventually("it to be unfit", async || service.get("/readyz").await.status == 503).await;
    let reads = [
        ("/api/livekit/participants", "/api/livekit/participants?room=general"),
        ("/api/livekit/participants/stream", "/api/livekit/participants/stream?room=general"),
        ("/api/livekit/rooms", "/api/livekit/rooms"),
        ("/api/livekit/rooms/stream", "/api/livekit/rooms/stream?room=general&room=other"),
        ("/readyz", "/readyz"),
    ];
    for (route, target) in reads {
        for _ in 0..3 {
            assert_eq!(service.get(target).await.status, 503, "{target}");
        }
        // There may be two reasons: the connection broke, and then there is none.
        let route = format!("\"http.route\":\"{route}\"");
        let said = || lines(&service, &["answered 503", &route, "\"error\":"]);
        eventually("the reason to be logged", async || said() > 0).await;
        assert!((1..=2).contains(&said()), "{route}: {}\n{}", said(), service.log());
    }
    for _ in 0..20 {
        assert_eq!(sender.try_once(&started()).await.unwrap().status, 503);
    }
    let said = || lines(&service, &["answered 503", "\"http.route\":\"/api/livekit/webhook\""]);
    eventually("the reason to be logged", async || said() > 0).await;
    assert!((1..=2).contains(&said()), "{}\n{}", said(), service.log());
}

#[tokio::test]
async fn limits_that_are_answered_503_are_said_too() {
    let settings = [("LKP__LIMITS__STREAMS", "1"), ("LKP__LIMITS__BODY_BYTES", "1")];
    let service = Process::start(&settings).await;
    let _stream = service.subscriber("general").await;
    for _ in 0..3 {
        let refused = service.get("/api/livekit/participants/stream?room=general").await;
        assert_eq!(refused.status, 503);
    }
    is_logged_once(&service, "as many streams").await;
    let sender = Sender::to(&[service.address.port()]);
    for _ in 0..3 {
        assert_eq!(sender.try_once(&started()).await.unwrap().status, 503);
    }
    is_logged_once(&service, "limits.body_bytes").await;
}
