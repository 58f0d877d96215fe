//! Erases one person. Sessions that joined before are never written again, also where an outbox or a late webhook still names them.

use std::collections::{BTreeSet, HashMap};

use sqlx::{AnyConnection, Row};

use crate::{
    history::error::HistoryError,
    presence::{Identity, Record, Stay},
    store::HistoryItem,
};

use super::{
    Database,
    encode::{identity_hash, identity_key},
    load, stored_text,
};

impl Database {
    /// Deletes all sessions of a person, and remembers their hash and this time. Returns how many sessions there were.
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
        let erased = sqlx::query("DELETE FROM sessions WHERE identity_key = $1 AND identity = $2")
            .bind(identity_key(identity))
            .bind(stored_text(identity).into_owned())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(erased.rows_affected())
    }
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
        erased_at.is_none_or(|at| stay.joined_at.as_millis() > *at)
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
