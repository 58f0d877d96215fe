//! `GET /api/livekit/sessions` and `/api/livekit/sessions/{sid}`: lives of rooms, with the field names of LiveKit Cloud's Analytics
//! API, which calls them sessions.

use axum::{extract::State, response::Response};
use serde::Serialize;

use crate::{
    blocking,
    history::{
        Attended, CountedInstance, Csv, Order, Person, Rfc3339, SessionInRange, Span, TimeRange,
    },
    http::{
        auth::Client,
        extract::{
            history_query::{ChosenRoom, Format, HistoryQuery},
            in_path::TextInPath,
        },
        limits::client_address::ClientAddress,
        problem::Problem,
        respond::table::{csv_answer, json_answer},
        state::Http,
    },
    presence::{RoomName, ToldBy},
};

use super::{csv_of_people, next_of, reader, text_of};

/// A life of a room.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoomSession {
    session_id: String,
    room_name: Option<String>,
    created_at: Option<Rfc3339>,
    created_at_ms: Option<i64>,
    start_time: Option<Rfc3339>,
    start_time_ms: Option<i64>,
    end_time: Option<Rfc3339>,
    end_time_ms: Option<i64>,
    /// The same: LiveKit calls it so in lists of sessions.
    ended_at: Option<Rfc3339>,
    ended_at_ms: Option<i64>,
    /// Its end, or now while it goes on.
    last_active: Option<Rfc3339>,
    last_active_ms: Option<i64>,
    num_participants: i64,
    num_active_participants: i64,
    num_sessions: i64,
    exact: bool,
    reason: Option<String>,
    source: Option<ToldBy>,
}

