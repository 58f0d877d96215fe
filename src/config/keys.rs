//! API keys as `livekit.keys` and `auth.keys` name them.

use std::collections::HashSet;

use crate::livekit::ApiKey;

use super::values::{Values, lines};

/// Takes the keys that a configuration key lists.
pub(super) fn take_keys(values: &mut Values, key: &str) -> Vec<ApiKey> {
    let lines = values.take(key, lines);
    ApiKey::parse_lines(&lines).unwrap_or_else(|error| {
        values.reject(key, format!("{error}; {}", error.advice()));
        Vec::new()
    })
}

/// Rejects names that `known` has, or that `more` has twice: a token's `iss` chooses its key.
pub(super) fn reject_repeated(values: &mut Values, key: &str, known: &[ApiKey], more: &[ApiKey]) {
    let mut names: HashSet<_> = known.iter().map(ApiKey::name).collect();
    for twice in more.iter().filter(|one| !names.insert(one.name())) {
        values.reject(key, format!("the key `{}` is there twice; remove one", twice.name()));
    }
}
