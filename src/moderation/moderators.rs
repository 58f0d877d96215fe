//! What moderators can do. Each act runs to its end even if whoever asked for it does not wait: LiveKit may have done it.

use std::{error::Error, panic::resume_unwind, sync::Arc};

use crate::{
    clock::Clock,
    livekit::{Api, ParticipantUpdate, UpdatedParticipant},
    presence::{Identity, Participant, Repair, RoomName, Track, TrackSid, TrackSource},
    reconcile::Reconciler,
    store::Store,
};

use super::{
    act::{Act, Action},
    calls::Before,
    error::{Absent, ModerationError},
    metrics::ActOutcome,
    record::Audit,
};

/// What moderation works on.
pub struct ModerationParts {
    pub api: Arc<Api>,
    pub store: Arc<dyn Store>,
    pub reconciler: Reconciler,
    pub clock: Clock,
    pub audit: Audit,
}

/// A participant whom a moderator has changed.
pub struct Updated {
    /// As the list shows them now; none if it does not show them.
    pub participant: Option<Participant>,
    can_publish: bool,
    /// Empty: any.
    sources: Vec<TrackSource>,
}

impl Updated {
    /// Whether LiveKit lets them publish tracks of this source.
    pub fn may_publish(&self, source: TrackSource) -> bool {
        self.can_publish && (self.sources.is_empty() || self.sources.contains(&source))
    }
}

/// Has LiveKit do what moderators want, and shows it at once.
pub struct Moderation {
    pub(super) api: Arc<Api>,
    pub(super) store: Arc<dyn Store>,
    pub(super) reconciler: Reconciler,
    pub(super) clock: Clock,
    pub(super) audit: Audit,
}

impl Moderation {
    pub fn new(parts: ModerationParts) -> Arc<Self> {
        let ModerationParts { api, store, reconciler, clock, audit } = parts;
        Arc::new(Self { api, store, reconciler, clock, audit })
    }

    /// Changes a participant.
    ///
    /// # Errors
    /// See [`ModerationError`].
    pub async fn update(
        self: &Arc<Self>,
        room: &RoomName,
        identity: &Identity,
        update: ParticipantUpdate,
        by: &str,
    ) -> Result<Updated, ModerationError> {
        let mut act = Act::new(room, Action::ParticipantUpdated, by).about(identity);
        let (this, identity) = (Arc::clone(self), identity.clone());
        to_its_end(async move {
            let updated = this.update_now(&mut act, &identity, &update).await;
            this.ended(&act, updated).await
        })
        .await
    }

    /// Removes a participant. Their token stays valid, unless it is to be revoked and LiveKit can do that.
    ///
    /// # Errors
    /// See [`ModerationError`].
    pub async fn remove(
        self: &Arc<Self>,
        room: &RoomName,
        identity: &Identity,
        revokes: bool,
        by: &str,
    ) -> Result<(), ModerationError> {
        let mut act = Act::new(room, Action::ParticipantRemoved, by).about(identity);
        let (this, identity) = (Arc::clone(self), identity.clone());
        to_its_end(async move {
            let removed = this.remove_now(&mut act, &identity, revokes).await;
            this.ended(&act, removed).await
        })
        .await
    }

    /// Mutes a track, or has it heard again. Returns it as it is now; none if the list does not show whose it is.
    ///
    /// # Errors
    /// See [`ModerationError`].
    pub async fn mute(
        self: &Arc<Self>,
        room: &RoomName,
        identity: &Identity,
        track: &TrackSid,
        muted: bool,
        by: &str,
    ) -> Result<Option<Track>, ModerationError> {
        let action = if muted { Action::TrackMuted } else { Action::TrackUnmuted };
        let act = Act::new(room, action, by).about(identity).of_track(track);
        self.mute_from(None, act, identity.clone(), track.clone()).await
    }

    /// Ends a room: everybody in it is removed.
    ///
    /// # Errors
    /// See [`ModerationError`].
    pub async fn end_room(
        self: &Arc<Self>,
        room: &RoomName,
        by: &str,
    ) -> Result<(), ModerationError> {
        let act = Act::new(room, Action::RoomEnded, by);
        let this = Arc::clone(self);
        to_its_end(async move {
            let ended = this.end_room_now(&act.room).await;
            this.ended(&act, ended).await
        })
        .await
    }

    /// As [`Self::mute`]; in a room that was read already, if there is one.
    pub(super) async fn mute_from(
        self: &Arc<Self>,
        before: Option<Before>,
        mut act: Act,
        identity: Identity,
        track: TrackSid,
    ) -> Result<Option<Track>, ModerationError> {
        let this = Arc::clone(self);
        to_its_end(async move {
            let muted = this.mute_now(&mut act, before, &identity, &track).await;
            this.ended(&act, muted).await
        })
        .await
    }

