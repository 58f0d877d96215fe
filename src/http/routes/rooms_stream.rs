//! `GET /api/livekit/rooms/stream?room=A&room=B`: many rooms on one connection, a snapshot of each and then what changes.

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
        extract::{last_event_id::LastEventId, query::RoomParams},
        limits::client_address::ClientAddress,
        problem::Problem,
        respond::event_stream::{hand_off, head},
        state::Http,
    },
    hub::View,
};

pub(in crate::http) async fn open(
    State(http): State<Http>,
    RoomParams(rooms): RoomParams,
    client: Client,
    address: ClientAddress,
    method: Method,
    last_event_id: LastEventId,
) -> Result<Response, Problem> {
    for room in &rooms {
        client.may_read(room)?;
    }
    if !http.streams.enabled || last_event_id.is_of_replaced_stream() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if method == Method::HEAD {
        return Ok(head());
    }
    // The request itself has cost one.
    http.limits.take_reads(address, rooms.len() - 1)?;
    let permit = http.open_stream(address, client.identity())?;
    let subscriptions = rooms
        .iter()
        .map(|room| http.hub.subscribe(room, View::Deltas, || http.limits.may_look_up(address)));
    let watches = try_join_all(subscriptions)
        .await?
        .into_iter()
        .map(|subscription| HandoffWatch { subscription, has: None })
        .collect();
    Ok(hand_off(&http, &client, watches, permit))
}
