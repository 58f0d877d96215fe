//! The table `[auth]`: who may read.

use config::Value;

use crate::{
    http::{AuthMode, AuthSettings, CorsOrigins},
    livekit::ApiKey,
};

use super::{
    keys::{reject_repeated, take_keys},
    start_mode::StartMode,
    values::{Values, optional_text, text},
};

/// Who may read, and which keys may sign clients' tokens.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    pub settings: AuthSettings,
    /// Beside LiveKit's own keys, which may sign clients' tokens too.
    pub keys: Vec<ApiKey>,
}

impl AuthConfig {
    pub(super) fn take(
        values: &mut Values,
        settings: AuthSettings,
        livekit_keys: &[ApiKey],
    ) -> Self {
        let keys = take_keys(values, "auth.keys");
        reject_repeated(values, "auth.keys", livekit_keys, &keys);
        Self { settings, keys }
    }
}

/// Everything but the keys.
pub(super) fn take_settings(
    values: &mut Values,
    cors_origins: &CorsOrigins,
    start_mode: StartMode,
) -> AuthSettings {
    let mode = values.take("auth.mode", auth_mode).unwrap_or(AuthMode::LiveKit);
    let cookie = values.take("auth.cookie", optional_text);
    if cookie.is_some() && *cors_origins == CorsOrigins::Any {
        values.reject(
            "auth.cookie",
            "cannot be used with `http.cors_origins` = \"*\": any page could read with its visitor's cookie; name the origins",
        );
    }
    match start_mode {
        StartMode::Serve | StartMode::Export => AuthSettings { mode, cookie },
        StartMode::Demo => AuthSettings { mode: AuthMode::Open, cookie: None },
    }
}

fn auth_mode(value: &Value) -> Result<Option<AuthMode>, String> {
    match text(value)?.as_str() {
        "livekit" => Ok(Some(AuthMode::LiveKit)),
        "open" => Ok(Some(AuthMode::Open)),
        other => Err(format!("{other:?} is no mode; write livekit or open")),
    }
}
