//! Who was in a room, or in one life of it, a page of people at a time.

use sqlx::{AnyPool, AssertSqlSafe, Row, any::AnyRow};

use crate::{
    blocking,
    history::{
        database::{SHOWN_COLUMNS, identity_key, session_of, stored_text},
        row::SessionRow,
    },
    presence::RoomName,
};

use super::{
    attendance::{Person, people_of},
    cursor::Position,
    range::TimeRange,
    reader::{MAX_SESSIONS, Page, Reader, ReadingError, all_rows, number},
};

/// Sessions that a page has at most. A person who comes and goes all the time can have thousands.
const MAX_SESSIONS_OF_PAGE: usize = 20_000;

/// What people were in.
#[derive(Clone, Copy, Debug)]
pub enum Attended<'name> {
    Room(&'name RoomName),
    /// One life of a room, by its sid.
    Instance(&'name str),
}

impl Attended<'_> {
    fn column(self) -> &'static str {
        match self {
            Self::Room(_) => "room",
            Self::Instance(_) => "instance",
        }
    }

    fn value(self) -> String {
        match self {
            Self::Room(room) => room.to_string(),
            Self::Instance(sid) => stored_text(sid).into_owned(),
        }
    }
}

impl Reader {
    /// Who was there within the range, in order of their first join, then of the hash of their identity.
    ///
    /// # Errors
    /// The database cannot be read, or the range has too many sessions.
    pub async fn people(
        &self,
        attended: Attended<'_>,
        range: &TimeRange,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Page<Person>, ReadingError> {
        self.ask(async |pool| {
            refuse_too_much(pool, attended, range).await?;
            let rows = rows_of_page(pool, attended, range, after, limit).await?;
            let range = *range;
            blocking::run(move || page_of(with_first_joins(&rows)?, &range, limit)).await
        })
        .await
    }
}

/// Statements are the same for both databases, also for EXPLAIN in tests.
///
/// A page ends after a hash, because an identity can be longer than a cursor should be. Of two people who joined in the same
/// millisecond and have the same hash of 64 bits, the second would be left out where a page ends between them.
pub(super) fn people_statement(column: &str) -> String {
    format!(
        "WITH page AS (\
             SELECT identity_key AS page_key, identity AS page_identity, MIN(joined_at) AS first_joined \
             FROM sessions WHERE {column} = $1 AND left_at > $2 AND joined_at < $3 \
             GROUP BY identity_key, identity \
             HAVING MIN(joined_at) > $4 OR (MIN(joined_at) = $4 AND identity_key > $5) \
             ORDER BY first_joined, page_key, page_identity LIMIT $6\
         ) \
         SELECT {SHOWN_COLUMNS}, first_joined FROM page \
         JOIN sessions ON identity_key = page_key AND identity = page_identity \
         WHERE {column} = $1 AND left_at > $2 AND joined_at < $3 \
         ORDER BY first_joined, page_key, page_identity, joined_at, sid LIMIT $7"
    )
}

pub(super) fn count_statement(condition: &str) -> String {
    format!(
        "SELECT COUNT(*) FROM (SELECT 1 AS one FROM sessions WHERE {condition} LIMIT $3) AS counted"
    )
}

pub(super) fn attended_condition(column: &str) -> String {
    format!("left_at > $1 AND joined_at < $2 AND {column} = $4")
}

async fn refuse_too_much(
    pool: &AnyPool,
    attended: Attended<'_>,
    range: &TimeRange,
) -> Result<(), ReadingError> {
    let statement = count_statement(&attended_condition(attended.column()));
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(statement))
        .bind(range.from)
        .bind(range.to)
        .bind(number(MAX_SESSIONS + 1))
        .bind(attended.value())
        .fetch_one(pool)
        .await?;
    let is_too_much = count > number(MAX_SESSIONS);
    if is_too_much { Err(ReadingError::TooMuch { max: MAX_SESSIONS }) } else { Ok(()) }
}

