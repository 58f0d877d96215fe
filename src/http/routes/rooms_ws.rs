//! `GET /api/livekit/rooms/ws?room=A&room=B`: the same as `rooms/stream`, with its `all=true`, `view=count` and `roster=true`, over a WebSocket. Its
//! client watches other rooms on the open connection.

use axum::{extract::State, response::Response};

use crate::http::{
    auth::ShownClient,
    extract::{
        handshake::Handshake,
        rooms_view::RoomsView,
        streamed_rooms::{FirstRooms, StreamedRooms},
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
    rooms: Result<FirstRooms, Problem>,
    view: Result<RoomsView, Problem>,
    client: Result<ShownClient, Problem>,
    address: ClientAddress,
) -> Response {
    let opened = async {
        let (FirstRooms(rooms), ShownClient(client)) = (rooms?, client?);
        let asked = match rooms {
            StreamedRooms::Named(rooms) => Asked::of_rooms(rooms),
            StreamedRooms::All { prefix } => {
                Asked { list: Some(prefix), ..Asked::of_rooms(Vec::new()) }
            }
        };
        let RoomsView { view, with_rosters } = view?;
        let view = view.of_many_rooms();
        let opening = Opening { http, address, view, with_rosters, may_watch_more: true };
        opening.open(client, asked).await
    };
    accept(handshake, opened.await)
}
