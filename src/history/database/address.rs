//! The address of the history's database, as an operator says it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{ConnectOptions, any::AnyConnectOptions, postgres::PgConnectOptions};
use url::Url;

use super::Dialect;

/// What stands for itself in the path of an address.
const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// Where the history is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum HistoryAddress {
    /// A file, of `SQLite`.
    File(PathBuf),
    /// `SQLite`'s database in memory, which ends with this process.
    Memory,
    Postgres(Url),
}

impl HistoryAddress {
    /// Reads `sqlite:` and `postgres:` addresses.
    ///
    /// # Errors
    /// What is wrong with it, without the password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return Self::of_file(path.strip_prefix("//").unwrap_or(path));
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err("is no address of a database; write sqlite:/path/to/history.db or \
                        postgres://user:password@host:5432/database"
                .to_owned());
        }
        let unreadable = |problem: &dyn fmt::Display| {
            format!(
                "is no address of PostgreSQL ({problem}); write postgres://user:password@host:5432/database"
            )
        };
        let url = Url::parse(text).map_err(|error| unreadable(&error))?;
        PgConnectOptions::from_url(&url).map_err(|error| unreadable(&error))?;
        Ok(Self::Postgres(url))
    }

    fn of_file(path: &str) -> Result<Self, String> {
        match path {
            "" => Err("names no file; write sqlite:/path/to/history.db".to_owned()),
            ":memory:" => Ok(Self::Memory),
            path if path.contains(['?', '\0']) => {
                Err("has parameters, and SQLite takes none here; write sqlite:/path/to/history.db"
                    .to_owned())
            }
            path => Ok(Self::File(path.into())),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::File(_) | Self::Memory => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(super) fn options(&self) -> Result<AnyConnectOptions, sqlx::Error> {
        let options = match self {
            Self::Memory => AnyConnectOptions::from_str("sqlite::memory:")?,
            Self::Postgres(url) => AnyConnectOptions::from_url(url)?,
            Self::File(path) => {
                let path = std::path::absolute(path)?;
                let path = utf8_percent_encode(&path.to_string_lossy(), IN_PATHS).to_string();
                AnyConnectOptions::from_str(&format!("sqlite://{path}?mode=rwc"))?
            }
        };
        Ok(options.disable_statement_logging())
    }
}

/// As an operator may see it, without the password.
impl fmt::Debug for HistoryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Memory => f.write_str("sqlite::memory:"),
            Self::Postgres(url) => f.write_str(masked(url.clone()).as_str()),
        }
    }
}

fn masked(mut url: Url) -> Url {
    if url.password().is_some() {
        // Only an address without a host has no place for a password.
        let _ = url.set_password(Some("****"));
    }
    if url.query_pairs().any(|(name, _)| name == "password") {
        let pairs: Vec<_> = url
            .query_pairs()
            .map(|(name, value)| {
                let value = if name == "password" { "****".to_owned() } else { value.into_owned() };
                (name.into_owned(), value)
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url
}

/// Makes the file if it is not there, readable by nobody else: it says who met whom. `SQLite` gives its other files the same mode.
pub(super) fn make_file(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match file {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_file_or_a_postgres() {
        let file = |path: &str| Ok(HistoryAddress::File(path.into()));
        assert_eq!(HistoryAddress::parse("sqlite:history.db"), file("history.db"));
        assert_eq!(HistoryAddress::parse("sqlite:///var/lib/a b.db"), file("/var/lib/a b.db"));
        assert_eq!(HistoryAddress::parse("sqlite::memory:"), Ok(HistoryAddress::Memory));
        for address in ["postgres://u:p@db:5432/history", "postgresql:///history?host=/run/pg"] {
            let parsed = HistoryAddress::parse(address).unwrap();
            assert!(matches!(parsed, HistoryAddress::Postgres(_)), "{address}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told_with_what_to_write() {
        let cases = [
            ("history.db", "is no address of a database"),
            ("mysql://db/history", "is no address of a database"),
            ("sqlite:", "names no file"),
            ("sqlite:a.db?mode=ro", "has parameters"),
            ("postgres://u:secret@db:port/history", "is no address of PostgreSQL"),
            ("postgres://u:secret@db/history?sslmode=maybe", "is no address of PostgreSQL"),
        ];
        for (address, expected) in cases {
            let problem = HistoryAddress::parse(address).unwrap_err();
            assert!(problem.starts_with(expected), "{address}: {problem}");
            assert!(problem.contains("write ") && !problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address = "postgres://u:secret@db/history?password=secret&sslmode=require";
        let shown = format!("{:?}", HistoryAddress::parse(address).unwrap());
        assert_eq!(shown, "postgres://u:****@db/history?password=****&sslmode=require");
        let shown = format!("{:?}", HistoryAddress::parse("sqlite:///data/history.db").unwrap());
        assert_eq!(shown, "sqlite:/data/history.db");
    }
}
