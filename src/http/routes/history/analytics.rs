//! `GET /api/livekit/analytics?by=day|hour`: how busy rooms were.

use axum::{
    extract::{FromRequestParts, State},
    http::request::Parts,
    response::Response,
};
use serde::Serialize;

use crate::{
    history::{Csv, Period, Usage},
    http::{
        auth::Client,
        extract::{
            history_query::{ChosenRoom, Format, HistoryQuery},
            query::single,
        },
        limits::client_address::ClientAddress,
        problem::Problem,
        respond::table::{csv_answer, json_answer},
        state::Http,
    },
    presence::RoomName,
};

use super::{Range, next_of, reader, text_of};

#[derive(Serialize)]
struct Analytics<'answer> {
    by: &'static str,
    #[serde(flatten)]
    range: Range,
    rows: &'answer [Usage],
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(in crate::http) async fn read(
    State(http): State<Http>,
    client: Client,
    address: ClientAddress,
    ChosenRoom(room): ChosenRoom,
    ByPeriod(period): ByPeriod,
    query: HistoryQuery,
) -> Result<Response, Problem> {
    client.may_read_history()?;
    let room = room.as_ref().map(RoomName::as_str);
    let by = period.as_str();
    let question = ["analytics", by, room.unwrap_or_default()];
    let (range, cursor) = query.page(&question)?;
    let after = cursor.as_ref().map(|cursor| &cursor.after);
    let page = reader(&http, &client, address)
        .await?
        .usage(room, period, &range, after, query.limit)
        .await?;
    let next = next_of(&page, &question, &range);
    Ok(match query.format {
        Format::Csv => csv_answer("analytics", csv_of(&page.entries), next.as_ref()),
        Format::Json => {
            let (range, rows) = (Range::from(&range), &*page.entries);
            let answer = Analytics { by, range, rows, next: text_of(next.as_ref()) };
            json_answer(&answer)
        }
    })
}

fn csv_of(rows: &[Usage]) -> Csv {
    let mut csv = Csv::with_columns(&[
        "room",
        "start",
        "startMs",
        "people",
        "sessions",
        "minutes",
        "peak",
        "averageStayMs",
    ]);
    for row in rows {
        csv.text(&row.room).time(Some(row.start_ms)).value(row.people).value(row.sessions);
        csv.value(row.minutes.as_f64()).value(row.peak).value(row.average_stay_ms).end_row();
    }
    csv
}

/// `by=day` or `by=hour`; by the day if the request does not say it.
pub(in crate::http) struct ByPeriod(Period);

impl<S: Sync> FromRequestParts<S> for ByPeriod {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match single(parts.uri.query().unwrap_or_default(), "by")?.as_deref() {
            None | Some("day") => Ok(Self(Period::Day)),
            Some("hour") => Ok(Self(Period::Hour)),
            Some(_) => Err(Problem::bad_request("`by` can be `day` or `hour`")),
        }
    }
}
