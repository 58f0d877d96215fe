//! `GET /api/events`: everything that happens, as it happens.

use axum::{
    extract::State,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};

use crate::{
    http::{
        auth::Client,
        extract::{event_filter::EventFilterParams, last_event_id::LastEventId},
        limits::client_address::ClientAddress,
        problem::Problem,
        respond::event_stream::{hand_off_feed, head},
        state::Http,
    },
    hub::EventFilter,
};

pub(in crate::http) async fn open(
    State(http): State<Http>,
    EventFilterParams(filter): EventFilterParams,
    client: Client,
    address: ClientAddress,
    method: Method,
    last_event_id: LastEventId,
) -> Result<Response, Problem> {
    may_follow(&client, &filter)?;
    if !http.streams.enabled || last_event_id.is_of_replaced_stream() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if method == Method::HEAD {
        return Ok(head());
    }
    // The request itself has cost one.
    http.limits.take_reads(address, filter.rooms.len().saturating_sub(1))?;
    let permit = http.open_stream(address, client.identity())?;
    let feed = http.events.open(&filter, last_event_id.place_in_log()).await?;
    Ok(hand_off_feed(&http, &client, feed, permit))
}

/// A feed of named rooms needs the right to read each; every other feed, the right to read all.
fn may_follow(client: &Client, filter: &EventFilter) -> Result<(), Problem> {
    if filter.rooms.is_empty() {
        return client.may_follow_all();
    }
    filter.rooms.iter().try_for_each(|room| client.may_read(room))
}
