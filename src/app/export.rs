//! Writes the history out, for those who want it elsewhere.

use std::{
    io::{self, Write},
    sync::Arc,
};

use crate::{
    config::Config,
    history::{
        Database, Export, ExportFormat, HistoryAddress, HistoryError, Reader, ReadingError,
        TimeRange,
    },
};

/// Why the history was not, or not wholly, written out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("no history is kept; set `history.url` (HISTORY_URL) to its database")]
    NoHistory,
    #[error("there is no history of this release in {0:?}; the service makes it when it starts")]
    NotThere(HistoryAddress),
    #[error(transparent)]
    Database(#[from] HistoryError),
    #[error(transparent)]
    Reading(#[from] ReadingError),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Writes the sessions within a range, a part at a time. Ends without an error when nobody reads the output any more.
///
/// # Errors
/// No history is configured, its database cannot be read, or the output cannot be written.
pub async fn export_history(
    config: &Config,
    range: TimeRange,
    format: ExportFormat,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    let address = config.history.address.as_ref().ok_or(ExportError::NoHistory)?;
    let there = Database::existing(address).await?;
    let database = there.ok_or_else(|| ExportError::NotThere(address.clone()))?;
    let mut export = Export::new(Reader::new(Arc::new(database)), range, format);
    while let Some(part) = export.next().await? {
        match output.write_all(part.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    Ok(())
}
