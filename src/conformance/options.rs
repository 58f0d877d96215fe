//! What is said to the command.

use std::{path::PathBuf, time::Duration};

use axum::http::Uri;

use crate::livekit::ApiKey;

use super::group::Group;

/// What is tried, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the implementation is.
    pub url: Uri,
    pub paths: Paths,
    /// Signs webhooks, and the tokens of readers.
    pub key: ApiKey,
    /// Only cases of these groups; empty: all.
    pub only: Vec<Group>,
    /// How long anything is waited for.
    pub timeout: Duration,
    /// How long a stream may be silent.
    pub silence: Duration,
    /// How many cases run at the same time.
    pub at_once: usize,
    /// Anybody may read, so that nothing is said about tokens.
    pub is_open: bool,
    /// The origin of a page that may read; without one nothing is said about CORS.
    pub origin: Option<String>,
    /// A PEM file with further certificate authorities.
    pub ca_file: Option<PathBuf>,
}

/// Where an implementation has what. `{room}` stands for a room's name, percent-encoded.
#[derive(Clone, Debug)]
pub struct Paths {
    pub webhook: String,
    pub list: String,
    /// Empty where there are no streams.
    pub stream: String,
}

/// Nobody waits longer for a case.
const MAX_WAIT: Duration = Duration::from_mins(10);

impl Options {
    /// How long something is waited for.
    ///
    /// # Errors
    /// It is not a time, or out of bounds.
    pub fn parse_wait(text: &str) -> Result<Duration, String> {
        let wait = humantime::parse_duration(text).map_err(|error| error.to_string())?;
        if wait.is_zero() || wait > MAX_WAIT {
            return Err("write a time of more than 0s and at most 10m".to_owned());
        }
        Ok(wait)
    }
}

impl Paths {
    /// # Errors
    /// It does not begin with a slash.
    pub fn parse(text: &str) -> Result<String, String> {
        if text.starts_with('/') {
            return Ok(text.to_owned());
        }
        Err("write a path that begins with a slash, such as /api/webhook".to_owned())
    }

    /// As `parse`, and an empty text for an implementation without streams.
    ///
    /// # Errors
    /// It is not empty, and does not begin with a slash.
    pub fn parse_stream(text: &str) -> Result<String, String> {
        if text.is_empty() { Ok(String::new()) } else { Self::parse(text) }
    }

    /// Where this service takes webhooks.
    pub const WEBHOOK: &str = "/api/livekit/webhook";
    /// Where this service has a room's list.
    pub const LIST: &str = "/api/livekit/participants?room={room}";
    /// Where this service has a room's stream.
    pub const STREAM: &str = "/api/livekit/participants/stream?room={room}";
}
