//! Runs all checks, side by side.

use std::time::Duration;

use crate::{clock::Clock, config::Config};

use super::{
    database,
    deadline::within,
    descriptors,
    finding::{Check, Checked},
    livekit::{self, LiveKit},
    options::Options,
    redis,
    report::Report,
    service::{self, Service},
};

const LIVEKIT_TIMEOUT: Duration = Duration::from_secs(9);
const REDIS_TIMEOUT: Duration = Duration::from_secs(12);
const DATABASE_TIMEOUT: Duration = Duration::from_secs(15);

/// Looks at everything, and says what is wrong. Must be called in a runtime, with a provider of cryptography for TLS.
///
/// # Errors
/// A file with certificate authorities cannot be read. Says which key names it.
pub async fn run(config: &Config, options: &Options, clock: &Clock) -> Result<Report, String> {
    let unreadable =
        |key: &str, error: &std::io::Error| format!("cannot read the file of {key}: {error}");
    let livekit =
        LiveKit::new(config, clock).map_err(|error| unreadable("`livekit.ca_file`", &error))?;
    let service =
        Service::new(config, options, clock).map_err(|error| unreadable("`--ca-file`", &error))?;
    let (livekits, services, rooms, livekits_redis, database) = tokio::join!(
        check_livekit(livekit.as_ref(), clock),
        service::check(&service, config, options, livekit.as_ref()),
        within(REDIS_TIMEOUT, Check::Redis, redis::check_rooms(config)),
        within(REDIS_TIMEOUT, Check::LiveKitRedis, redis::check_livekits(config)),
        within(DATABASE_TIMEOUT, Check::Database, database::check(config, clock)),
    );
    let others = [rooms, livekits_redis, database, descriptors::check(config)];
    let checks = livekits.into_iter().chain(services).chain(others).collect();
    Ok(Report::new(service.base, checks))
}

async fn check_livekit(livekit: Option<&LiveKit>, clock: &Clock) -> [Checked; 2] {
    let Some(livekit) = livekit else {
        let why =
            "`livekit.url` (LIVEKIT_URL) is empty, so nothing makes up for webhooks that get lost";
        return [Check::LiveKit, Check::Clock].map(|check| Checked::skipped(check, why));
    };
    let mut answer = None;
    let checking = async {
        let (checked, answered) = livekit::check(livekit).await;
        answer = answered;
        checked
    };
    let checked = within(LIVEKIT_TIMEOUT, Check::LiveKit, checking).await;
    [checked, livekit::check_clock(answer.as_ref(), clock)]
}
