//! Asks LiveKit who is inside a room, and, if its list does not come, whether it has the room at all.

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    livekit::ApiError,
    presence::{RoomName, SessionInfo},
    reconcile::{
        api_health::CallTarget, context::Context, failure::Failure, state::budget::CallPurpose,
    },
};

/// If no list came within this time, `ListRooms` is asked beside it: if lists come from the nodes themselves
/// (`enable_psrpc_for_get_list_participants`), a room that closed and a room whose node is gone both end in a 503 after three
/// seconds.
const SLOW: Duration = Duration::from_secs(1);

/// What LiveKit said about who is inside.
pub enum Inside {
    People(Vec<SessionInfo>),
    /// LiveKit has the room, and does not say who is inside.
    Unsaid,
}

type List = Result<Vec<SessionInfo>, ApiError>;

/// The question who is inside a room. A call must have been taken for it; it takes the further ones itself.
#[derive(Clone, Copy)]
pub struct ListRequest<'room> {
    pub context: &'room Context,
    pub room: &'room RoomName,
    pub purpose: CallPurpose,
}

impl ListRequest<'_> {
    pub async fn send(self) -> Result<Inside, Failure> {
        let mut list = pin!(self.context.api.list_participants(self.room));
        let early = tokio::select! {
            list = &mut list => Some(list),
            () = sleep(SLOW) => None,
        };
        match early {
            Some(Err(error @ ApiError::NoResponse)) => {
                Ok(self.after_silence(self.exists().await?, &error))
            }
            Some(list) => self.heard(list),
            None => self.ask_beside(list).await,
        }
    }

    /// Asks whether LiveKit has the room, while its list is still waited for.
    async fn ask_beside(
        self,
        mut list: Pin<&mut impl Future<Output = List>>,
    ) -> Result<Inside, Failure> {
        let mut exists = pin!(self.exists());
        tokio::select! {
            list = &mut list => match list {
                Err(error @ (ApiError::NoResponse | ApiError::TimedOut(_))) => {
                    Ok(self.after_silence(exists.await?, &error))
                }
                list => self.heard(list),
            },
            exists = &mut exists => match exists {
                Ok(false) => Ok(Inside::People(Vec::new())),
                exists => match list.await {
                    Err(error @ (ApiError::NoResponse | ApiError::TimedOut(_))) => {
                        Ok(self.after_silence(exists?, &error))
                    }
                    list => self.heard(list),
                },
            },
        }
    }

    fn heard(self, list: List) -> Result<Inside, Failure> {
        self.context.api_answered(CallTarget::Room(self.room), list.as_ref().err());
        if let Err(error) = &list {
            self.context.list_failed(self.room, error);
        }
        Ok(Inside::People(list?))
    }

    /// LiveKit did not say who is inside, but whether it has the room.
    fn after_silence(self, exists: bool, error: &ApiError) -> Inside {
        if !exists {
            return Inside::People(Vec::new());
        }
        self.context.list_failed(self.room, error);
        Inside::Unsaid
    }

    async fn exists(self) -> Result<bool, Failure> {
        self.context.exists(self.room, self.purpose).await
    }
}
