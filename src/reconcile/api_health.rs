//! Whether LiveKit's API works, told from its answers; and whether one that says nothing is everybody's trouble or one room's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{info, warn};

use crate::{abort_on_panic, livekit::ApiError, presence::RoomName};

use super::{
    context::{Scheduler, State},
    state::{budget::CallPurpose, refusals::LIVEKIT_RETRIES_FOR},
};

/// While LiveKit's API is down the pause between two calls doubles, up to this.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(10);
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// This many calls in a row that say nothing are not one room's own trouble, if a small one says nothing either.
const FAILURES_IN_A_ROW: u32 = 3;

/// What LiveKit was asked about.
#[derive(Clone, Copy)]
pub(super) enum About<'room> {
    /// Something of one room, which may be large, or in trouble.
    Room(&'room RoomName),
    /// Whether there is a room: a small answer, that comes wherever LiveKit works.
    Existence,
    /// All rooms.
    Rooms,
}

/// Whether LiveKit's API answers.
pub(super) enum Health {
    Up,
    Down { since: Instant, backoff: Duration },
}

impl Scheduler {
    /// Notes whether LiveKit's API works, and slows down while it does not. Says so once, not at each call.
    pub fn api_answered(&self, about: About<'_>, error: Option<&ApiError>) {
        let mut state = self.state();
        let now = Instant::now();
        match error {
            None | Some(ApiError::NoResponse) => {
                state.failures = 0;
                state.budget.recover(now);
                if let Health::Down { since, .. } = std::mem::replace(&mut state.health, Health::Up)
                {
                    info!("LiveKit's API answers again");
                    self.metrics.api_up.set(1);
                    // What it did meanwhile may have reached nobody.
                    if now.duration_since(since) > LIVEKIT_RETRIES_FOR {
                        state.sweep.want(now);
                    }
                }
            }
            Some(ApiError::Limited(wait)) => {
                let secs = wait.as_secs();
                warn!(
                    wait.secs = secs,
                    "LiveKit limits our calls; lower `livekit.calls_per_minute`"
                );
                state.budget.limit(now + *wait);
            }
            Some(error @ (ApiError::Unreachable(_) | ApiError::Refused { .. })) => {
                self.api_is_down(&mut state, error, now);
            }
            Some(
                error @ (ApiError::TimedOut(_)
                | ApiError::Failed { .. }
                | ApiError::TooLarge(_)
                | ApiError::CutOff(_)
                | ApiError::Unreadable(_)),
            ) => self.answer_failed(&mut state, about, error, now),
        }
    }

    /// That may be one room's own trouble. Several in a row are not, if LiveKit cannot even say whether there is a room.
    fn answer_failed(&self, state: &mut State, about: About<'_>, error: &ApiError, now: Instant) {
        state.failures += 1;
        if state.failures < FAILURES_IN_A_ROW {
            return;
        }
        match about {
            About::Room(room) => {
                state.check_wanted = Some(room.clone());
                self.wake.notify_one();
            }
            About::Existence | About::Rooms => {
                self.api_is_down(state, error, now);
                // The next room that fails is reason enough to look again.
                state.failures = FAILURES_IN_A_ROW - 1;
            }
        }
    }

    /// Asks LiveKit something small, where several answers in a row said nothing.
    pub fn start_check(self: &Arc<Self>) {
        let mut state = self.state();
        if state.is_checking {
            return;
        }
        let Some(room) = state.check_wanted.take() else { return };
        state.is_checking = true;
        let inner = Arc::clone(self);
        let checking = async move {
            if inner.may_call(CallPurpose::Waiting).await {
                let rooms = inner.api.list_rooms(&[&room]).await;
                inner.api_answered(About::Existence, rooms.as_ref().err());
            }
            inner.state().is_checking = false;
        };
        tokio::spawn(abort_on_panic::task("a check of LiveKit's API", checking));
    }

    /// LiveKit did not give a room's list, or not so that it can be read.
    pub fn list_failed(&self, room: &RoomName, error: &ApiError) {
        if !error.is_of_one_answer() {
            return;
        }
        let mut state = self.state();
        let now = Instant::now();
        let is_too_large = matches!(error, ApiError::TooLarge(_));
        let trouble = state.troubles.failed(room, is_too_large, now);
        let is_up = matches!(state.health, Health::Up);
        // At once where it can be nothing but the room, otherwise when that has turned out.
        let is_news = trouble.failures == if is_too_large { 1 } else { FAILURES_IN_A_ROW + 1 };
        if is_news && is_up {
            warn!(
                room.name = %room,
                %error,
                again.secs = (trouble.until - now).as_secs(),
                "cannot compare a room with LiveKit's list; it is as webhooks give it, and stale"
            );
        }
    }

    pub fn api_is_down(&self, state: &mut State, error: &ApiError, now: Instant) {
        state.troubles.forget();
        let (since, backoff) = match state.health {
            Health::Up => {
                warn!(%error, "LiveKit's API does not work; lists are as webhooks give them");
                self.metrics.api_up.set(0);
                (now, FIRST_BACKOFF)
            }
            // Calls that were under way together fail together.
            Health::Down { .. } if state.budget.paused_until() > now => return,
            Health::Down { since, backoff } => (since, (backoff * 2).min(MAX_BACKOFF)),
        };
        state.budget.back_off(now + backoff);
        state.health = Health::Down { since, backoff };
    }
}
