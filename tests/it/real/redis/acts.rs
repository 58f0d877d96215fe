//! What changes without a webhook.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::real::scenario::{Client, ROOM, Scenario, Version};

use super::instances::Instances;

/// One thing that somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Mute(By),
    Unmute(By),
    Name(By),
    Metadata(By),
    Attributes(By),
    Permission,
    Hide,
    Show,
    PublishData,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Client,
    Backend,
}

/// An act for the nth time, by or to alice.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    pub scenario: &'a Scenario,
    pub alice: &'a Client,
    pub microphone: &'a str,
    pub number: usize,
}

impl Act {
    pub const ALL: [Self; 14] = [
        Self::Mute(By::Client),
        Self::Unmute(By::Client),
        Self::Mute(By::Backend),
        Self::Unmute(By::Backend),
        Self::Name(By::Client),
        Self::Name(By::Backend),
        Self::Metadata(By::Client),
        Self::Metadata(By::Backend),
        Self::Attributes(By::Client),
        Self::Attributes(By::Backend),
        Self::Permission,
        Self::Hide,
        Self::Show,
        Self::PublishData,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mute(By::Client) => "mute by the client",
            Self::Mute(By::Backend) => "mute by the API",
            Self::Unmute(By::Client) => "unmute by the client",
            Self::Unmute(By::Backend) => "unmute by the API",
            Self::Name(By::Client) => "name by the client",
            Self::Name(By::Backend) => "name by the API",
            Self::Metadata(By::Client) => "metadata by the client",
            Self::Metadata(By::Backend) => "metadata by the API",
            Self::Attributes(By::Client) => "attributes by the client",
            Self::Attributes(By::Backend) => "attributes by the API",
            Self::Permission => "permission",
            Self::Hide => "hidden",
            Self::Show => "no longer hidden",
            Self::PublishData => "a data track",
        }
    }

    pub fn is_known_to(self, version: Version) -> bool {
        self != Self::PublishData || version.has_data_tracks()
    }

    /// Undoes what the act before left, where it would do nothing.
    pub async fn prepare(self, instances: &Instances, step: &Step<'_>) {
        let opposite = match self {
            Self::Mute(by) => Self::Unmute(by),
            Self::Unmute(by) => Self::Mute(by),
            Self::Hide => Self::Show,
            Self::Show => Self::Hide,
            Self::Name(_)
            | Self::Metadata(_)
            | Self::Attributes(_)
            | Self::Permission
            | Self::PublishData => return,
        };
        opposite.call(step).await;
        instances.show(|list| opposite.is_shown(list, step)).await;
    }

    /// Does it. Returns when it was called.
    pub async fn call(self, step: &Step<'_>) -> SystemTime {
        match self {
            Self::Mute(by) => step.mute(by, true).await,
            Self::Unmute(by) => step.mute(by, false).await,
            Self::Name(by) => step.update(by, json!({"name": step.text(by)})).await,
            Self::Metadata(by) => step.update(by, json!({"metadata": step.text(by)})).await,
            Self::Attributes(by) => {
                step.update(by, json!({"attributes": {"hand": step.text(by)}})).await
            }
            Self::Permission => {
                step.permit(json!({"can_publish_data": step.may_publish_data()})).await
            }
            Self::Hide => step.permit(json!({"hidden": true, "can_publish_data": true})).await,
            Self::Show => step.permit(json!({"hidden": false, "can_publish_data": true})).await,
            Self::PublishData => step.alice.publish_data(&step.text(By::Client)).await,
        }
    }

    /// Whether subscribers see it in this list, in which alice is alone, if she is not hidden.
    pub fn is_shown(self, list: &Value, step: &Step<'_>) -> bool {
        let alice = &list[0];
        match self {
            Self::Mute(_) => alice["tracks"][0]["muted"] == true,
            Self::Unmute(_) => alice["tracks"][0]["muted"] == false,
            Self::Name(by) => alice["name"] == step.text(by),
            Self::Metadata(by) => alice["metadata"] == step.text(by),
            Self::Attributes(by) => alice["attributes"]["hand"] == step.text(by),
            Self::Permission => {
                let permission = &alice["permission"]["canPublishData"];
                alice.is_object() && (*permission != false) == step.may_publish_data()
            }
            Self::Hide => list.as_array().is_some_and(Vec::is_empty),
            Self::Show => alice["identity"] == "alice",
            Self::PublishData => alice["dataTracks"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["name"] == step.text(By::Client))),
        }
    }
}

impl Step<'_> {
    /// A text that was not there before.
    fn text(&self, by: By) -> String {
        format!("{by:?} {}", self.number)
    }

    fn may_publish_data(&self) -> bool {
        self.number % 2 == 1
    }

    async fn mute(&self, by: By, muted: bool) -> SystemTime {
        match by {
            By::Client => self.alice.try_mute(self.microphone, muted).await.unwrap(),
            By::Backend => {
                let called_at = SystemTime::now();
                let api = self.scenario.api();
                api.mute_track(ROOM, "alice", self.microphone, muted).await.done();
                // The SDK may do this only some time after LiveKit's answer, and then say so to LiveKit again.
                self.alice.until_muted(self.microphone, muted).await;
                called_at
            }
        }
    }

    async fn update(&self, by: By, update: Value) -> SystemTime {
        match by {
            By::Client => self.alice.update(update).await,
            By::Backend => self.by_api(update).await,
        }
    }

    async fn permit(&self, changes: Value) -> SystemTime {
        let mut permission =
            json!({"can_subscribe": true, "can_publish": true, "can_update_metadata": true});
        permission.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.by_api(json!({"permission": permission})).await
    }

    async fn by_api(&self, update: Value) -> SystemTime {
        let called_at = SystemTime::now();
        self.scenario.api().update_participant(ROOM, "alice", update).await.done();
        called_at
    }
}