    /// Records what came of an act. Where that is not certain, the room is compared with LiveKit's list.
    async fn ended<T>(
        &self,
        act: &Act,
        outcome: Result<T, ModerationError>,
    ) -> Result<T, ModerationError> {
        if outcome.as_ref().is_err_and(ModerationError::leaves_doubt) {
            self.reconciler.suspect(&act.room);
        }
        let failure = outcome.as_ref().err();
        let error = failure.map(|failure| failure as &(dyn Error + Send + Sync));
        self.audit.record(act, ActOutcome::of(failure), error).await;
        outcome
    }

    async fn update_now(
        &self,
        act: &mut Act,
        identity: &Identity,
        update: &ParticipantUpdate,
    ) -> Result<Updated, ModerationError> {
        let room = &act.room.clone();
        let before = self.before(room).await?;
        act.is_hidden = self.find(room, &before, identity).await?.is_hidden;
        if update.permission.is_some() {
            // LiveKit is asked for the permission as it is.
            self.take_call().await?;
        }
        let call = self.api.update_participant(room, identity, update);
        let answer = self.ask_about(room, identity, call).await?;
        let UpdatedParticipant { info, sources } =
            answer.ok_or(ModerationError::Absent(Absent::Participant))?;
        let can_publish = info.profile.permission.can_publish;
        act.is_hidden = !info.is_visible();
        let steps = before.room.after_update(&info);
        let change = self.apply(room, before, steps).await?.change;
        let changed =
            change.into_iter().flat_map(|change| change.joined.into_iter().chain(change.updated));
        let mut participant = changed.into_iter().find(|one| one.sid == info.sid);
        if participant.is_none() && !act.is_hidden {
            let held = self.store.read(room).await.map_err(ModerationError::NotShown)?;
            let held = held.and_then(|held| held.shown(identity));
            participant = held.or_else(|| Some(info.as_participant()));
        }
        Ok(Updated { participant, can_publish, sources })
    }

    async fn remove_now(
        &self,
        act: &mut Act,
        identity: &Identity,
        revokes: bool,
    ) -> Result<(), ModerationError> {
        let room = &act.room.clone();
        let before = self.before(room).await?;
        let target = self.find(room, &before, identity).await?;
        act.is_hidden = target.is_hidden;
        let revoked_before = revokes.then(|| self.clock.now().as_secs());
        let call = self.api.remove_participant(room, identity, revoked_before);
        if !self.ask_about(room, identity, call).await? {
            return Err(ModerationError::Absent(Absent::Participant));
        }
        let mut steps = before.room.after_removal(identity);
        let unknown = |sid| Repair::Ended { sid, identity: identity.clone() };
        steps.extend(target.unknown.map(unknown));
        self.apply(room, before, steps).await.map(drop)
    }

    async fn mute_now(
        &self,
        act: &mut Act,
        before: Option<Before>,
        identity: &Identity,
        track: &TrackSid,
    ) -> Result<Option<Track>, ModerationError> {
        let room = &act.room.clone();
        let before = match before {
            Some(before) => before,
            None => self.before(room).await?,
        };
        let muted = act.action == Action::TrackMuted;
        act.is_hidden = self.find(room, &before, identity).await?.is_hidden;
        let call = self.api.mute_track(room, identity, track, muted);
        let answer = self.ask_about(room, identity, call).await.map_err(|error| match error {
            ModerationError::Declined { .. } if !muted => ModerationError::MayNotUnmute,
            other => other,
        })?;
        let answer = answer.ok_or(ModerationError::Absent(Absent::Track))?;
        let steps = before.room.after_mute(identity, &answer);
        self.apply(room, before, steps).await?;
        if answer.muted != muted {
            // Its owner has changed it at the same moment, and LiveKit's answer may lie between the two.
            self.reconciler.suspect(room);
        }
        Ok((!act.is_hidden).then_some(answer))
    }

    async fn end_room_now(&self, room: &RoomName) -> Result<(), ModerationError> {
        let before = self.before(room).await?;
        if !self.ask(room, self.api.delete_room(room)).await? {
            return Err(ModerationError::Absent(Absent::Room));
        }
        let steps = before.room.after_end();
        self.apply(room, before, steps).await.map(drop)
    }
}

/// Runs an act in a task of its own.
pub(super) async fn to_its_end<T: Send + 'static>(
    act: impl Future<Output = T> + Send + 'static,
) -> T {
    match tokio::spawn(act).await {
        Ok(outcome) => outcome,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime ends, and nobody waits any more.
            Err(_) => std::future::pending().await,
        },
    }
}
