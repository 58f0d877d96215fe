//! The room in which a case is tried: its name is new, and nobody else is in it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::{Method, Response};
use hyper::body::Bytes;
use tokio::time::sleep;

use super::{
    case::{Judged, ensure},
    person::Person,
    shown::{MARKER, Shown, excerpt},
    stream::Stream,
    target::{Delivery, Header, Target, with_parameter},
    webhook::{OPENING_MS, Opening, Webhook, new_sid},
};

/// What LiveKit writes.
pub(super) const CONTENT_TYPE: &str = "application/webhook+json";
/// Between two looks at a list that an implementation has not written yet.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long ago the room's first life began.
const AGE_MS: u64 = 60_000;
/// Between the joins of two people.
const STEP_MS: u64 = 10;

#[derive(Clone)]
pub(super) struct Room(Arc<Inner>);

struct Inner {
    target: Arc<Target>,
    first: Opening,
    /// That in which markers join.
    last: Mutex<Opening>,
    count: AtomicU64,
}

impl Room {
    pub fn new(target: Arc<Target>, name: String) -> Self {
        let created_ms = (target.now_secs() * 1000).saturating_sub(AGE_MS);
        let first = Opening { room: name, sid: new_sid("RM_"), created_ms };
        let last = Mutex::new(first.clone());
        Self(Arc::new(Inner { target, first, last, count: AtomicU64::new(0) }))
    }

    /// Another room of the same case.
    pub fn other(&self, suffix: &str) -> Self {
        self.named(&format!("{}{suffix}", self.name()))
    }

    pub fn named(&self, name: &str) -> Self {
        Self::new(Arc::clone(&self.0.target), name.to_owned())
    }

    pub fn name(&self) -> &str {
        &self.0.first.room
    }

    pub fn target(&self) -> &Target {
        &self.0.target
    }

    /// Its first life.
    pub fn opening(&self) -> &Opening {
        &self.0.first
    }

    /// Begins another life, in which markers join from now on.
    pub fn open_again(&self) -> Opening {
        let mut last = self.0.last.lock().expect("nothing panics while it is locked");
        *last = last.next();
        last.clone()
    }

    /// Somebody who joins in the first life, later than those before.
    pub fn person(&self, identity: &str) -> Person {
        self.person_in(&self.0.first, identity)
    }

    pub fn person_in(&self, opening: &Opening, identity: &str) -> Person {
        let step = self.0.count.fetch_add(1, Ordering::Relaxed);
        Person::new(opening, identity, opening.created_ms + 1_000 + STEP_MS * step)
    }

    /// Somebody who joins after all others.
    fn marker(&self) -> Person {
        let step = self.0.count.fetch_add(1, Ordering::Relaxed);
        let last = self.0.last.lock().expect("nothing panics while it is locked").clone();
        let joined_ms = last.created_ms + OPENING_MS - 3_000 + step;
        Person::new(&last, &format!("{MARKER}{step}"), joined_ms)
    }

    /// A webhook as LiveKit sends it.
    pub fn delivery(&self, body: Bytes) -> Delivery {
        let token = self.target().webhook_token(&body);
        Delivery { body, authorization: Some(token.into()), content_type: Some(CONTENT_TYPE) }
    }

    /// Sends a webhook, which must be taken.
    pub async fn post(&self, webhook: &Webhook) -> Judged {
        self.post_body(webhook.bytes()).await
    }

    /// Sends these one after the other, and each must be taken.
    pub async fn post_all(&self, webhooks: &[Webhook]) -> Judged {
        for webhook in webhooks {
            self.post(webhook).await?;
        }
        Ok(())
    }

    pub async fn post_body(&self, body: Bytes) -> Judged {
        self.takes(self.delivery(body)).await
    }

    pub async fn takes(&self, delivery: Delivery) -> Judged {
        let answer = self.deliver(delivery).await?;
        let status = answer.status();
        ensure(status.is_success(), || {
            let said = String::from_utf8_lossy(answer.body()).into_owned();
            format!("a webhook was answered {}: {}", status.as_u16(), excerpt(&said))
        })
    }

    pub async fn deliver(&self, delivery: Delivery) -> Result<Response<Bytes>, String> {
        let answer = self.target().deliver(delivery).await;
        answer.map_err(|error| format!("a webhook got no answer: {error}"))
    }

    /// Has a marker join, so that everything that was sent before was taken when it is seen.
    pub async fn mark(&self) -> Result<Person, String> {
        let marker = self.marker();
        self.post(&marker.joined()).await?;
        Ok(marker)
    }