/// The sessions of one person more than the page takes, each with the person's first join.
async fn rows_of_page(
    pool: &AnyPool,
    attended: Attended<'_>,
    range: &TimeRange,
    after: Option<&Position>,
    limit: usize,
) -> Result<Vec<AnyRow>, ReadingError> {
    let (first_joined, key) = after.map_or((i64::MIN, i64::MIN), |Position(time, key)| {
        // What is no hash comes from a cursor that its client made up.
        (*time, key.parse().unwrap_or(i64::MIN))
    });
    let query = sqlx::query(AssertSqlSafe(people_statement(attended.column())))
        .bind(attended.value())
        .bind(range.from)
        .bind(range.to)
        .bind(first_joined)
        .bind(key)
        .bind(number(limit + 1))
        .bind(number(MAX_SESSIONS_OF_PAGE + 1));
    Ok(all_rows(pool, query).await?)
}

fn with_first_joins(rows: &[AnyRow]) -> sqlx::Result<Vec<(SessionRow, i64)>> {
    rows.iter().map(|row| Ok((session_of(row)?, row.try_get("first_joined")?))).collect()
}

fn page_of(
    mut rows: Vec<(SessionRow, i64)>,
    range: &TimeRange,
    limit: usize,
) -> Result<Page<Person>, ReadingError> {
    let is_cut = rows.len() > MAX_SESSIONS_OF_PAGE;
    let mut by_person: Vec<&[(SessionRow, i64)]> =
        rows.chunk_by(|(one, _), (next, _)| one.identity == next.identity).collect();
    if is_cut {
        // Its other sessions are missing.
        by_person.pop();
    }
    let has_more = is_cut || by_person.len() > limit;
    by_person.truncate(limit);
    let last = by_person.last().map(|rows| &rows[0]);
    if is_cut && last.is_none() {
        return Err(ReadingError::TooMuch { max: MAX_SESSIONS_OF_PAGE });
    }
    let next =
        last.filter(|_| has_more).map(|(row, first_joined)| after(*first_joined, &row.identity));
    let on_page = by_person.into_iter().map(<[_]>::len).sum();
    rows.truncate(on_page);
    let sessions: Vec<SessionRow> = rows.into_iter().map(|(row, _)| row).collect();
    Ok(Page { entries: people_of(&sessions, range), next })
}

/// The position after a person.
fn after(first_joined: i64, identity: &str) -> Position {
    Position(first_joined, identity_key(identity).to_string())
}

#[cfg(test)]
mod tests {
    use super::{super::session::examples::session, *};

    const RANGE: TimeRange = TimeRange { from: 0, to: 1_000, now: 1_000 };

    fn identities(page: &Page<Person>) -> Vec<&str> {
        page.entries.iter().map(|person| &*person.identity).collect()
    }

    #[test]
    fn a_page_ends_with_a_whole_person_and_says_where_the_next_goes_on() {
        let row = |identity: &str, joined_at| (session(identity, &[(joined_at, Some(900))]), 10);
        let rows = vec![row("alice", 10), row("alice", 20), row("bob", 10), row("carol", 10)];
        let page = page_of(rows.clone(), &RANGE, 2).unwrap();
        assert_eq!(identities(&page), ["alice", "bob"]);
        assert_eq!(page.entries[0].sessions.len(), 2);
        assert_eq!(page.next, Some(after(10, "bob")));
        assert_eq!(page_of(rows, &RANGE, 3).unwrap().next, None);
    }

    #[test]
    fn a_person_with_more_sessions_than_a_page_takes_is_on_the_next_or_refused() {
        let many = (0..=number(MAX_SESSIONS_OF_PAGE)).map(|at| (session("bob", &[(at, None)]), 0));
        let mut rows: Vec<_> = many.collect();
        let refused = page_of(rows.clone(), &RANGE, 5);
        assert!(matches!(refused, Err(ReadingError::TooMuch { .. })));
        rows.insert(0, (session("alice", &[(0, None)]), 0));
        let page = page_of(rows, &RANGE, 5).unwrap();
        assert_eq!(identities(&page), ["alice"]);
        assert_eq!(page.next, Some(after(0, "alice")));
    }
}
