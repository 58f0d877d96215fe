//! Whether the implementation can be tried at all. Where it cannot, a sentence says why, and another what to do.

use std::sync::Arc;

use axum::http::StatusCode;

use super::{room::Room, shown::excerpt, target::Target};

/// Has somebody join a room, and looks for them in its list.
pub(super) async fn reach(target: &Arc<Target>, room: String) -> Result<(), String> {
    let room = Room::new(Arc::clone(target), room);
    let base = &target.base;
    if let Err(error) =
        target.ask(axum::http::Method::GET, "/", &[], hyper::body::Bytes::new()).await
    {
        return Err(format!(
            "nothing answers at {base}: {error}. Start the implementation, or correct the host and the port."
        ));
    }
    let somebody = room.person("conformance");
    let answer = room.deliver(room.delivery(somebody.joined().bytes())).await?;
    webhook_is_taken(target, answer.status(), answer.body())?;
    list_is_served(target, &room).await?;
    room.shown_when(|shown| shown.has(somebody.sid())).await.map(|_| ()).map_err(|shown| {
        format!(
            "a webhook is taken at {}, and whom it tells of is not shown: {shown}. Look whether both paths are of the same implementation.",
            target.webhook_path()
        )
    })
}

fn webhook_is_taken(target: &Target, status: StatusCode, said: &[u8]) -> Result<(), String> {
    let said = excerpt(&String::from_utf8_lossy(said));
    let (path, code) = (target.webhook_path(), status.as_u16());
    let remedy = match status {
        status if status.is_success() => return Ok(()),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            "Name the path that takes webhooks with --webhook-path."
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "Give the key that it verifies with by --key and --secret, and look at the clocks of both machines."
        }
        _ => "Look into the log of the implementation.",
    };
    Err(format!(
        "a webhook that key {:?} signed is answered {code} at {path}: {said}. {remedy}",
        target.key.name()
    ))
}

async fn list_is_served(target: &Target, room: &Room) -> Result<(), String> {
    let answer = room.get(&[]).await?;
    let (path, code) = (target.list_path("{room}"), answer.status().as_u16());
    let remedy = match answer.status() {
        StatusCode::OK => return Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "Have it take LiveKit's access tokens of that key, or say --open if anybody may read."
        }
        _ => "Name the path of lists with --list-path.",
    };
    Err(format!("a list is answered {code} at {path}. {remedy}"))
}
