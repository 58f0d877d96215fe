//! Where values come from: the defaults, a file, the environment. The last of them that names a key wins.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::Path,
};

use config::{Config, Environment, File, FileFormat, Source, Value, ValueKind};

use super::{env_file::EnvFile, error::ConfigErrors};

const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Names that people already use, and the keys they stand for. Each is also read from the file that `<name>_FILE` names, which is
/// how containers get secrets.
const KNOWN_NAMES: [(&str, &str); 5] = [
    ("LIVEKIT_URL", "livekit.url"),
    ("LIVEKIT_KEYS", "livekit.keys"),
    ("LIVEKIT_REDIS_URL", "livekit.redis_url"),
    ("REDIS_URL", "store.redis_url"),
    ("HISTORY_URL", "history.url"),
];

/// The environment, and what is read from it.
#[derive(Default)]
pub(super) struct Variables {
    values: HashMap<String, String>,
    /// Variables of `.env` that programs read differently, and why.
    unclear: BTreeMap<String, String>,
}

impl Variables {
    /// The variables of the process, and below them those of `.env` in the working directory.
    pub fn of_process() -> Result<Self, ConfigErrors> {
        let mut file = match std::fs::read_to_string(".env") {
            Ok(content) => EnvFile::parse(&content)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => EnvFile::default(),
            Err(error) => {
                return Err(ConfigErrors::one(".env", format!("cannot be read: {error}")));
            }
        };
        let own = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let own: Vec<_> = own.collect();
        for (name, _) in &own {
            file.unclear.remove(name);
        }
        let values = file.values.into_iter().chain(own).collect();
        Ok(Self { values, unclear: file.unclear })
    }

    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: variables.into_iter().collect(), ..Self::default() }
    }

    /// A variable's value, or the content of the file that its `_FILE` variant names. An empty one counts as missing.
    pub fn get(&self, name: &str) -> Result<Option<String>, ConfigErrors> {
        if let Some(value) = self.value(name)? {
            return Ok(Some(value.to_owned()));
        }
        let file_name = format!("{name}_FILE");
        let Some(path) = self.value(&file_name)? else { return Ok(None) };
        match std::fs::read_to_string(path) {
            Ok(content) => Ok(Some(content.trim_start_matches('\u{feff}').trim_end().to_owned())),
            Err(error) => {
                Err(ConfigErrors::one(file_name, format!("{path} cannot be read: {error}")))
            }
        }
    }

    fn value(&self, name: &str) -> Result<Option<&str>, ConfigErrors> {
        match self.unclear.get(name) {
            Some(problem) => Err(ConfigErrors::one(".env", problem)),
            None => Ok(self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())),
        }
    }

    /// All variables, if those that stand for a key can be read.
    fn of_keys(&self) -> Result<HashMap<String, String>, ConfigErrors> {
        let is_of_a_key = |name: &str| name.to_ascii_uppercase().starts_with("LKP__");
        match self.unclear.iter().find(|(name, _)| is_of_a_key(name)) {
            Some((_, problem)) => Err(ConfigErrors::one(".env", problem)),
            None => Ok(self.values.clone()),
        }
    }
}

/// All values by their keys, the layers merged.
pub(super) fn merge(
    file: Option<&Path>,
    variables: &Variables,
) -> Result<BTreeMap<String, Value>, ConfigErrors> {
    let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some(path) = file {
        if !path.is_file() {
            return Err(ConfigErrors::one(
                "--config",
                format!("there is no file {}", path.display()),
            ));
        }
        builder = builder.add_source(File::from(path).format(FileFormat::Toml));
    }
    let mut known = Config::builder();
    for (name, key) in KNOWN_NAMES {
        if let Some(value) = variables.get(name)? {
            known = known.set_override(key, value).map_err(|error| unreadable(&error))?;
        }
    }
    let environment = Environment::with_prefix("LKP")
        .prefix_separator("__")
        .separator("__")
        .source(Some(variables.of_keys()?));
    let merged = builder
        .add_source(known.build().map_err(|error| unreadable(&error))?)
        .add_source(environment)
        .build()
        .and_then(|merged| merged.collect())
        .map_err(|error| unreadable(&error))?;
    let mut values = BTreeMap::new();
    flatten("", merged.into_iter().collect(), &mut values);
    Ok(values)
}

/// Only the first line of the error, which says where: the lines below it quote the file, secrets included.
fn unreadable(error: &config::ConfigError) -> ConfigErrors {
    let error = error.to_string();
    let place = error.lines().next().unwrap_or_default();
    ConfigErrors::one("configuration", format!("cannot be read: {place}"))
}

fn flatten(prefix: &str, table: BTreeMap<String, Value>, values: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value.kind {
            ValueKind::Table(table) => flatten(&key, table.into_iter().collect(), values),
            _ => {
                values.insert(key, value);
            }
        }
    }
}
