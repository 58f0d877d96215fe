//! How values are written in the database.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::presence::{LeftWhy, ToldBy};

/// The end of what goes on.
pub const OPEN: i64 = i64::MAX;

/// A text as the database has it. `PostgreSQL` takes no NUL, which an identity or a name may hold.
pub fn stored_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// What sessions of an identity are found by. Two identities may share it, so compare the identity too.
pub fn identity_key(identity: &str) -> i64 {
    let hash: [u8; 32] = Sha256::digest(stored_text(identity).as_bytes()).into();
    let (first, _) = hash.split_first_chunk().expect("a hash has more than eight bytes");
    i64::from_be_bytes(*first)
}

/// An identity that was erased is remembered by this alone.
pub(super) fn identity_hash(identity: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(stored_text(identity).as_bytes()).into();
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn told_by(told_by: ToldBy) -> &'static str {
    match told_by {
        ToldBy::Webhook => "webhook",
        ToldBy::Comparison => "comparison",
    }
}

pub(super) fn left_why(why: LeftWhy) -> &'static str {
    match why {
        LeftWhy::Said => "said",
        LeftWhy::Concluded => "concluded",
        LeftWhy::Hidden => "hidden",
    }
}
