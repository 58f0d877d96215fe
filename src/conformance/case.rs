//! One thing that must hold.

use std::pin::Pin;

use serde::Serialize;

use super::{group::Group, options::Options, room::Room};

/// What a case found: nothing wrong, or a sentence that says what is.
pub(super) type Judged = Result<(), String>;

pub(super) type Judging = Pin<Box<dyn Future<Output = Judged> + Send>>;

/// One thing that must hold, and how that is tried.
pub(super) struct Case {
    pub info: CaseInfo,
    pub needs: Needs,
    try_in: Box<dyn Fn(Room) -> Judging + Send + Sync>,
}

/// What a case is about.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CaseInfo {
    /// `group/name`. Stays the same from release to release.
    #[serde(rename = "case")]
    pub id: String,
    pub group: Group,
    /// A sentence that says what must hold.
    pub must: &'static str,
    /// Where that is said: a standard, LiveKit's sources, or this project's design.
    pub source: &'static str,
}

/// What an implementation has to have for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Tokens,
    Streams,
    /// An implementation with both.
    TokensOfStreams,
    Origin,
}

impl Case {
    pub fn new(
        group: Group,
        name: &str,
        source: &'static str,
        must: &'static str,
        try_in: impl Fn(Room) -> Judging + Send + Sync + 'static,
    ) -> Self {
        let needs = match group {
            Group::Tokens => Needs::Tokens,
            Group::Sse | Group::Reconnects => Needs::Streams,
            Group::Signatures
            | Group::Order
            | Group::Loss
            | Group::Duplicates
            | Group::Hidden
            | Group::Details
            | Group::Get
            | Group::Captured => Needs::Nothing,
        };
        let info = CaseInfo { id: format!("{group}/{name}"), group, must, source };
        Self { info, needs, try_in: Box::new(try_in) }
    }

    pub fn needing(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    /// Tries it in a room where nobody is yet.
    pub fn judge(&self, room: Room) -> Judging {
        (self.try_in)(room)
    }

    /// Why there is nothing to try, if so.
    pub fn idle_reason(&self, options: &Options) -> Option<&'static str> {
        let of_tokens = options.is_open.then_some("anybody may read, as --open says");
        let of_streams = options
            .paths
            .stream
            .is_empty()
            .then_some("there are no streams, as --stream-path says");
        match self.needs {
            Needs::Nothing => None,
            Needs::Tokens => of_tokens,
            Needs::Streams => of_streams,
            Needs::TokensOfStreams => of_tokens.or(of_streams),
            Needs::Origin => {
                options.origin.is_none().then_some("no page that may read is named with --origin")
            }
        }
    }
}

/// The cases of a group: a name, in brackets what is needed beside lists, the source, a sentence, and what is done in a room to see
/// that it holds.
macro_rules! cases {
    ($group:ident $($name:literal $([$needs:ident])?, $source:literal, $must:literal => |$room:ident| $body:block)+) => {
        pub(in crate::conformance) fn cases() -> Vec<$crate::conformance::case::Case> {
            vec![$({
                async fn try_in($room: $crate::conformance::room::Room) -> $crate::conformance::case::Judged $body
                let group = $crate::conformance::group::Group::$group;
                $crate::conformance::case::Case::new(group, $name, $source, $must, |room| Box::pin(try_in(room)))
                    $(.needing($crate::conformance::case::Needs::$needs))?
            },)+]
        }
    };
}

pub(super) use cases;

/// Says what is wrong unless it holds.
pub(super) fn ensure(holds: bool, wrong: impl FnOnce() -> String) -> Judged {
    if holds { Ok(()) } else { Err(wrong()) }
}
