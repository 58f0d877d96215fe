//! Why nobody is known to ask.

use std::time::Duration;

use crate::http_client::ExchangeError;

/// Why an app's token is not accepted. The texts go to its sender: they say what to mend, and nothing about our keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppTokenError {
    #[error(
        "the token is not a JWT signed with HS256, RS256, ES256 or EdDSA whose claims have the right types"
    )]
    Malformed,
    #[error("the token is signed with a key that is not known here")]
    UnknownKey,
    #[error("the token's signature does not fit any key for it")]
    BadSignature,
    #[error("the token has expired")]
    Expired,
    #[error("the token has no expiry (`exp`)")]
    NoExpiry,
    #[error("the token is not valid yet; the signer's clock may be ahead")]
    NotYetValid,
    #[error("the token names nobody (`sub`)")]
    NoSubject,
    #[error("the token is not for this service (`aud`)")]
    WrongAudience,
    #[error("the token is not of the issuer that counts here (`iss`)")]
    WrongIssuer,
    /// Nothing is said about the token: the app's keys cannot be had.
    #[error("the app's keys cannot be fetched at the moment; ask again")]
    KeysAway(String),
}

/// Why the app did not say who asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizeError {
    /// 401: the app does not know them.
    #[error("the app does not know who asks{}", said(.0.as_deref()))]
    Unknown(Option<String>),
    /// Another 4xx: the app does not let them in.
    #[error("the app refuses{}", said(.0.as_deref()))]
    Refused(Option<String>),
    /// 429, and when to come back.
    #[error("the app is asked too often")]
    Limited(Duration),
    #[error("too many ask the app at the moment; ask again")]
    Busy,
    #[error("the app cannot be asked: {0}")]
    Exchange(#[from] ExchangeError),
    #[error("the app answered with a redirect ({0}), which is not followed")]
    Redirect(u16),
    #[error("the app failed with {0}")]
    Failed(u16),
    #[error("the app's answer cannot be used: {0}")]
    Unreadable(String),
}

fn said(words: Option<&str>) -> String {
    words.map_or(String::new(), |words| format!(": {words}"))
}
