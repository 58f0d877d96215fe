//! `GET /api/livekit/rooms`: the active rooms with their counts, or those with a prefix, or a page of them.

use axum::{Extension, extract::State, response::Response};

use crate::http::{
    auth::Client,
    extract::{rooms_query::RoomsQuery, view::ViewParam},
    problem::Problem,
    respond::{
        conditional::{KnownTags, json_unless_known},
        kept_answer::{KeptFrame, SlowClient},
    },
    room_list::EncodedAnswer,
    state::Http,
};

pub(in crate::http) async fn list(
    State(http): State<Http>,
    Extension(connection): Extension<SlowClient>,
    query: RoomsQuery,
    // Rooms have their counts in any case.
    _: ViewParam,
    client: Client,
    known: KnownTags,
) -> Result<Response, Problem> {
    client.may_list()?;
    let list = http.room_list.newest(&http.hub).await?;
    let EncodedAnswer { frame, etag } = list.part(&query);
    json_unless_known(&known, etag, || {
        KeptFrame::whole(frame).into_bytes(&http.pinned, &connection)
    })
}
