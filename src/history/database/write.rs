//! Writes what steps add to the history, each batch in one transaction.

use crate::{
    history::{error::HistoryError, fold::Rows},
    store::HistoryItem,
};

use super::{Database, erasure, load, save};

impl Database {
    /// Applies items, those of each room in order. An item that was written before, or of which the rows have seen a later one,
    /// changes nothing.
    ///
    /// # Errors
    /// The database cannot be used, or refuses the data of one of the items. Then it has none of them.
    pub async fn write(&self, mut items: Vec<HistoryItem>) -> Result<(), HistoryError> {
        let mut transaction = self.begin().await?;
        erasure::forget_erased(&mut transaction, &mut items).await?;
        let mut rows = load::load(&mut transaction, &Rows::keys_of(&items)).await?;
        for item in &items {
            rows.apply(item);
        }
        save::save(&mut transaction, &rows.changed()).await?;
        transaction.commit().await?;
        Ok(())
    }
}
