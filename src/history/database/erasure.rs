//! Erases one person. Sessions that joined before are never written again, also where an outbox or a late webhook still names them.

use std::collections::{BTreeSet, HashMap};

use sqlx::{AnyConnection, Executor, Row};

use crate::{
    history::error::HistoryError,
    presence::{Identity, Record, Stay},
    store::HistoryItem,
};

use super::{
    Database, Dialect,
    encode::{identity_hash, identity_key},
    load, roster, save, stored_text,
};

/// How far LiveKit's clock, which tells when somebody joined, may be ahead of the one that tells when they were erased.
const GRACE_MILLIS: i64 = 5_000;
/// Writes everything into the file of SQLite, so that the log beside it does not keep what was erased.
const EMPTY_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

impl Database {
    /// Deletes all sessions of a person and what rosters say of them, counts lives of rooms again without them, and remembers their
    /// hash and this time. Returns how many sessions there were.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn erase(&self, identity: &str, at_millis: i64) -> Result<u64, HistoryError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO erasures (identity_hash, at) VALUES ($1, $2) \
             ON CONFLICT (identity_hash) DO UPDATE SET at = excluded.at WHERE erasures.at < excluded.at",
        )
        .bind(identity_hash(identity))
        .bind(at_millis)
        .execute(&mut *transaction)
        .await?;
        let erased = delete_sessions(&mut transaction, identity).await?;
        roster::erase(&mut transaction, identity, at_millis).await?;
        transaction.commit().await?;
        if self.dialect() == Dialect::Sqlite {
            // While somebody reads, it stays until a later checkpoint; the rows are gone in any case.
            let _ = self.pools.writing.execute(EMPTY_LOG).await;
        }
        Ok(erased)
    }
}

async fn delete_sessions(connection: &mut AnyConnection, identity: &str) -> sqlx::Result<u64> {
    let (key, stored) = (identity_key(identity), stored_text(identity).into_owned());
    let instances = "SELECT DISTINCT instance FROM sessions \
                     WHERE identity_key = $1 AND identity = $2 AND instance IS NOT NULL";
    let instances =
        sqlx::query(instances).bind(key).bind(stored.clone()).fetch_all(&mut *connection).await?;
    let instances: Vec<String> =
        instances.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let erased = sqlx::query("DELETE FROM sessions WHERE identity_key = $1 AND identity = $2")
        .bind(key)
        .bind(stored)
        .execute(&mut *connection)
        .await?;
    save::sum_up(connection, instances.iter().map(String::as_str).collect()).await?;
    Ok(erased.rows_affected())
}

/// Takes out of the items what they say of people who were erased after they joined.
pub(super) async fn forget_erased(
    connection: &mut AnyConnection,
    items: &mut [HistoryItem],
) -> sqlx::Result<()> {
    let named: BTreeSet<_> = items
        .iter()
        .flat_map(|item| &item.records)
        .filter_map(stay)
        .map(|stay| &stay.identity)
        .collect();
    let hashes: HashMap<Identity, String> =
        named.into_iter().map(|one| (one.clone(), identity_hash(one.as_str()))).collect();
    let erased = erasures(connection, hashes.values()).await?;
    if erased.is_empty() {
        return Ok(());
    }
    let is_kept = |record: &Record| {
        let Some(stay) = stay(record) else { return true };
        let erased_at = hashes.get(&stay.identity).and_then(|hash| erased.get(hash));
        erased_at.is_none_or(|at| stay.joined_at.as_millis() > at.saturating_add(GRACE_MILLIS))
    };
    for item in items {
        item.records.retain(is_kept);
    }
    Ok(())
}

/// When each of these was erased, of those that were.
async fn erasures(
    connection: &mut AnyConnection,
    hashes: impl Iterator<Item = &String>,
) -> sqlx::Result<HashMap<String, i64>> {
    let start = "SELECT identity_hash, at FROM erasures WHERE identity_hash";
    let rows = load::select(connection, start, hashes, "").await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

fn stay(record: &Record) -> Option<&Stay> {
    match record {
        Record::Shown(shown) => Some(&shown.stay),
        Record::Left(left) => Some(&left.stay),
        Record::Opened(_) | Record::Closed(_) => None,
    }
}
