//! Asks LiveKit who is inside a room: its Redis, if that is used, or else its API; and, if the API's list does not come, whether
//! it has the room at all.

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use tokio::time::sleep;
use tracing::debug;

use crate::{
    livekit::{ApiError, redis::Payment},
    presence::{RoomName, SessionInfo},
    reconcile::{
        api_health::CallTarget, calls::ListCall, context::Context, failure::Failure,
        state::budget::CallPurpose,
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

/// The question who is inside a room. It takes the calls itself that it needs beside the one for the list.
#[derive(Clone, Copy)]
pub struct ListRequest<'room> {
    pub context: &'room Context,
    pub room: &'room RoomName,
    pub purpose: CallPurpose,
}

impl ListRequest<'_> {
    pub async fn send(self, call: ListCall) -> Result<Inside, Failure> {
        if let Some(people) = self.read_redis().await {
            return Ok(Inside::People(people));
        }
        let is_taken = match call {
            ListCall::Taken => true,
            ListCall::NotNeeded => self.context.may_call_soon(self.purpose).await,
        };
        if !is_taken {
            return Err(Failure::NoBudget);
        }
        let inside = self.ask_api().await?;
        if let Inside::People(people) = &inside {
            self.context.look_whose_redis_it_is(self.room, people).await;
        }
        Ok(inside)
    }

    /// Those whom LiveKit's Redis keeps. None if it is not used, or does not say.
    async fn read_redis(self) -> Option<Vec<SessionInfo>> {
        self.context.find_out_whose_redis_it_is(self.room).await;
        match self.context.kept()?.participants(self.room, Payment::Waits).await {
            Ok(kept) => Some(kept.sessions),
            Err(error) => {
                debug!(room.name = %self.room, %error, "asking LiveKit's API about a room");
                None
            }
        }
    }

    async fn ask_api(self) -> Result<Inside, Failure> {
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