    /// The list once a marker that was sent last is in it, without markers.
    pub async fn settled(&self) -> Result<Shown, String> {
        let marker = self.mark().await?;
        let shown = self.shown_when(|shown| shown.has(marker.sid())).await;
        Ok(shown
            .map_err(|shown| format!("nobody new comes into the list; {shown}"))?
            .without_markers())
    }

    /// That these people are shown, each once, when everything that was sent has been taken.
    pub async fn shows(&self, people: &[&Person]) -> Judged {
        self.settled().await?.are(people)
    }

    pub async fn shows_in_order(&self, people: &[&Person]) -> Judged {
        self.settled().await?.are_in_order(people)
    }

    /// That somebody's tracks are these.
    pub async fn shows_tracks(&self, person: &Person, tracks: &[&str]) -> Judged {
        let shown = self.settled().await?;
        shown.are(&[person])?;
        let (mut of_person, mut expected) = (shown.tracks_of(person.sid()), tracks.to_vec());
        of_person.sort_unstable();
        expected.sort_unstable();
        ensure(of_person == expected, || {
            format!("{} has the tracks {of_person:?} instead of {expected:?}", person.identity())
        })
    }

    /// The list as soon as it is so, or a sentence about what it was until the time was over.
    pub async fn shown_when(&self, is_so: impl Fn(&Shown) -> bool + Send) -> Result<Shown, String> {
        let until = Instant::now() + self.target().timeout;
        loop {
            let shown = self.shown().await?;
            if is_so(&shown) {
                return Ok(shown);
            }
            if Instant::now() >= until {
                let sids = shown.sids().join(", ");
                return Err(format!("the list has [{}]", excerpt(&sids)));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The list as it is now.
    pub async fn shown(&self) -> Result<Shown, String> {
        let answer = self.get(&[]).await?;
        let status = answer.status().as_u16();
        ensure(status == 200, || format!("the list is answered {status}"))?;
        Shown::read(answer.body())
    }

    /// Asks for the list as somebody who may read it.
    pub async fn get(&self, headers: &[Header<'_>]) -> Result<Response<Bytes>, String> {
        self.ask(Method::GET, &self.target().list_path(self.name()), headers).await
    }

    /// Asks for anything as somebody who may read this room.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[Header<'_>],
    ) -> Result<Response<Bytes>, String> {
        let bearer = self.target().bearer("conformance", self.name());
        let own = bearer.as_ref().map(|bearer| ("authorization", bearer.as_bytes()));
        let headers: Vec<_> = own.into_iter().chain(headers.iter().copied()).collect();
        self.ask_as_anybody(method, path, &headers).await
    }

    /// Asks without a token, unless one is among the headers.
    pub async fn ask_as_anybody(
        &self,
        method: Method,
        path: &str,
        headers: &[Header<'_>],
    ) -> Result<Response<Bytes>, String> {
        let answer = self.target().ask(method.clone(), path, headers, Bytes::new()).await;
        answer.map_err(|error| format!("{method} got no answer: {error}"))
    }

    /// Asks for the list with this token.
    pub async fn get_with_token(&self, token: &str) -> Result<Response<Bytes>, String> {
        let bearer = format!("Bearer {token}");
        let path = self.target().list_path(self.name());
        self.ask_as_anybody(Method::GET, &path, &[("authorization", bearer.as_bytes())]).await
    }

    pub fn list_path_with(&self, parameter: &str, value: &str) -> String {
        with_parameter(&self.target().list_path(self.name()), parameter, value)
    }

    /// Opens a stream of the room, as somebody who may.
    pub async fn stream(&self) -> Result<Stream, String> {
        self.stream_with(&[]).await
    }

    pub async fn stream_with(&self, headers: &[Header<'_>]) -> Result<Stream, String> {
        // Everybody reads as somebody else, since implementations bound the streams of one person.
        let bearer = self.target().bearer(&new_sid("conformance-"), self.name());
        let own = bearer.as_ref().map(|bearer| ("authorization", bearer.as_bytes()));
        let headers: Vec<_> = own.into_iter().chain(headers.iter().copied()).collect();
        let path = self.target().stream_path(self.name());
        let opened = self.target().open(&path, &headers).await;
        let answer = opened.map_err(|error| format!("a stream does not begin: {error}"))?;
        let status = answer.status().as_u16();
        ensure(status == 200, || format!("a stream is answered {status}"))?;
        Ok(Stream::new(answer, self.target().timeout))
    }

    /// Opens a stream as one that was cut after this event does.
    pub async fn stream_after(&self, last_event_id: &str) -> Result<Stream, String> {
        self.stream_with(&[("last-event-id", last_event_id.as_bytes())]).await
    }
}
