//! LiveKit's queue of the webhooks of one room, by the rules of `webhook/resource_queue.go` and
//! `webhook/resource_url_notifier.go` in livekit/protocol: strictly in order, one request at a time without a time limit, five
//! attempts. Webhooks that are too old, or too many, are dropped in silence.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::JoinHandle, time::sleep};

use crate::harness::RETRY_WAITS;

use super::{
    balancer::{Answer, Balancer, Webhook},
    journal::Journal,
};

const MAX_WAITING: usize = 200;
const OLDEST: Duration = Duration::from_secs(30);

/// The queue of a room. Dropping it loses its webhooks, as a crash does.
pub struct RoomQueue {
    shared: Arc<Shared>,
    sending: JoinHandle<()>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    has_more: Notify,
    balancer: Arc<Balancer>,
    journal: Arc<Journal>,
}

#[derive(Default)]
struct Waiting {
    webhooks: VecDeque<(Instant, Vec<u8>)>,
    is_sending: bool,
}

impl RoomQueue {
    pub fn start(balancer: Arc<Balancer>, journal: Arc<Journal>) -> Self {
        let waiting = Mutex::default();
        let shared = Arc::new(Shared { waiting, has_more: Notify::new(), balancer, journal });
        Self { sending: tokio::spawn(Arc::clone(&shared).run()), shared }
    }

    /// Queues the body of a webhook. A full queue drops it.
    pub fn put(&self, body: Vec<u8>) {
        let mut waiting = self.shared.waiting.lock().unwrap();
        if waiting.webhooks.len() >= MAX_WAITING {
            self.shared.journal.count("webhooks dropped: queue full");
            return;
        }
        waiting.webhooks.push_back((Instant::now(), body));
        self.shared.has_more.notify_one();
    }

    /// Whether every webhook was sent or dropped.
    pub fn is_idle(&self) -> bool {
        let waiting = self.shared.waiting.lock().unwrap();
        waiting.webhooks.is_empty() && !waiting.is_sending
    }
}

impl Drop for RoomQueue {
    fn drop(&mut self) {
        self.sending.abort();
        let waiting = self.shared.waiting.lock().unwrap();
        let lost = waiting.webhooks.len() + usize::from(waiting.is_sending);
        self.shared.journal.count_many("webhooks lost in a crash of LiveKit", lost as u64);
    }
}

impl Shared {
    async fn run(self: Arc<Self>) {
        loop {
            match self.next() {
                Some((queued_at, _)) if queued_at.elapsed() > OLDEST => {
                    self.journal.count("webhooks dropped: too old");
                }
                Some((_, body)) => self.send(body).await,
                None => self.has_more.notified().await,
            }
        }
    }

    fn next(&self) -> Option<(Instant, Vec<u8>)> {
        let mut waiting = self.waiting.lock().unwrap();
        let next = waiting.webhooks.pop_front();
        waiting.is_sending = next.is_some();
        next
    }

    async fn send(&self, body: Vec<u8>) {
        // Signed once, since LiveKit repeats the same bytes.
        let webhook = Webhook::sign(body);
        let mut waits = RETRY_WAITS.into_iter();
        loop {
            let answer = self.balancer.post(&webhook).await;
            if let Answer::Status(status @ 400..=499) = answer
                && status != 429
            {
                self.journal.violated(format!("a webhook is answered {status}: {webhook:?}"));
            }
            let Some(retry_after) = answer.retry_after() else {
                self.journal.count("webhooks delivered");
                return;
            };
            let Some(wait) = waits.next() else {
                self.journal.count("webhooks given up after five attempts");
                return;
            };
            self.journal.count(format!("webhooks sent again: {answer}"));
            sleep(retry_after.unwrap_or(wait)).await;
        }
    }
}
