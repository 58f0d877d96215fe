//! `GET /api/livekit/rooms/{room}/attendance`: who was in a room; with `by=instance` who was in each life of it.

use std::{collections::VecDeque, time::Duration};

use axum::{
    extract::{FromRequestParts, State},
    http::request::Parts,
    response::Response,
};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::{
    blocking,
    history::{
        Attended, CountedInstance, Csv, Cursor, Order, Person, Position, Reader, Rfc3339, TimeRange,
    },
    http::{
        auth::Client,
        extract::{
            history_query::{Format, HistoryQuery},
            in_path::RoomInPath,
            query::single,
        },
        limits::client_address::ClientAddress,
        problem::Problem,
        respond::table::{csv_answer, json_answer},
        state::Http,
    },
    presence::{RoomName, ToldBy},
};

use super::{Range, csv_of_people, next_of, reader, text_of};

/// Lives of a room on one page. Each is asked for by itself.
const MAX_INSTANCES: usize = 50;
/// A page that is not full ends after this time, with at least one life of the room. All of it is answered within 4.5 seconds.
const PAGE_TIME: Duration = Duration::from_secs(3);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attendance<'answer> {
    room: &'answer RoomName,
    #[serde(flatten)]
    range: Range,
    #[serde(skip_serializing_if = "Option::is_none")]
    people: Option<&'answer [Person]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instances: Option<&'answer [Instance]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    sid: String,
    started_at: Rfc3339,
    started_at_ms: i64,
    ended_at: Option<Rfc3339>,
    ended_at_ms: Option<i64>,
    exact: bool,
    reason: Option<String>,
    source: Option<ToldBy>,
    peak: i64,
    people: Vec<Person>,
}

pub(in crate::http) async fn read(
    State(http): State<Http>,
    RoomInPath(room): RoomInPath,
    client: Client,
    address: ClientAddress,
    query: HistoryQuery,
    by: ByInstance,
) -> Result<Response, Problem> {
    client.may_read_attendance(&room)?;
    let reader = reader(&http, &client, address).await?;
    match by {
        ByInstance(false) => of_range(&reader, &room, &query).await,
        ByInstance(true) => by_instance(&reader, &room, &query).await,
    }
}

async fn of_range(
    reader: &Reader,
    room: &RoomName,
    query: &HistoryQuery,
) -> Result<Response, Problem> {
    let question = ["attendance", room.as_str()];
    let (range, cursor) = query.page(&question)?;
    let after = cursor.as_ref().map(|cursor| &cursor.after);
    let page = reader.people(Attended::Room(room), &range, after, query.limit).await?;
    let next = next_of(&page, &question, &range);
    let (room, format, people) = (room.clone(), query.format, page.entries);
    let answer = move || match format {
        Format::Csv => csv_answer("attendance", csv_of_people(&people), next.as_ref()),
        Format::Json => json_answer(&Attendance {
            room: &room,
            range: Range::from(&range),
            people: Some(&people),
            instances: None,
            next: text_of(next.as_ref()),
        }),
    };
    Ok(blocking::run(answer).await)
}

async fn by_instance(
    reader: &Reader,
    room: &RoomName,
    query: &HistoryQuery,
) -> Result<Response, Problem> {
    let question = ["attendance by instance", room.as_str()];
    let (range, cursor) = query.page(&question)?;
    let page = InstancesPage { reader, room, range, limit: query.limit };
    let (instances, end) = page.read(cursor.as_ref()).await?;
    let next = end.map(|End { after, within }| {
        let mut next = Cursor::new(&question, &range, after);
        next.within = within;
        next
    });
    let (room, format) = (room.clone(), query.format);
    let answer = move || match format {
        Format::Csv => csv_answer("attendance", csv_of(&instances), next.as_ref()),
        Format::Json => json_answer(&Attendance {
            room: &room,
            range: Range::from(&range),
            people: None,
            instances: Some(&instances),
            next: text_of(next.as_ref()),
        }),
    };
    Ok(blocking::run(answer).await)
}

struct InstancesPage<'question> {
    reader: &'question Reader,
    room: &'question RoomName,
    range: TimeRange,
    limit: usize,
}

