//! `GET /api/livekit/rooms/stream`: many rooms on one connection, a snapshot and then what changes. `?room=A&room=B` has the lists of
//! these rooms, or with `view=count` the numbers of each, and with `roster=true` also their rosters; `?all=true` has the list of rooms.

use axum::{
    extract::State,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::future::try_join_all;

use crate::{
    delivery::HandoffWatch,
    http::{
        auth::Client,
        extract::{
            last_event_id::LastEventId, rooms_view::RoomsView, streamed_rooms::StreamedRooms,
        },
        limits::client_address::ClientAddress,
        problem::Problem,
        respond::event_stream::{hand_off, head},
        routes::roster::roster,
        state::Http,
    },
};

pub(in crate::http) async fn open(
    State(http): State<Http>,
    rooms: StreamedRooms,
    RoomsView { view, with_rosters }: RoomsView,
    client: Client,
    address: ClientAddress,
    method: Method,
    last_event_id: LastEventId,
) -> Result<Response, Problem> {
    may_watch(&client, &rooms)?;
    if !http.streams.enabled || last_event_id.is_of_replaced_stream() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let roster = with_rosters.then(|| roster(&http)).transpose()?;
    if method == Method::HEAD {
        return Ok(head());
    }
    let (permit, subscriptions) = match rooms {
        StreamedRooms::Named(rooms) => {
            // The request itself has cost one.
            let count = if roster.is_some() { 2 * rooms.len() } else { rooms.len() };
            http.limits.take_reads(address, count - 1)?;
            let permit = http.open_stream(address, client.identity())?;
            let may_look_up = || http.limits.may_look_up(address);
            let subscribe = |room| http.hub.subscribe(room, view.of_many_rooms(), may_look_up);
            let mut subscriptions = try_join_all(rooms.iter().map(subscribe)).await?;
            if let Some(roster) = roster {
                let rosters = rooms.iter().map(|room| roster.subscribe(room));
                subscriptions.extend(try_join_all(rosters).await?);
            }
            (permit, subscriptions)
        }
        StreamedRooms::All { prefix } => {
            let permit = http.open_stream(address, client.identity())?;
            (permit, vec![http.hub.subscribe_all(&prefix).await?])
        }
    };
    let watches = subscriptions
        .into_iter()
        .map(|subscription| HandoffWatch { subscription, has: None })
        .collect();
    Ok(hand_off(&http, &client, watches, permit))
}

fn may_watch(client: &Client, rooms: &StreamedRooms) -> Result<(), Problem> {
    match rooms {
        StreamedRooms::Named(rooms) => rooms.iter().try_for_each(|room| client.may_read(room)),
        StreamedRooms::All { .. } => client.may_list(),
    }
}
