//! What one reading costs. It is charged as it comes, so that a reading that ends early, or that nobody waits for any more, is paid
//! too.

use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::{error::LiveKitRedisError, shared::Shared};

/// A reading that was not granted waits this long for the budget. Then LiveKit's API is asked, as its own budget allows.
const BUDGET_TIMEOUT: Duration = Duration::from_millis(500);

/// How a reading is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// It waits for the budget, for half a second at most.
    Waits,
    /// It may begin, and this much was charged for it already.
    Granted(usize),
}

pub(super) struct Spending<'shared> {
    shared: &'shared Shared,
    payment: Payment,
    /// What was charged.
    charged: usize,
    /// What the reading will bring, as far as that is known.
    expected: usize,
    /// What it has brought.
    bytes: usize,
}

impl<'shared> Spending<'shared> {
    pub fn new(shared: &'shared Shared, payment: Payment) -> Self {
        let charged = match payment {
            Payment::Waits => 0,
            Payment::Granted(charged) => charged,
        };
        Self { shared, payment, charged, expected: 0, bytes: 0 }
    }

    /// Waits until this much may be read.
    pub async fn afford(&mut self, expected: usize) -> Result<(), LiveKitRedisError> {
        self.expected = expected;
        match self.payment {
            Payment::Granted(_) => self.afford_now(),
            Payment::Waits => self.wait().await,
        }
    }

    /// The reading was granted. If it turns out to be larger than what was charged, it begins only if it need not wait.
    fn afford_now(&mut self) -> Result<(), LiveKitRedisError> {
        let (expected, now) = (self.expected, Instant::now());
        let more = expected.saturating_sub(self.charged);
        let mut budget = self.shared.budget();
        if more == 0 || !budget.is_large(expected) {
            return Ok(());
        }
        if budget.ready_at(expected, now).is_some() {
            return Err(LiveKitRedisError::OverBudget { expected });
        }
        budget.take_part(more, expected, now);
        self.charged += more;
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), LiveKitRedisError> {
        let deadline = Instant::now() + BUDGET_TIMEOUT;
        loop {
            let now = Instant::now();
            let ready_at = {
                let mut budget = self.shared.budget();
                let ready_at = budget.ready_at(self.expected, now);
                if ready_at.is_none() {
                    self.charged += budget.take(self.expected, now);
                }
                ready_at
            };
            match ready_at {
                None => return Ok(()),
                Some(at) if at > deadline => {
                    return Err(LiveKitRedisError::OverBudget { expected: self.expected });
                }
                Some(at) => sleep_until(at.into()).await,
            }
        }
    }

    /// The reading brought this much more.
    pub fn brought(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.shared.metrics.brought(bytes);
        let more = self.bytes.saturating_sub(self.charged);
        if more > 0 {
            self.charged += more;
            // As what it was begun as: small ones that turn out large have those that follow wait.
            self.shared.budget().take_part(more, self.expected, Instant::now());
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
