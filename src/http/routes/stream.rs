//! `GET /api/livekit/participants/stream?room=R`: the list of one room, again at each change; with `view=count` its numbers.

use axum::{
    extract::State,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};

use crate::{
    delivery::HandoffWatch,
    http::{
        auth::Client,
        extract::{last_event_id::LastEventId, query::RoomParam, view::ViewParam},
        limits::client_address::ClientAddress,
        problem::Problem,
        respond::event_stream::{hand_off, head},
        state::Http,
    },
};

pub(in crate::http) async fn open(
    State(http): State<Http>,
    RoomParam(room): RoomParam,
    view: ViewParam,
    client: Client,
    address: ClientAddress,
    method: Method,
    last_event_id: LastEventId,
) -> Result<Response, Problem> {
    client.may_read(&room)?;
    if !http.streams.enabled || last_event_id.is_of_replaced_stream() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if method == Method::HEAD {
        return Ok(head());
    }
    let permit = http.open_stream(address, client.identity())?;
    let subscription =
        http.hub.subscribe(&room, view.of_one_room(), || http.limits.may_look_up(address)).await?;
    let has = match (view, last_event_id.version()) {
        (ViewParam::Participants, Some(sent)) => http.hub.catch_up(&room, sent).await,
        // Numbers have no id to come back with.
        (ViewParam::Participants, None) | (ViewParam::Counts, _) => None,
    };
    let watch = HandoffWatch { subscription, has };
    Ok(hand_off(&http, &client, vec![watch], permit))
}
