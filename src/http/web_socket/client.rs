//! The client of one WebSocket: what it may read, what it watches, and what its messages do.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::{sync::OwnedSemaphorePermit, time::sleep};

use crate::{
    delivery::{ClientMessages, CloseReason, HandoffWatch, OnPermit, Reply, ReplyTo, StreamEnd},
    http::{
        auth::{Client, Grant},
        extract::query::MAX_ROOMS,
        limits::{client_address::ClientAddress, identity_key::IdentityKey},
        problem::Problem,
        respond::event_stream::end_of,
        state::Http,
    },
    hub::View,
    presence::RoomName,
    sse::Frame,
};

use super::{
    answers::{error, watching},
    message::{ClientMessage, rooms},
    opening::{Asked, Opening, subscribe},
    watched::Watched,
};

/// An identity may seem to have one stream too many for a moment, while it replaces one by another.
const CLOSED_STREAM_DELAY: Duration = Duration::from_secs(1);

pub(super) struct WebSocketClient {
    http: Http,
    address: ClientAddress,
    view: View,
    with_rosters: bool,
    may_watch_more: bool,
    /// When the connection is so old that it ends, whatever tokens the client shows.
    old_at: Instant,
    state: Mutex<State>,
}

/// Changed by one message at a time.
struct State {
    access: Access,
    watched: Watched,
}

enum Access {
    /// No token has come. What the client asked for waits for it, and takes one of the places of those that wait.
    Awaited(Box<(Asked, OwnedSemaphorePermit)>),
    Granted(Grant),
}

impl ClientMessages for WebSocketClient {
    fn take(self: Arc<Self>, message: String, reply_to: ReplyTo) {
        let runtime = self.http.runtime.clone();
        runtime.spawn(async move { reply_to.send(self.reply(&message).await) });
    }
}

impl WebSocketClient {
    /// A client that has shown what it may read, and watches this.
    pub fn granted(opening: Opening, grant: Grant, watched: Watched, old_at: Instant) -> Self {
        Self::new(opening, State { access: Access::Granted(grant), watched }, old_at)
    }

    /// A client whose token has not come.
    pub fn awaited(
        opening: Opening,
        asked: Asked,
        place: OwnedSemaphorePermit,
        old_at: Instant,
    ) -> Self {
        let access = Access::Awaited(Box::new((asked, place)));
        Self::new(opening, State { access, watched: Watched::default() }, old_at)
    }

    fn new(opening: Opening, state: State, old_at: Instant) -> Self {
        let Opening { http, address, view, with_rosters, may_watch_more } = opening;
        let state = Mutex::new(state);
        Self { http, address, view, with_rosters, may_watch_more, old_at, state }
    }

