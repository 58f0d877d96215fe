//! What an operator says to the command, beside the configuration.

use std::{path::PathBuf, time::Duration};

use axum::http::Uri;

/// A stream is not watched longer.
pub const MAX_PATIENCE: Duration = Duration::from_mins(10);

/// How to look.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where browsers and LiveKit reach the service; none: `http.public_url`, or else the address where the service listens.
    pub public_url: Option<Uri>,
    /// A PEM file with further certificate authorities, for a public address whose certificate a private authority has signed.
    pub ca_file: Option<PathBuf>,
    /// A page's origin that must be able to read.
    pub origin: Option<String>,
    /// How long a stream is watched, at most [`MAX_PATIENCE`].
    pub patience: Duration,
}
