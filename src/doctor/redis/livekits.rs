//! LiveKit's own Redis, from which the service reads.

use crate::{
    config::Config,
    doctor::finding::{Check, Checked},
    livekit::redis::{KeptByLiveKit, examine},
};

const URL: &str = "`livekit.redis_url` (LIVEKIT_REDIS_URL)";

pub(in crate::doctor) async fn check(config: &Config) -> Checked {
    let Some(redis) = &config.livekit.redis else {
        return Checked::skipped(Check::LiveKitRedis, format!("{URL} is empty"));
    };
    let authority = redis.ca_file.as_ref().map(|(_, file)| std::fs::read(file)).transpose();
    let authority = match authority {
        Ok(authority) => authority,
        Err(error) => {
            return Checked::of(Check::LiveKitRedis).wrong(
                format!("The file with certificate authorities cannot be read: {error}."),
                "Correct `livekit.redis_ca_file`.",
            );
        }
    };
    let shown = format!("{:?}", redis.address);
    let checked = Checked::of(Check::LiveKitRedis);
    match examine(redis.address.clone().with_authority(authority)).await {
        Ok(kept) => judge(checked, &shown, kept),
        Err(reason) => {
            let (what, advice) = reason.split_once("; ").unwrap_or((&reason, ""));
            let remedy = if advice.is_empty() {
                format!("Start it, or correct {URL}.")
            } else {
                format!("What to do: {advice}.")
            };
            let what = format!(
                "LiveKit's Redis at {shown} cannot be followed, so LiveKit's API is asked instead: {what}."
            );
            checked.wrong(what, remedy)
        }
    }
}

fn judge(checked: Checked, shown: &str, kept: KeptByLiveKit) -> Checked {
    let checked = match &kept.spares {
        Ok(()) => checked,
        Err(words) => checked.warning(
            format!("Rooms are read without asking how large they are: {words}."),
            "Give the user `+hscan +hkeys +hstrlen +memory|usage` (ACL SETUSER).",
        ),
    };
    let checked = match &kept.servers {
        Ok(0) if kept.version.is_some() => checked.warning(
            "No server of LiveKit is known there, so none uses this Redis at the moment.",
            format!("Look whether {URL} is the address in `redis:` of LiveKit's configuration, with the same database."),
        ),
        Ok(_) => checked,
        Err(words) => checked.warning(
            format!("Crashes of LiveKit are not seen: {words}."),
            "Let the user read the key `nodes` too (`~nodes` in ACL SETUSER).",
        ),
    };
    match kept.version {
        Some(version) => {
            checked.saying(format!("{shown} is used by LiveKit {version}"))
        }
        None => checked.wrong(
            format!("No LiveKit has ever used the Redis at {shown}: it has no `livekit_version`."),
            format!("Write the address in `redis:` of LiveKit's configuration into {URL}, with the same database."),
        ),
    }
}
