//! The history's database.

use crate::{
    clock::Clock,
    config::Config,
    error_chain::Chain,
    history::{Database, DatabaseTables, ExaminedDatabase, HistoryAddress},
};

use super::finding::{Check, Checked};

const URL: &str = "`history.url` (HISTORY_URL)";
const TOLERATED_MILLIS: i64 = 5_000;

pub(super) async fn check(config: &Config, clock: &Clock) -> Checked {
    let Some(address) = &config.history.address else {
        return Checked::skipped(Check::Database, format!("{URL} is empty, so no history is kept"));
    };
    let checked = Checked::of(Check::Database);
    if *address == HistoryAddress::Memory {
        return checked.warning(
            "The history is in memory, and ends with the service.",
            format!("Name a file or a PostgreSQL in {URL}."),
        );
    }
    match Database::examine(address).await {
        Ok(None) => checked.saying(format!("{address:?} is made when the service starts")),
        Ok(Some(examined)) => judge(checked, address, &examined, clock),
        Err(error) => checked.wrong(
            format!("The database {address:?} cannot be used: {}.", reason(&error)),
            format!("Start it, or correct {URL}; a file must be SQLite's, in a folder that the service's user may write."),
        ),
    }
}

fn judge(
    checked: Checked,
    address: &HistoryAddress,
    examined: &ExaminedDatabase,
    clock: &Clock,
) -> Checked {
    let tables = match examined.tables {
        DatabaseTables::Newest => "has the tables of this release",
        DatabaseTables::Older => "gets the tables of this release when the service starts",
        DatabaseTables::Later => "has tables of a later release",
    };
    let mut checked = checked.saying(format!("{address:?} {tables}"));
    if examined.tables == DatabaseTables::Later {
        checked = checked.wrong(
            format!("The database {address:?} has tables of a later release, which this one does not read."),
            "Run that release, or give this one a database of its own.",
        );
    }
    if let Some(error) = &examined.unwritable {
        checked = checked.wrong(
            format!("The database {address:?} cannot be written: {}.", reason(error)),
            "Give the user in `history.url` the right to write and to make tables, on a server that is no replica and not read-only.",
        );
    }
    let now = i64::try_from(clock.now().as_millis()).unwrap_or(i64::MAX);
    match examined.time.map(|time| (time - now).abs()) {
        Some(by) if by > TOLERATED_MILLIS => checked.warning(
            format!("The database's clock and ours differ by {} s.", by / 1000),
            "Let NTP set the clocks of both machines.",
        ),
        Some(_) | None => checked,
    }
}

fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    Chain(error).to_string()
}
