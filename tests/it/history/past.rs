//! A past that a test makes up, put into a database as rows.

use livekit_presence::history::{Database, OPEN, Span, Spans, identity_key};
use sqlx::AssertSqlSafe;

/// A session, with what a test does not say left at what is usual.
#[derive(Clone, Debug)]
pub struct PastSession {
    pub sid: String,
    pub identity: String,
    pub name: String,
    pub room: String,
    pub instance: Option<String>,
    pub agent: bool,
    pub exact: bool,
    pub spans: Spans,
}

/// A session of `identity` in a room, from one time to another.
pub fn past(sid: &str, room: &str, identity: &str, from: i64, to: Option<i64>) -> PastSession {
    PastSession {
        sid: sid.to_owned(),
        identity: identity.to_owned(),
        name: identity.to_uppercase(),
        room: room.to_owned(),
        instance: None,
        agent: false,
        exact: true,
        spans: Spans { inside: vec![Span { from, to }], ..Spans::default() },
    }
}

impl PastSession {
    pub fn in_instance(self, instance: &str) -> Self {
        Self { instance: Some(instance.to_owned()), ..self }
    }

    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    pub fn with_microphone(mut self, from: i64, to: Option<i64>) -> Self {
        self.spans.microphone.push(Span { from, to });
        self
    }
}

/// Puts sessions into a database in one transaction.
pub async fn insert(database: &Database, sessions: &[PastSession]) {
    const AT_ONCE: usize = 200;
    let mut transaction = database.reader().await.unwrap().begin().await.unwrap();
    for sessions in sessions.chunks(AT_ONCE) {
        let places: Vec<String> = (0..sessions.len()).map(places).collect();
        let statement = format!(
            "INSERT INTO sessions (sid, identity, identity_key, room, instance, name, agent, joined_at, left_at, exact, \
             left_told_by, spans, kind, joined_told_by, seq) VALUES {}",
            places.join(", ")
        );
        let query = sqlx::query(AssertSqlSafe(statement));
        let query = sessions.iter().fold(query, |query, session| {
            let inside = &session.spans.inside;
            query
                .bind(session.sid.clone())
                .bind(session.identity.clone())
                .bind(identity_key(&session.identity))
                .bind(session.room.clone())
                .bind(session.instance.clone())
                .bind(session.name.clone())
                .bind(i64::from(session.agent))
                .bind(inside[0].from)
                .bind(inside[inside.len() - 1].to.unwrap_or(OPEN))
                .bind(i64::from(session.exact))
                .bind(if session.exact { "webhook" } else { "comparison" })
                .bind(serde_json::to_string(&session.spans).unwrap())
        });
        query.execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// The places of one session's twelve values, and what is the same in all.
fn places(nth: usize) -> String {
    let places: Vec<String> = (1..=12).map(|place| format!("${}", nth * 12 + place)).collect();
    format!("({}, 'STANDARD', 'webhook', 1)", places.join(", "))
}

/// Puts a life of a room into a database.
pub async fn insert_instance(
    database: &Database,
    sid: &str,
    room: &str,
    from: i64,
    to: Option<i64>,
) {
    sqlx::query(
        "INSERT INTO room_instances (sid, room, started_at, finished_at, exact, seq) VALUES ($1, $2, $3, $4, 1, 1)",
    )
    .bind(sid.to_owned())
    .bind(room.to_owned())
    .bind(from)
    .bind(to.unwrap_or(OPEN))
    .execute(database.reader().await.unwrap())
    .await
    .unwrap();
}
