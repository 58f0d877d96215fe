//! The permission for each call to LiveKit's API: taken from this instance's budget, and from the budget of all instances
//! together.

use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use crate::coordination::CoordinationError;

use super::{
    context::Context,
    state::{budget::CallPurpose, queue::Importance},
};

/// A probe lets comparisons for waiting clients go first, and tries again after this time.
const STAND_BACK_DELAY: Duration = Duration::from_millis(20);
/// A further call of a comparison, or a moderator's, waits this long for the budget.
const BUDGET_TIMEOUT: Duration = Duration::from_secs(1);

/// What a list costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListCall {
    /// A call, which was taken.
    Taken,
    /// None, because LiveKit's Redis has it. If it fails after all, a call has to be taken.
    NotNeeded,
}

impl Context {
    /// Takes a call if the budget allows it now.
    pub async fn may_call(&self, purpose: CallPurpose) -> bool {
        let is_allowed = self.schedule().budget.take(purpose, Instant::now()).is_ok();
        is_allowed && matches!(self.take_shared_call(purpose).await, Ok(Duration::ZERO))
    }

    /// Takes a call if the budget allows it soon.
    pub async fn may_call_soon(&self, purpose: CallPurpose) -> bool {
        let allowance = timeout(BUDGET_TIMEOUT, self.allowance(purpose));
        matches!(allowance.await, Ok(Ok(())))
    }

    /// Waits until the budget allows a call, and takes it.
    pub async fn allowance(&self, purpose: CallPurpose) -> Result<(), CoordinationError> {
        loop {
            let now = Instant::now();
            let taken = {
                let mut schedule = self.schedule();
                let next = schedule.queue.due(now).next().map(|due| due.importance);
                // Clients who wait come first.
                if next == Some(Importance::Waiting) && schedule.has_free_place() {
                    Err(now + STAND_BACK_DELAY)
                } else {
                    schedule.budget.take(purpose, now)
                }
            };
            match taken {
                Ok(()) if self.take_shared_call(purpose).await?.is_zero() => return Ok(()),
                Ok(()) => {}
                Err(ready_at) => sleep_until(ready_at.into()).await,
            }
        }
    }

    /// Takes a call for a moderator, who waits at most [`BUDGET_TIMEOUT`] for it. If there is none by then, returns after which
    /// time there may be one.
    pub async fn moderators_call(&self) -> Result<Result<(), Duration>, CoordinationError> {
        let purpose = CallPurpose::Moderation;
        let deadline = Instant::now() + BUDGET_TIMEOUT;
        loop {
            let now = Instant::now();
            let taken = self.schedule().budget.take(purpose, now);
            let ready_at = match taken {
                Ok(()) => match self.take_shared_call(purpose).await? {
                    Duration::ZERO => return Ok(Ok(())),
                    wait => {
                        self.schedule().budget.give_back(purpose, now);
                        Instant::now() + wait
                    }
                },
                Err(ready_at) => ready_at,
            };
            if ready_at > deadline {
                return Ok(Err(ready_at.saturating_duration_since(now)));
            }
            sleep_until(ready_at.into()).await;
        }
    }

    /// Takes a call from the budget of all instances together. If none is left, returns how long to wait, and this instance's own
    /// budget grants none until then.
    pub async fn take_shared_call(
        &self,
        purpose: CallPurpose,
    ) -> Result<Duration, CoordinationError> {
        let shared = self.schedule().budget.shared(purpose);
        let wait = self.peers.take_call(&shared).await?;
        if !wait.is_zero() {
            self.schedule().budget.deny(purpose, Instant::now() + wait);
        }
        Ok(wait)
    }
}
