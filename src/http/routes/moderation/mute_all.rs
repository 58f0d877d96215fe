//! `POST …/rooms/{room}/mute-all`: mutes everybody, or all but some.

use std::collections::BTreeSet;

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};

use crate::{
    http::{
        auth::Moderator, extract::json_body::JsonBody, problem::Problem,
        respond::table::json_answer, state::Http,
    },
    moderation::MuteAll,
    presence::{Identity, TrackSid, TrackSource},
};

use super::moderation;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Whom {
    #[serde(default)]
    except: BTreeSet<String>,
    #[serde(default)]
    sources: Option<Vec<Source>>,
}

/// LiveKit's names of track sources, in lower case.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Microphone,
    Camera,
    ScreenShare,
    ScreenShareAudio,
}

#[derive(Serialize)]
struct Answer {
    muted: Vec<Muted>,
    failed: Vec<Failed>,
}

#[derive(Serialize)]
struct Muted {
    identity: Identity,
    sid: TrackSid,
}

#[derive(Serialize)]
struct Failed {
    identity: Identity,
    sid: TrackSid,
    detail: String,
}

pub(in crate::http) async fn mute(
    State(http): State<Http>,
    Moderator { room, by }: Moderator,
    JsonBody(whom): JsonBody<Whom>,
) -> Result<Response, Problem> {
    let all = moderation(&http)?.mute_all(&room, &whom.into(), &by).await?;
    let muted = all.muted.into_iter().map(|(identity, sid)| Muted { identity, sid });
    let failed = all.failed.into_iter().map(|(identity, sid, error)| Failed {
        identity,
        sid,
        detail: Problem::from(error).into_detail(),
    });
    Ok(json_answer(&Answer { muted: muted.collect(), failed: failed.collect() }))
}

impl From<Whom> for MuteAll {
    fn from(Whom { except, sources }: Whom) -> Self {
        let sources = sources.unwrap_or_else(|| vec![Source::Microphone]);
        Self {
            except: except.into_iter().map(Identity::new).collect(),
            sources: sources.into_iter().map(TrackSource::from).collect(),
        }
    }
}

impl From<Source> for TrackSource {
    fn from(source: Source) -> Self {
        match source {
            Source::Microphone => Self::Microphone,
            Source::Camera => Self::Camera,
            Source::ScreenShare => Self::ScreenShare,
            Source::ScreenShareAudio => Self::ScreenShareAudio,
        }
    }
}
