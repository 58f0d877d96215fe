//! Opens a WebSocket: what it may read, and what it watches at first.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use tokio::time::timeout;

use crate::{
    delivery::{CloseReason, Handoff, HandoffWatch, Permit, StreamEnd},
    http::{
        auth::Client,
        limits::client_address::ClientAddress,
        problem::Problem,
        respond::event_stream::{age_end, end_of},
        routes::roster::roster,
        state::Http,
    },
    hub::View,
    presence::{RoomName, Version},
};

use super::{client::WebSocketClient, watched::Watched};

/// A client that shows no token when it connects has this long to send one.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A client is answered within this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// What a client asks for in its address.
#[derive(Clone)]
pub(in crate::http) struct Asked {
    pub rooms: Vec<RoomName>,
    /// The list of rooms, or of those whose names begin so.
    pub list: Option<String>,
    /// The version that it was sent last.
    pub has: Option<Version>,
}

impl Asked {
    pub fn of_rooms(rooms: Vec<RoomName>) -> Self {
        Self { rooms, list: None, has: None }
    }

    /// Fails unless this client may read all of it.
    pub(super) fn is_allowed_to(&self, client: &Client) -> Result<(), Problem> {
        if self.list.is_some() {
            client.may_list()?;
        }
        self.rooms.iter().try_for_each(|room| client.may_read(room))
    }
}

/// Who opens a connection, and how the connection shows rooms.
pub(in crate::http) struct Opening {
    pub http: Http,
    pub address: ClientAddress,
    pub view: View,
    /// Rooms come with their rosters.
    pub with_rosters: bool,
    /// The client names more rooms later, and others.
    pub may_watch_more: bool,
}

impl Opening {
    /// Opens a connection for this client, or for one that will show a token as its first message.
    pub async fn open(self, client: Option<Client>, asked: Asked) -> Result<Handoff, Problem> {
        if !self.http.streams.enabled {
            return Err(Problem::forbidden(
                "streams are turned off here (`stream.enabled`); ask by GET",
            ));
        }
        // The request itself has cost nothing: the routes of WebSockets are within no limit of their own.
        let count = if self.with_rosters { 2 * asked.rooms.len() } else { asked.rooms.len() };
        self.http.limits.take_reads(self.address, count.max(1))?;
        if self.with_rosters {
            roster(&self.http)?;
        }
        if let Some(client) = &client {
            asked.is_allowed_to(client)?;
        }
        let by_age = age_end(&self.http);
        let Some(client) = client else {
            let place = self.http.limits.await_token()?;
            let permit = self.http.open_stream(self.address, None)?;
            let at = Instant::now() + TOKEN_TIMEOUT;
            let end = StreamEnd { at, reason: CloseReason::NoToken };
            let client = WebSocketClient::awaited(self, asked, place, by_age.at);
            return Ok(handoff(client, Vec::new(), end, permit));
        };
        let permit = self.http.open_stream(self.address, client.identity())?;
        let end = end_of(&self.http, &client, by_age);
        let watches = self.subscribe(&asked).await?;
        let watched = Watched::new(&self.http, asked, &watches);
        let grant = client.grant().sharing(watched.rooms.names());
        let client = WebSocketClient::granted(self, grant, watched, by_age.at);
        Ok(handoff(client, watches, end, permit))
    }

    async fn subscribe(&self, asked: &Asked) -> Result<Vec<HandoffWatch>, Problem> {
        subscribe(&self.http, self.address, self.view, self.with_rosters, asked).await
    }
}

fn handoff(
    client: WebSocketClient,
    watches: Vec<HandoffWatch>,
    end: StreamEnd,
    permit: Permit,
) -> Handoff {
    Handoff { preface: None, watches, end, permit, client: Some(Arc::new(client)) }
}

/// Subscribes to rooms, from the version that the client has, then to their rosters, and then to the list of rooms.
pub(super) async fn subscribe(
    http: &Http,
    address: ClientAddress,
    view: View,
    with_rosters: bool,
    asked: &Asked,
) -> Result<Vec<HandoffWatch>, Problem> {
    let watches = asked.rooms.iter().map(async |room| {
        let may_look_up = || http.limits.may_look_up(address);
        let subscription = http.hub.subscribe(room, view, may_look_up).await?;
        let has = match asked.has {
            Some(sent) => http.hub.catch_up(room, sent).await,
            None => None,
        };
        Ok::<_, Problem>(HandoffWatch { subscription, has })
    });
    let all = async {
        let mut watches = try_join_all(watches).await?;
        if with_rosters {
            let roster = roster(http)?;
            let rosters = asked.rooms.iter().map(|room| roster.subscribe(room));
            let rosters = try_join_all(rosters).await?.into_iter();
            watches.extend(rosters.map(|subscription| HandoffWatch { subscription, has: None }));
        }
        if let Some(prefix) = &asked.list {
            let subscription = http.hub.subscribe_all(prefix).await?;
            watches.push(HandoffWatch { subscription, has: None });
        }
        Ok(watches)
    };
    timeout(ANSWER_TIMEOUT, all).await.unwrap_or_else(|_| {
        Err(Problem::unavailable("this could not be answered in time; ask again", 1))
    })
}
