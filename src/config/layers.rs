//! Where values come from: the defaults, a file, the environment. The last that names a key wins.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use config::{Config, Environment, File, FileFormat, Source, Value, ValueKind};

use super::Faults;

const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Names that people already use, and the keys they stand for. Each is also read from the file named by the same name and
/// `_FILE`, as container secrets are handed over.
const KNOWN_NAMES: [(&str, &str); 3] = [
    ("LIVEKIT_URL", "livekit.url"),
    ("LIVEKIT_KEYS", "livekit.keys"),
    ("REDIS_URL", "store.redis_url"),
];

/// The environment, and what is read from it.
pub(super) struct Variables(HashMap<String, String>);

impl Variables {
    /// The process's own, and below them those of `.env` in the working directory.
    pub fn of_process() -> Result<Self, Faults> {
        let mut variables = HashMap::new();
        match dotenvy::from_path_iter(".env") {
            Ok(lines) => {
                for line in lines {
                    let (name, value) = line.map_err(|error| unreadable_env(&error))?;
                    variables.insert(name, value);
                }
            }
            Err(error) if error.not_found() => {}
            Err(error) => return Err(unreadable_env(&error)),
        }
        let own = std::env::vars_os();
        variables.extend(own.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        Ok(Self(variables))
    }

    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// A variable's value, or the content of the file that its `_FILE` variant names. Empty is as good as missing.
    pub fn get(&self, name: &str) -> Result<Option<String>, Faults> {
        let not_empty = |value: &&String| !value.is_empty();
        if let Some(value) = self.0.get(name).filter(not_empty) {
            return Ok(Some(value.clone()));
        }
        let file_name = format!("{name}_FILE");
        let Some(path) = self.0.get(&file_name).filter(not_empty) else { return Ok(None) };
        match std::fs::read_to_string(path) {
            Ok(content) => Ok(Some(content.trim_end().to_owned())),
            Err(error) => Err(Faults::one(file_name, format!("{path} cannot be read: {error}"))),
        }
    }
}

/// All values by their keys, the layers merged.
pub(super) fn merge(
    file: Option<&Path>,
    variables: &Variables,
) -> Result<BTreeMap<String, Value>, Faults> {
    let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some(path) = file {
        if !path.is_file() {
            return Err(Faults::one("--config", format!("there is no file {}", path.display())));
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
        .source(Some(variables.0.clone().into_iter().collect()));
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

/// Says where and not what: there may be a secret in the line.
fn unreadable_env(error: &dotenvy::Error) -> Faults {
    let problem = match error {
        dotenvy::Error::LineParse(line, index) => {
            let name = line.split('=').next().unwrap_or_default().trim();
            format!("the value of {name} cannot be read at character {index}; check its quotes")
        }
        dotenvy::Error::Io(error) => format!("cannot be read: {error}"),
        _ => "cannot be read; write NAME=value, one per line".to_owned(),
    };
    Faults::one(".env", problem)
}

/// The first line says where; those below quote the file, secrets included.
fn unreadable(error: &config::ConfigError) -> Faults {
    let error = error.to_string();
    let place = error.lines().next().unwrap_or_default();
    Faults::one("configuration", format!("cannot be read: {place}"))
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