#[derive(Serialize)]
struct RoomSessions<'answer> {
    sessions: &'answer [RoomSession],
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionWithPeople<'answer> {
    room_id: &'answer str,
    #[serde(flatten)]
    life: &'answer RoomSession,
    peak: i64,
    participants: Vec<Participant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Participant {
    participant_identity: String,
    participant_name: String,
    kind: String,
    room_id: String,
    is_active: bool,
    joined_at: Rfc3339,
    joined_at_ms: i64,
    left_at: Option<Rfc3339>,
    left_at_ms: Option<i64>,
    duration_ms: i64,
    exact: bool,
    published_sources: PublishedSources,
    sessions: Vec<SessionOfPerson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublishedSources {
    microphone_track: bool,
    camera_track: bool,
    screen_share_track: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionOfPerson {
    session_id: String,
    joined_at: Rfc3339,
    joined_at_ms: i64,
    left_at: Option<Rfc3339>,
    left_at_ms: Option<i64>,
    exact: bool,
    reason: Option<String>,
    source: ToldBy,
}

pub(in crate::http) async fn list(
    State(http): State<Http>,
    client: Client,
    address: ClientAddress,
    ChosenRoom(room): ChosenRoom,
    query: HistoryQuery,
) -> Result<Response, Problem> {
    client.may_read_history()?;
    let room = room.as_ref().map(RoomName::as_str);
    let question = ["sessions", room.unwrap_or_default()];
    let (range, cursor) = query.page(&question)?;
    let after = cursor.as_ref().map(|cursor| &cursor.after);
    let order = Order::NewestFirst;
    let page = reader(&http, &client, address)
        .await?
        .instances(room, &range, order, after, query.limit)
        .await?;
    let next = next_of(&page, &question, &range);
    let lives: Vec<RoomSession> =
        page.entries.into_iter().map(|one| RoomSession::of(one, query.now)).collect();
    Ok(match query.format {
        Format::Csv => csv_answer("sessions", csv_of(&lives), next.as_ref()),
        Format::Json => {
            json_answer(&RoomSessions { sessions: &lives, next: text_of(next.as_ref()) })
        }
    })
}

pub(in crate::http) async fn read(
    State(http): State<Http>,
    client: Client,
    address: ClientAddress,
    TextInPath(sid): TextInPath,
    query: HistoryQuery,
) -> Result<Response, Problem> {
    client.may_read_history()?;
    let reader = reader(&http, &client, address).await?;
    let question = ["session", &*sid];
    let range = TimeRange::everything(query.now);
    let cursor = query.cursor(&question)?;
    let after = cursor.as_ref().map(|cursor| &cursor.after);
    let instance = reader.instance(&sid).await?;
    let peak = match &instance {
        Some(instance) => reader.peak(&instance.row).await?,
        None => 0,
    };
    let page = reader.people(Attended::Instance(&sid), &range, after, query.limit).await?;
    let next = next_of(&page, &question, &range);
    let (format, now, people) = (query.format, query.now, page.entries);
    let answer = move || match format {
        Format::Csv => csv_answer("session", csv_of_people(&people), next.as_ref()),
        Format::Json => {
            let unknown = || RoomSession::unknown(&sid);
            let life = instance.map_or_else(unknown, |one| RoomSession::of(one, now));
            let people = people.into_iter().map(|person| Participant::of(person, &sid));
            json_answer(&SessionWithPeople {
                room_id: &sid,
                life: &life,
                peak,
                participants: people.collect(),
                next: text_of(next.as_ref()),
            })
        }
    };
    Ok(blocking::run(answer).await)
}

impl RoomSession {
    fn of(instance: CountedInstance, now: i64) -> Self {
        let CountedInstance { row, people, sessions, active } = instance;
        let (start, end) = (Some(row.started_at), row.finished_at);
        let last_active = Some(end.unwrap_or(now));
        Self {
            session_id: row.sid,
            room_name: Some(row.room),
            created_at: start.map(Rfc3339),
            created_at_ms: start,
            start_time: start.map(Rfc3339),
            start_time_ms: start,
            end_time: end.map(Rfc3339),
            end_time_ms: end,
            ended_at: end.map(Rfc3339),
            ended_at_ms: end,
            last_active: last_active.map(Rfc3339),
            last_active_ms: last_active,
            num_participants: people,
            num_active_participants: active,
            num_sessions: sessions,
            exact: row.exact,
            reason: row.reason,
            source: row.finished_told_by,
        }
    }

    /// Of which the history knows nothing.
    fn unknown(sid: &str) -> Self {
        Self {
            session_id: sid.to_owned(),
            room_name: None,
            created_at: None,
            created_at_ms: None,
            start_time: None,
            start_time_ms: None,
            end_time: None,
            end_time_ms: None,
            ended_at: None,
            ended_at_ms: None,
            last_active: None,
            last_active_ms: None,
            num_participants: 0,
            num_active_participants: 0,
            num_sessions: 0,
            exact: false,
            reason: None,
            source: None,
        }
    }
}

impl Participant {
    fn of(person: Person, room_id: &str) -> Self {
        let publishes = |of: fn(&SessionInRange) -> &[Span]| {
            person.sessions.iter().any(|session| !of(session).is_empty())
        };
        let published_sources = PublishedSources {
            microphone_track: publishes(|session| &session.microphone),
            camera_track: publishes(|session| &session.camera),
            screen_share_track: publishes(|session| &session.screen),
        };
        Self {
            participant_identity: person.identity,
            participant_name: person.name,
            kind: person.kind,
            room_id: room_id.to_owned(),
            is_active: person.is_inside,
            joined_at: person.first_joined_at,
            joined_at_ms: person.first_joined_at_ms,
            left_at: person.last_left_at,
            left_at_ms: person.last_left_at_ms,
            duration_ms: person.duration_ms,
            exact: person.exact,
            published_sources,
            sessions: person.sessions.into_iter().map(SessionOfPerson::from).collect(),
        }
    }
}

impl From<SessionInRange> for SessionOfPerson {
    fn from(session: SessionInRange) -> Self {
        Self {
            session_id: session.sid,
            joined_at: session.joined_at,
            joined_at_ms: session.joined_at_ms,
            left_at: session.left_at,
            left_at_ms: session.left_at_ms,
            exact: session.exact,
            reason: session.reason,
            source: session.source,
        }
    }
}

fn csv_of(lives: &[RoomSession]) -> Csv {
    let mut csv = Csv::with_columns(&[
        "sessionId",
        "roomName",
        "startTime",
        "startTimeMs",
        "endTime",
        "endTimeMs",
        "numParticipants",
        "numActiveParticipants",
        "numSessions",
        "exact",
        "reason",
    ]);
    for life in lives {
        csv.text(&life.session_id).optional(life.room_name.as_deref());
        csv.time(life.start_time_ms).time(life.end_time_ms).value(life.num_participants);
        csv.value(life.num_active_participants).value(life.num_sessions).value(life.exact);
        csv.optional(life.reason.as_deref()).end_row();
    }
    csv
}
