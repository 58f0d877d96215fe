//! The table `[log]`: what is logged, and how.

use config::Value;

use super::values::{Values, text};

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogConfig {
    pub format: LogFormat,
    /// A filter as `tracing_subscriber::EnvFilter` reads it.
    pub level: String,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, else JSON.
    #[default]
    Auto,
    Human,
    Json,
}

impl LogConfig {
    pub(super) fn take(values: &mut Values) -> Self {
        Self {
            format: values.take("log.format", log_format),
            level: values.take("log.level", log_level),
        }
    }
}

fn log_format(value: &Value) -> Result<LogFormat, String> {
    match text(value)?.as_str() {
        "auto" => Ok(LogFormat::Auto),
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("{other:?} is no format; write human, json or auto")),
    }
}

fn log_level(value: &Value) -> Result<String, String> {
    let level = text(value)?;
    // The filter's parser takes any other word for a module's name, and then logs nothing.
    let is_level = |word: &str| word.parse::<tracing::Level>().is_ok() || word == "off";
    let is_plain = |word: &&str| !word.contains(['=', '[', ':']);
    if let Some(word) =
        level.split(',').map(str::trim).filter(is_plain).find(|word| !is_level(word))
    {
        return Err(format!("{word:?} is no level; write error, warn, info, debug or trace"));
    }
    match level.parse::<tracing_subscriber::filter::EnvFilter>() {
        Ok(_) if !level.is_empty() => Ok(level),
        _ => Err(format!("{level:?} is no level; write error, warn, info, debug or trace")),
    }
}
