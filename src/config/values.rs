//! Reads single values. After an error the others are still read, so that all errors show at once.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use config::{Value, ValueKind};
use ipnet::IpNet;

use super::error::ConfigError;

/// The highest limit of streams or requests. A million at once, or in a second, limits nothing.
const MAX_LIMIT: u32 = 1_000_000;

/// Values by key; each is taken once.
pub(super) struct Values {
    values: BTreeMap<String, Value>,
    pub errors: Vec<ConfigError>,
}

impl Values {
    pub fn new(values: BTreeMap<String, Value>) -> Self {
        Self { values, errors: Vec::new() }
    }

    pub fn reject(&mut self, key: &str, problem: impl Into<String>) {
        self.errors.push(ConfigError { key: key.to_owned(), problem: problem.into() });
    }

    /// Takes a value. A wrong one is noted and replaced by `T`'s default. Nothing uses that default, because the service does not
    /// start with an error.
    pub fn take<T: Default>(
        &mut self,
        key: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> T {
        let Some(value) = self.values.remove(key) else {
            self.reject(key, "is missing; give it a value or leave it to the defaults");
            return T::default();
        };
        match read(&value) {
            Ok(value) => value,
            Err(problem) => {
                let origin = value.origin().filter(|origin| !origin.is_empty());
                let origin = origin.map_or(String::new(), |origin| format!(" (from {origin})"));
                self.reject(key, format!("{problem}{origin}"));
                T::default()
            }
        }
    }

    /// All errors. A value that nobody took belongs to a key that does not exist.
    pub fn finish(mut self) -> Vec<ConfigError> {
        for key in std::mem::take(&mut self.values).into_keys() {
            self.reject(&key, "there is no such key; `config/default.toml` lists all of them");
        }
        self.errors
    }
}

pub(super) fn text(value: &Value) -> Result<String, String> {
    match &value.kind {
        ValueKind::Array(_) | ValueKind::Table(_) => {
            Err("must be one value, not a list or a table".into())
        }
        _ => value
            .clone()
            .into_string()
            .map(|text| text.trim().to_owned())
            .map_err(|_| "must be a text".into()),
    }
}

pub(super) fn optional_text(value: &Value) -> Result<Option<String>, String> {
    Ok(Some(text(value)?).filter(|text| !text.is_empty()))
}

/// Several texts, or one with commas.
pub(super) fn list(value: &Value) -> Result<Vec<String>, String> {
    let items = match &value.kind {
        ValueKind::Array(items) => items.iter().map(text).collect::<Result<Vec<_>, _>>()?,
        _ => text(value)?.split(',').map(|item| item.trim().to_owned()).collect(),
    };
    Ok(items.into_iter().filter(|item| !item.is_empty()).collect())
}

/// Several lines with their indentation, or several texts.
pub(super) fn lines(value: &Value) -> Result<String, String> {
    match &value.kind {
        ValueKind::Array(items) => {
            Ok(items.iter().map(text).collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
        ValueKind::String(lines) => Ok(lines.clone()),
        _ => text(value),
    }
}

/// A duration within these bounds, both included.
pub(super) fn duration(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&Value) -> Result<Duration, String> {
    move |value| {
        let text = text(value)?;
        // A number that overflows is a duration that is too long.
        let duration = match humantime::parse_duration(&text) {
            Ok(duration) => duration,
            Err(humantime::DurationError::NumberOverflow) => Duration::MAX,
            Err(_) => {
                return Err(format!(
                    "{text:?} is no duration; write a number and a unit, such as 250ms, 20s or 1h"
                ));
            }
        };
        if bounds.contains(&duration) {
            return Ok(duration);
        }
        let bound = |bound: &Duration| humantime::format_duration(*bound).to_string();
        let (least, most) = (bound(bounds.start()), bound(bounds.end()));
        Err(format!("{text:?} is out of bounds; write a duration from {least} to {most}"))
    }
}

pub(super) fn duration_or_auto(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&Value) -> Result<Option<Duration>, String> {
    let duration = duration(bounds);
    move |value| if text(value)? == "auto" { Ok(None) } else { duration(value).map(Some) }
}

pub(super) fn switch(value: &Value) -> Result<bool, String> {
    match text(value)?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{other:?} is neither true nor false; write one of them")),
    }
}

/// An integer within these bounds, both included.
pub(super) fn whole_number(bounds: RangeInclusive<u32>) -> impl Fn(&Value) -> Result<u32, String> {
    move |value| {
        let text = text(value)?;
        let (least, most) = (bounds.start(), bounds.end());
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if bounds.contains(&number) => Ok(number),
            Err(_) if !is_number => {
                Err(format!("{text:?} is no whole number; write one from {least} to {most}"))
            }
            _ => Err(format!("{text:?} is out of bounds; write a number from {least} to {most}")),
        }
    }
}

/// A limit, at once or in a second; zero turns it off.
pub(super) fn limit(value: &Value) -> Result<u32, String> {
    whole_number(0..=MAX_LIMIT)(value)
}

/// Memory, in bytes.
pub(super) fn bytes(value: &Value) -> Result<usize, String> {
    Ok(whole_number(1..=u32::MAX)(value)? as usize)
}

pub(super) fn address(value: &Value) -> Result<Option<SocketAddr>, String> {
    let text = text(value)?;
    text.parse().map(Some).map_err(|_| {
        format!("{text:?} is no address to listen on; write an IP address and a port, such as 0.0.0.0:8080 or [::]:8080")
    })
}

pub(super) fn networks(value: &Value) -> Result<Vec<IpNet>, String> {
    let parse = |item: String| {
        let network = item.parse::<IpNet>().ok();
        let single = || item.parse::<IpAddr>().ok().map(IpNet::from);
        network.or_else(single).ok_or_else(|| {
            format!(
                "{item:?} is no network; write an address with a prefix length, such as 10.0.0.0/8"
            )
        })
    };
    list(value)?.into_iter().map(parse).collect()
}
