//! `GET /api/livekit/participants/ws?room=R`: the same as `participants/stream`, over a WebSocket.

use axum::{extract::State, response::Response};

use crate::http::{
    auth::ShownClient,
    extract::{
        handshake::Handshake, last_event_id::LastEventId, query::RoomParam, view::ViewParam,
    },
    limits::client_address::ClientAddress,
    problem::Problem,
    respond::web_socket::accept,
    state::Http,
    web_socket::{Asked, Opening},
};

pub(in crate::http) async fn open(
    State(http): State<Http>,
    handshake: Handshake,
    room: Result<RoomParam, Problem>,
    view: Result<ViewParam, Problem>,
    client: Result<ShownClient, Problem>,
    address: ClientAddress,
    last_event_id: LastEventId,
) -> Response {
    let opened = async {
        let (RoomParam(room), ShownClient(client)) = (room?, client?);
        let view = view?.of_one_room();
        let asked = Asked { has: last_event_id.version(), ..Asked::of_rooms(vec![room]) };
        let opening = Opening { http, address, view, with_rosters: false, may_watch_more: false };
        opening.open(client, asked).await
    };
    accept(handshake, opened.await)
}
