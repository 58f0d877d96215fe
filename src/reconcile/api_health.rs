//! Judges from LiveKit's answers whether its API works, and whether a failed answer is a general failure or the trouble of one
//! room.

use std::{sync::Arc, time::Instant};

use tracing::{info, warn};

use crate::{abort_on_panic, livekit::ApiError, presence::RoomName};

use super::{
    context::Context,
    state::{
        budget::CallPurpose,
        health::{FIRST_BACKOFF, Health, MAX_BACKOFF},
        refusals::LIVEKIT_RETRIES_FOR,
        schedule::Schedule,
    },
};

/// After this many failed calls in a row LiveKit is asked something small. If that fails too, the trouble is not one room's own.
const FAILURES_IN_A_ROW: u32 = 3;

/// What LiveKit was asked about.
#[derive(Clone, Copy)]
pub(super) enum CallTarget<'room> {
    /// Something of one room, which may be large, or in trouble.
    Room(&'room RoomName),
    /// Whether there is a room. The answer is small, and comes whenever LiveKit works.
    Existence,
    /// All rooms.
    Rooms,
}

impl Context {
    /// Notes whether LiveKit's API works, and slows down while it does not. Logs each change once.
    pub fn api_answered(&self, target: CallTarget<'_>, error: Option<&ApiError>) {
        let mut schedule = self.schedule();
        let now = Instant::now();
        match error {
            None | Some(ApiError::NoResponse) => self.api_is_up(&mut schedule, now),
            Some(ApiError::Limited(wait)) => {
                warn!(
                    wait.secs = wait.as_secs(),
                    "LiveKit limits our calls; lower `livekit.calls_per_minute`"
                );
                schedule.budget.limit(now + *wait);
            }
            Some(error @ (ApiError::Unreachable(_) | ApiError::Refused { .. })) => {
                self.api_is_down(&mut schedule, error, now);
            }
            Some(
                error @ (ApiError::TimedOut(_)
                | ApiError::Declined { .. }
                | ApiError::Failed { .. }
                | ApiError::TooLarge(_)
                | ApiError::CutOff(_)
                | ApiError::Unreadable(_)),
            ) => self.answer_failed(&mut schedule, target, error, now),
        }
    }

    fn api_is_up(&self, schedule: &mut Schedule, now: Instant) {
        schedule.failures = 0;
        schedule.budget.recover(now);
        if let Health::Down { since, .. } = std::mem::replace(&mut schedule.health, Health::Up) {
            info!("LiveKit's API answers again");
            self.metrics.api_up.set(1);
            // The webhooks that LiveKit sent meanwhile may have reached nobody.
            if now.duration_since(since) > LIVEKIT_RETRIES_FOR {
                schedule.sweep.want(now);
            }
        }
    }

    /// One failed answer may be one room's own trouble. Several in a row are not, if LiveKit cannot even say whether there is a
    /// room.
    fn answer_failed(
        &self,
        schedule: &mut Schedule,
        target: CallTarget<'_>,
        error: &ApiError,
        now: Instant,
    ) {
        schedule.failures += 1;
        if schedule.failures < FAILURES_IN_A_ROW {
            return;
        }
        match target {
            CallTarget::Room(room) => {
                schedule.check_wanted = Some(room.clone());
                self.wake.notify_one();
            }
            CallTarget::Existence | CallTarget::Rooms => {
                self.api_is_down(schedule, error, now);
                // The next failure of a room starts another check.
                schedule.failures = FAILURES_IN_A_ROW - 1;
            }
        }
    }

    fn api_is_down(&self, schedule: &mut Schedule, error: &ApiError, now: Instant) {
        schedule.troubles.forget();
        schedule.alarm(now);
        let (since, backoff) = match schedule.health {
            Health::Up => {
                warn!(%error, "LiveKit's API does not work; lists are as webhooks give them");
                self.metrics.api_up.set(0);
                (now, FIRST_BACKOFF)
            }
            // Calls that were under way together fail together.
            Health::Down { .. } if schedule.budget.paused_until() > now => return,
            Health::Down { since, backoff } => (since, (backoff * 2).min(MAX_BACKOFF)),
        };
        schedule.budget.back_off(now + backoff);
        schedule.health = Health::Down { since, backoff };
    }

    /// Asks LiveKit something small, if several answers in a row said nothing.
    pub fn start_check(self: &Arc<Self>) {
        let mut schedule = self.schedule();
        if schedule.is_checking {
            return;
        }
        let Some(room) = schedule.check_wanted.take() else { return };
        schedule.is_checking = true;
        let context = Arc::clone(self);
        let checking = async move {
            if context.may_call(CallPurpose::Waiting).await {
                let rooms = context.api.list_rooms(&[&room]).await;
                context.api_answered(CallTarget::Existence, rooms.as_ref().err());
            }
            context.schedule().is_checking = false;
        };
        tokio::spawn(abort_on_panic::task("a check of LiveKit's API", checking));
    }

    /// LiveKit did not give a room's list, or gave one that cannot be read. The room is asked about again after a while.
    pub fn list_failed(&self, room: &RoomName, error: &ApiError) {
        if !error.is_of_one_answer() {
            return;
        }
        let mut schedule = self.schedule();
        let now = Instant::now();
        let is_too_large = matches!(error, ApiError::TooLarge(_));
        let trouble = schedule.troubles.failed(room, is_too_large, now);
        let is_up = matches!(schedule.health, Health::Up);
        // Logged at once if only the room can be the reason, otherwise after the check has shown that it is.
        let is_news = trouble.failures == if is_too_large { 1 } else { FAILURES_IN_A_ROW + 1 };
        if is_news && is_up {
            warn!(
                room.name = %room,
                %error,
                again.secs = (trouble.until - now).as_secs(),
                "cannot compare a room with LiveKit's list; it is shown as webhooks give it, and stale"
            );
        }
    }
}