    async fn reply(self: &Arc<Self>, message: &str) -> Reply {
        let is_awaited = self.state().asked().is_some();
        let replied = match ClientMessage::parse(message) {
            Ok(ClientMessage::Token(token)) if is_awaited => {
                let begun = self.begin(&token).await;
                // There is nothing without a token, so the connection is closed with the reason.
                return begun.unwrap_or_else(|problem| Reply {
                    close: Some(problem.close()),
                    ..Reply::default()
                });
            }
            Ok(_) if is_awaited => {
                Err(Problem::unauthorized(r#"send a token first, as {"token":"…"}"#))
            }
            Ok(ClientMessage::Token(token)) => self.renew(&token),
            Ok(_) if !self.may_watch_more => Err(Problem::bad_request(
                "this connection watches one room; `rooms/ws` is for others",
            )),
            Ok(ClientMessage::Watch(names)) => self.watch(&names).await,
            Ok(ClientMessage::Unwatch(names)) => self.unwatch(&names),
            Err(problem) => Err(problem),
        };
        replied
            .unwrap_or_else(|problem| Reply { answer: Some(error(&problem)), ..Reply::default() })
    }

    /// The first token: the client gets what it asked for when it connected.
    async fn begin(self: &Arc<Self>, token: &str) -> Result<Reply, Problem> {
        let client = self.verify(token)?;
        let Some(asked) = self.state().asked() else { return Ok(Reply::default()) };
        asked.is_allowed_to(&client)?;
        let watch = self.subscribe(&asked).await?;
        let watched = Watched::new(&self.http, asked, &watch);
        let mut state = self.state();
        state.access = Access::Granted(client.grant().sharing(watched.rooms.names()));
        state.watched = watched;
        let identity = client.identity();
        Ok(Reply {
            with_permit: identity.map(|identity| self.identify(identity)),
            end: Some(self.end_of(&client)),
            watch,
            answer: Some(state.answer()),
            ..Reply::default()
        })
    }

    /// A later token: the connection stays open until that one expires.
    fn renew(&self, token: &str) -> Result<Reply, Problem> {
        let client = self.verify(token)?;
        let mut state = self.state();
        let grant = client.grant();
        if matches!(&state.access, Access::Granted(before) if before.identity != grant.identity) {
            return Err(Problem::forbidden(
                "this token is of another identity; open a connection of its own for it",
            ));
        }
        if state.watched.has_list && !grant.lists() {
            return Err(Problem::forbidden(
                "this token does not list rooms, and the list is watched here; open another connection for it",
            ));
        }
        if let Some(lost) = state.watched.rooms.names().find(|room| !grant.opens(room)) {
            return Err(Problem::forbidden(format!(
                "this token does not open the room {lost}, which is watched here; unwatch it first"
            )));
        }
        state.access = Access::Granted(grant.sharing(state.watched.rooms.names()));
        let end = Some(self.end_of(&client));
        Ok(Reply { end, answer: Some(state.answer()), ..Reply::default() })
    }

    fn verify(&self, token: &str) -> Result<Client, Problem> {
        self.http.limits.take_reads(self.address, 1)?;
        Client::verify(token, &self.http)
    }

    async fn watch(&self, names: &[String]) -> Result<Reply, Problem> {
        let mut rooms = rooms(names)?;
        {
            let state = self.state();
            rooms.retain(|room| !state.watched.rooms.contains(room));
            if state.watched.rooms.as_slice().len() + rooms.len() > MAX_ROOMS {
                return Err(Problem::bad_request(format!(
                    "one connection watches at most {MAX_ROOMS} rooms; open another for the rest"
                )));
            }
            rooms.iter().try_for_each(|room| state.may_read(room))?;
        }
        let count = if self.with_rosters { 2 * rooms.len() } else { rooms.len() };
        self.http.limits.take_reads(self.address, count.max(1))?;
        let asked = Asked::of_rooms(rooms);
        let watch = self.subscribe(&asked).await?;
        let more = Watched::new(&self.http, asked, &watch);
        let mut state = self.state();
        state.watched.rooms.add(more.rooms);
        Ok(Reply { watch, answer: Some(state.answer()), ..Reply::default() })
    }

    async fn subscribe(&self, asked: &Asked) -> Result<Vec<HandoffWatch>, Problem> {
        subscribe(&self.http, self.address, self.view, self.with_rosters, asked).await
    }

    fn unwatch(&self, names: &[String]) -> Result<Reply, Problem> {
        let rooms = rooms(names)?;
        let mut state = self.state();
        let unwatch = state.watched.rooms.remove(&rooms);
        Ok(Reply { unwatch, answer: Some(state.answer()), ..Reply::default() })
    }

    /// Counts the stream as this identity's, which was unknown when it was opened. Ends its oldest streams if it has too many.
    fn identify(self: &Arc<Self>, identity: IdentityKey) -> OnPermit {
        let client = Arc::clone(self);
        Box::new(move |permit| {
            if client.http.limits.permits.identify(permit, identity).is_some() {
                let http = client.http.clone();
                client.http.runtime.spawn(async move {
                    sleep(CLOSED_STREAM_DELAY).await;
                    http.end_oldest_streams(identity);
                });
            }
        })
    }

    fn end_of(&self, client: &Client) -> StreamEnd {
        let by_age = StreamEnd { at: self.old_at, reason: CloseReason::MaxAge };
        end_of(&self.http, client, by_age)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is locked")
    }
}

impl State {
    /// What waits for a token.
    fn asked(&self) -> Option<Asked> {
        match &self.access {
            Access::Awaited(waits) => Some(waits.0.clone()),
            Access::Granted(_) => None,
        }
    }

    fn may_read(&self, room: &RoomName) -> Result<(), Problem> {
        match &self.access {
            Access::Granted(grant) => grant.may_read(room),
            Access::Awaited(_) => Err(Problem::forbidden("no token has come")),
        }
    }

    fn answer(&self) -> Arc<Frame> {
        let rooms: Vec<_> = self.watched.rooms.names().collect();
        watching(&rooms)
    }
}
