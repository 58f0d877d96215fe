//! Who asks for a token of LiveKit: the app knows. Either it has signed a token of its own (`tokens.keys`, `tokens.jwks_url`), or it is
//! asked (`tokens.authorize_url`).
//!
//! Says who it is, and what the app wants them to have. Knows nothing of our own HTTP, and nothing of rooms.

mod authorizer;
mod error;
mod key_cache;
mod key_set;
mod key_source;
mod metrics;
mod tokens;

pub use authorizer::{AppAnswer, Authorizer};
pub use error::{AppTokenError, AuthorizeError};
pub use key_source::KeySource;
pub use metrics::AppAuthMetrics;
pub use tokens::{AppTokens, AppUser};
