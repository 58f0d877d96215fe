//! `GET /api/livekit/rooms/ws?room=A&room=B`: the same as `rooms/stream`, over a WebSocket. Its client watches other rooms on the
//! open connection.

use axum::{extract::State, response::Response};

use crate::{
    http::{
        auth::ShownClient,
        extract::{handshake::Handshake, query::AnyRoomParams},
        limits::client_address::ClientAddress,
        problem::Problem,
        respond::web_socket::accept,
        state::Http,
        web_socket::{Asked, Opening},
    },
    hub::View,
};

pub(in crate::http) async fn open(
    State(http): State<Http>,
    handshake: Handshake,
    rooms: Result<AnyRoomParams, Problem>,
    client: Result<ShownClient, Problem>,
    address: ClientAddress,
) -> Response {
    let opened = async {
        let (AnyRoomParams(rooms), ShownClient(client)) = (rooms?, client?);
        let opening = Opening { http, address, view: View::Deltas, may_watch_more: true };
        opening.open(client, Asked { rooms, has: None }).await
    };
    accept(handshake, opened.await)
}
