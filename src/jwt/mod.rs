//! JSON Web Tokens: their signatures, and the claims that every token has. What a token is for, and who may sign it, is decided by those
//! who verify it: `livekit` for LiveKit's tokens, `app_auth` for those of an app.

mod hs256;
mod key;
mod provider;
mod public_key;

pub use key::{NotVerified, Signature, TokenHeader, VerifyingKey};
pub use provider::install;
