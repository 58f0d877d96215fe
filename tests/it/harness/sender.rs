//! Sends webhooks as LiveKit does.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{HeaderMap, Request};
use livekit_presence::{
    clock::Clock,
    livekit::{ApiKey, Keys, WebhookToken},
};

use super::{ATTEMPTS, PROCESS_KEYS, RETRY_WAITS, WebhookBody, is_retried, retry_after, wire};

/// Delivers webhooks with LiveKit's retries.
pub struct Sender {
    /// Each attempt goes to one of these at random.
    ports: Vec<u16>,
    keys: Keys,
    /// Attempts that did not succeed.
    pub refused: AtomicUsize,
}

/// An answer to a webhook.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub after: Duration,
}

impl Sender {
    pub fn to(ports: &[u16]) -> Self {
        Self {
            ports: ports.to_vec(),
            keys: Keys::new(&ApiKey::parse_lines(PROCESS_KEYS).unwrap()),
            refused: AtomicUsize::new(0),
        }
    }

    /// Makes one attempt; an error where nobody answers.
    pub async fn try_once(&self, webhook: &WebhookBody) -> io::Result<Answer> {
        let port = self.ports[fastrand::usize(..self.ports.len())];
        let body = webhook.bytes();
        let token = WebhookToken::sign(&body, &self.keys, Clock::system().now().as_secs()).unwrap();
        let request = Request::post("/api/livekit/webhook")
            .header("content-type", "application/webhook+json")
            .header("content-length", body.len())
            .header("authorization", token)
            .body(Body::from(body))
            .unwrap();
        let asked_at = Instant::now();
        let response = wire::ask(port, request).await?;
        let (head, body) = response.into_parts();
        body.collect().await.map_err(io::Error::other)?;
        let after = asked_at.elapsed();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, after })
    }

    /// Sends a webhook until it is taken. The caller must send those of one room one after the other, as LiveKit does.
    ///
    /// # Panics
    /// LiveKit would have dropped the webhook.
    pub async fn deliver(&self, webhook: &WebhookBody) {
        let mut answers = Vec::new();
        for wait in RETRY_WAITS.map(Some).into_iter().chain([None]) {
            let answer = self.try_once(webhook).await;
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                return;
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            let wait = match &answer {
                Ok(answer) if !is_retried(answer.status) => None,
                Ok(answer) => answer.retry_after().or(wait),
                Err(_) => wait,
            };
            answers.push(answer.map(|answer| answer.status));
            let Some(wait) = wait else { break };
            if answers.len() < ATTEMPTS {
                tokio::time::sleep(wait).await;
            }
        }
        panic!("LiveKit drops {:?}: {answers:?}", webhook.0["event"]);
    }
}

impl Answer {
    /// What LiveKit honours on 429 and 503 instead of its own wait.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.status, &self.headers)
    }
}
