//! The load balancer between LiveKit and the instances: each webhook goes to any of them, dead ones included.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{body::Body, http::header};
use hyper::Request;
use livekit_presence::{
    clock::Clock,
    livekit::{ApiKey, Keys, WebhookToken},
};

use crate::harness::{PROCESS_KEYS, is_retried, retry_after, wire};

use super::{fleet::Fleet, journal::Journal};

/// The service promises an answer within 5 s; the rest is a margin for the machine.
const MAX_ANSWER: Duration = Duration::from_secs(10);

pub struct Balancer {
    fleet: Arc<Fleet>,
    journal: Arc<Journal>,
    random: Mutex<fastrand::Rng>,
    fault: Mutex<BalancerFault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalancerFault {
    None,
    /// The answers of instances are lost.
    LosesAnswers,
    /// No webhook arrives anywhere.
    Refuses,
}

/// A signed webhook.
pub struct Webhook {
    body: Vec<u8>,
    token: String,
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Status(u16),
    /// 429 or 503 with `Retry-After`.
    RetryAfter(u16, Duration),
    /// No answer came.
    Broken,
}

impl Webhook {
    pub fn sign(body: Vec<u8>) -> Self {
        let keys = Keys::new(&ApiKey::parse_lines(PROCESS_KEYS).unwrap());
        let token = WebhookToken::sign(&body, &keys, Clock::system().now().as_secs()).unwrap();
        Self { body, token }
    }

    fn request(&self) -> Request<Body> {
        Request::post("/api/livekit/webhook")
            .header(header::AUTHORIZATION, &self.token)
            .header(header::CONTENT_TYPE, "application/webhook+json")
            .header(header::USER_AGENT, "Go-http-client/1.1")
            .body(Body::from(self.body.clone()))
            .unwrap()
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.body))
    }
}

impl Answer {
    /// Whether LiveKit tries again: after the wait that the answer names, or after its usual one.
    #[expect(clippy::option_option, reason = "three cases, which the sentence above names")]
    pub fn retry_after(self) -> Option<Option<Duration>> {
        match self {
            Self::RetryAfter(_, wait) => Some(Some(wait)),
            Self::Broken => Some(None),
            Self::Status(status) => is_retried(status).then_some(None),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) | Self::RetryAfter(status, _) => write!(f, "answered {status}"),
            Self::Broken => f.write_str("no answer"),
        }
    }
}

impl Balancer {
    pub fn new(fleet: Arc<Fleet>, journal: Arc<Journal>, random: fastrand::Rng) -> Self {
        Self { fleet, journal, random: Mutex::new(random), fault: Mutex::new(BalancerFault::None) }
    }

    pub fn set_fault(&self, fault: BalancerFault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Posts to an instance, chosen at random.
    pub async fn post(&self, webhook: &Webhook) -> Answer {
        self.journal.count("webhooks posted");
        if self.fault() == BalancerFault::Refuses {
            return Answer::Broken;
        }
        let instance = self.fleet.any(&mut self.random.lock().unwrap());
        let (asked_at, pauses) = (Instant::now(), instance.pauses());
        let answer = wire::ask(instance.port(), webhook.request()).await;
        if pauses == instance.pauses() {
            self.took(asked_at.elapsed());
        }
        match answer {
            Ok(_) if self.fault() == BalancerFault::LosesAnswers => {
                self.journal.count("webhooks whose answer was lost");
                Answer::Broken
            }
            Ok(answer) => {
                let status = answer.status().as_u16();
                match retry_after(status, answer.headers()) {
                    Some(wait) => Answer::RetryAfter(status, wait),
                    None => Answer::Status(status),
                }
            }
            Err(_) => Answer::Broken,
        }
    }

    fn took(&self, time: Duration) {
        self.journal.took("time until a webhook was answered", time);
        if time > MAX_ANSWER {
            self.journal.violated(format!("a webhook waited {time:?} for its answer"));
        }
    }

    fn fault(&self) -> BalancerFault {
        *self.fault.lock().unwrap()
    }
}
