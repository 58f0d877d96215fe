//! Reading single values. What cannot be read is said, and the rest is read all the same, so that all faults show at once.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use config::{Value, ValueKind};
use ipnet::IpNet;

use super::Fault;

/// Values by key; each is taken once.
pub(super) struct Values {
    values: BTreeMap<String, Value>,
    pub faults: Vec<Fault>,
}

impl Values {
    pub fn new(values: BTreeMap<String, Value>) -> Self {
        Self { values, faults: Vec::new() }
    }

    pub fn fault(&mut self, key: &str, problem: impl Into<String>) {
        self.faults.push(Fault { key: key.to_owned(), problem: problem.into() });
    }

    /// Takes a value. A wrong one is noted, and `T`'s default goes on in its place: it is never used.
    pub fn take<T: Default>(
        &mut self,
        key: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> T {
        let Some(value) = self.values.remove(key) else {
            self.fault(key, "is missing; give it a value or leave it to the defaults");
            return T::default();
        };
        match read(&value) {
            Ok(value) => value,
            Err(problem) => {
                let origin = value.origin().filter(|origin| !origin.is_empty());
                let origin = origin.map_or(String::new(), |origin| format!(" (from {origin})"));
                self.fault(key, format!("{problem}{origin}"));
                T::default()
            }
        }
    }

    /// What nobody took is a key that does not exist.
    pub fn finish(mut self) -> Vec<Fault> {
        for key in std::mem::take(&mut self.values).into_keys() {
            self.fault(&key, "there is no such key; `config/default.toml` lists all of them");
        }
        self.faults
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

/// Several lines, or several texts.
pub(super) fn lines(value: &Value) -> Result<String, String> {
    match &value.kind {
        ValueKind::Array(items) => {
            Ok(items.iter().map(text).collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
        _ => text(value),
    }
}

pub(super) fn duration(value: &Value) -> Result<Duration, String> {
    let text = text(value)?;
    humantime::parse_duration(&text).map_err(|_| {
        format!("{text:?} is no duration; write a number and a unit, such as 250ms, 20s or 1h")
    })
}

pub(super) fn duration_above_zero(value: &Value) -> Result<Duration, String> {
    let duration = duration(value)?;
    if duration.is_zero() { Err("must be longer than zero".into()) } else { Ok(duration) }
}

pub(super) fn duration_or_auto(value: &Value) -> Result<Option<Duration>, String> {
    if text(value)? == "auto" { Ok(None) } else { duration_above_zero(value).map(Some) }
}

pub(super) fn switch(value: &Value) -> Result<bool, String> {
    match text(value)?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{other:?} is neither true nor false; write one of them")),
    }
}

pub(super) fn whole_number(value: &Value) -> Result<u32, String> {
    let text = text(value)?;
    text.parse()
        .map_err(|_| format!("{text:?} is no whole number; write one from 0 to {}", u32::MAX))
}

pub(super) fn whole_number_above_zero(value: &Value) -> Result<u32, String> {
    match whole_number(value)? {
        0 => Err("must be above zero".into()),
        number => Ok(number),
    }
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
