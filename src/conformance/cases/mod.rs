//! The cases, one file for each group.

mod captured;
mod details;
mod details_texts;
mod duplicates;
mod get;
mod get_caching;
mod get_cors;
mod hidden;
mod loss;
mod order;
mod reconnects;
mod signatures;
mod signatures_bodies;
mod sse;
mod sse_frames;
mod tokens;

use super::case::Case;

/// All of them. What waits for long comes first, so that nothing waits for it alone.
pub(super) fn all() -> Vec<Case> {
    [
        sse::cases(),
        captured::cases(),
        signatures::cases(),
        signatures_bodies::cases(),
        order::cases(),
        loss::cases(),
        duplicates::cases(),
        hidden::cases(),
        details::cases(),
        details_texts::cases(),
        tokens::cases(),
        sse_frames::cases(),
        reconnects::cases(),
        get::cases(),
        get_caching::cases(),
        get_cors::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
