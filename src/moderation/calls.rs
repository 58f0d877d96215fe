//! How LiveKit is asked: within the budget of calls, and with what is known of the room from before.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    livekit::ApiError,
    presence::{Identity, ParticipantSid, Room, RoomName, StoreTime},
};

use super::{
    error::{Absent, ModerationError},
    moderators::Moderation,
};

/// Whoever has waited for a server of LiveKit in vain waits this much longer to hear whether LiveKit has the person at all.
const LOOK_TIMEOUT: Duration = Duration::from_millis(700);

/// A room before LiveKit is asked to change something.
#[derive(Clone)]
pub(super) struct Before {
    /// By the store's clock.
    pub asked_at: StoreTime,
    pub room: Arc<Room>,
}

/// Somebody whom an act is about.
pub(super) struct Target {
    /// Whether clients may not see them.
    pub is_hidden: bool,
    /// Their session, if only LiveKit knows them: their webhook is still on its way, or lost.
    pub unknown: Option<ParticipantSid>,
}

impl Moderation {
    pub(super) async fn before(&self, room: &RoomName) -> Result<Before, ModerationError> {
        let asked_at = self.store.now().await?;
        let room = self.store.read(room).await?.unwrap_or_default();
        Ok(Before { asked_at, room })
    }

    /// Looks for somebody. LiveKit is asked only about those whom the room does not have: about one whom it does not have either,
    /// most of its calls would take three seconds.
    pub(super) async fn find(
        &self,
        room: &RoomName,
        before: &Before,
        identity: &Identity,
    ) -> Result<Target, ModerationError> {
        if before.room.knows(identity) {
            return Ok(Target { is_hidden: before.room.hides(identity), unknown: None });
        }
        let found = self.ask(room, self.api.participant(room, identity)).await?;
        let found = found.ok_or(ModerationError::Absent(Absent::Participant))?;
        Ok(Target { is_hidden: !found.is_visible(), unknown: Some(found.sid) })
    }

    /// Makes a call within the budget.
    pub(super) async fn ask<T>(
        &self,
        room: &RoomName,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ModerationError> {
        self.take_call().await?;
        let answer = call.await;
        self.reconciler.moderator_answered(room, answer.as_ref().err());
        Ok(answer?)
    }

    /// As [`Self::ask`], about somebody. If no server answers for them in time, finds out whether LiveKit has them at all.
    pub(super) async fn ask_about<T>(
        &self,
        room: &RoomName,
        identity: &Identity,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ModerationError> {
        let answer = self.ask(room, call).await;
        if matches!(answer, Err(ModerationError::NoServer | ModerationError::TimedOut))
            && let looking = self.ask(room, self.api.participant(room, identity))
            && let Ok(Ok(None)) = timeout(LOOK_TIMEOUT, looking).await
        {
            return Err(ModerationError::Absent(Absent::Participant));
        }
        answer
    }

    pub(super) async fn take_call(&self) -> Result<(), ModerationError> {
        self.reconciler.moderators_call().await?.map_err(ModerationError::TooMany)
    }
}