/// Where a page ends that is not the last: after a life of the room, or within it after a person.
struct End {
    after: Position,
    within: Option<Position>,
}

impl InstancesPage<'_> {
    /// Lives of the room with their people, until the page is full or has taken long. One that does not fit goes on, with its other
    /// people, on the next page.
    async fn read(&self, cursor: Option<&Cursor>) -> Result<(Vec<Instance>, Option<End>), Problem> {
        let until = Instant::now() + PAGE_TIME;
        let room = Some(self.room.as_str());
        let after = cursor.map(|cursor| &cursor.after);
        let most = self.limit.min(MAX_INSTANCES);
        let page =
            self.reader.instances(room, &self.range, Order::OldestFirst, after, most).await?;
        let mut to_fill: VecDeque<_> = page.entries.into_iter().map(|one| (one, None)).collect();
        if let Some(begun) = self.begun(cursor).await? {
            to_fill.push_front(begun);
        }
        let mut instances = Vec::new();
        let mut last = None;
        let mut room_left = self.limit;
        while let Some((instance, person)) = to_fill.pop_front() {
            let after = Position(instance.row.started_at, instance.row.sid.clone());
            let filling = self.fill(instance, person.as_ref(), room_left);
            let (filled, within) = match last.take() {
                None => filling.await?,
                Some(last) => match timeout_at(until, filling).await {
                    Ok(filled) => filled?,
                    Err(_) => return Ok((instances, Some(End { after: last, within: None }))),
                },
            };
            room_left = room_left.saturating_sub(filled.people.len());
            instances.push(filled);
            let has_more = within.is_some() || !to_fill.is_empty() || page.next.is_some();
            if has_more && (within.is_some() || room_left == 0) {
                return Ok((instances, Some(End { after, within })));
            }
            last = Some(after);
        }
        Ok((instances, page.next.map(|after| End { after, within: None })))
    }

    /// The life of the room that the page before did not finish, and its last person there.
    async fn begun(
        &self,
        cursor: Option<&Cursor>,
    ) -> Result<Option<(CountedInstance, Option<Position>)>, Problem> {
        let Some(Cursor { after, within: Some(person), .. }) = cursor else { return Ok(None) };
        let instance = self.reader.instance(&after.1).await?;
        // The cursor comes from the client, and must not name a life of another room.
        let instance = instance.filter(|instance| instance.row.room == self.room.as_str());
        Ok(instance.map(|instance| (instance, Some(person.clone()))))
    }

    async fn fill(
        &self,
        instance: CountedInstance,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<(Instance, Option<Position>), Problem> {
        let row = instance.row;
        let peak = self.reader.peak(&row).await?;
        let attended = Attended::Instance(&row.sid);
        let people = self.reader.people(attended, &self.range, after, limit).await?;
        let instance = Instance {
            started_at: Rfc3339(row.started_at),
            started_at_ms: row.started_at,
            ended_at: row.finished_at.map(Rfc3339),
            ended_at_ms: row.finished_at,
            exact: row.exact,
            reason: row.reason,
            source: row.finished_told_by,
            peak,
            people: people.entries,
            sid: row.sid,
        };
        Ok((instance, people.next))
    }
}

fn csv_of(instances: &[Instance]) -> Csv {
    let own = ["instance", "startedAt", "startedAtMs", "endedAt", "endedAtMs"];
    let mut csv = Csv::with_columns(&[&own[..], &Person::COLUMNS].concat());
    for instance in instances {
        for person in &instance.people {
            csv.text(&instance.sid).time(Some(instance.started_at_ms)).time(instance.ended_at_ms);
            person.write_csv(&mut csv);
            csv.end_row();
        }
    }
    csv
}

/// `by=instance`.
pub(in crate::http) struct ByInstance(bool);

impl<S: Sync> FromRequestParts<S> for ByInstance {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match single(parts.uri.query().unwrap_or_default(), "by")?.as_deref() {
            None => Ok(Self(false)),
            Some("instance") => Ok(Self(true)),
            Some(_) => Err(Problem::bad_request(
                "`by` can be `instance`; leave it out for the people of the whole range",
            )),
        }
    }
}
