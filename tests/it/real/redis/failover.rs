//! LiveKit's Redis is behind Sentinels, and its master is killed while people change. LiveKit and the service each find the next
//! master by themselves.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::timeout;

use crate::{
    harness::RedisSentinels,
    real::scenario::{Client, Person, Plan, Scenario, Source, say},
};

use super::{instances::Instances, losses::is_shown_without_lists};

/// Between two changes of somebody, at most.
const APART_MS: u64 = 200;
/// Without a master LiveKit does not carry out what clients want. They try the next change then.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// From when the Sentinels have made another server the master. The service connects again each second.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(3);
/// The goal, from the last change.
const RIGHT_WITHIN: Duration = Duration::from_secs(1);

struct Cast {
    scenario: Scenario,
    sentinels: RedisSentinels,
    instances: Instances,
    alice: Client,
    microphone: String,
}

impl Cast {
    async fn start(scenario: &'static str) -> Option<Self> {
        let plan = Plan { sentinels: true, reads_redis: true, ..Plan::named(scenario) };
        let mut scenario = plan.start().await?;
        let sentinels = scenario.sentinels.take().unwrap();
        let instances = Instances::beside(&scenario).await;
        let alice = scenario.join("alice").await;
        let microphone = alice.publish(Source::Microphone).await;
        instances.are_right(&[&alice]).await;
        instances.are_up().await;
        Some(Self { scenario, sentinels, instances, alice, microphone })
    }

    /// Somebody mutes, is heard again, and changes attributes, until they are told to end. Returns how many changes LiveKit has
    /// carried out.
    async fn change_until(&self, is_over: impl Fn() -> bool) -> usize {
        let (mut number, mut carried_out) = (0_usize, 0);
        while !is_over() {
            self.scenario.time_passes(Duration::from_millis(fastrand::u64(..APART_MS))).await;
            let muted = number.is_multiple_of(2);
            let update = json!({"attributes": {"hand": number.to_string()}});
            let muted = timeout(CALL_TIMEOUT, self.alice.try_mute(&self.microphone, muted)).await;
            let updated = timeout(CALL_TIMEOUT, self.alice.try_update(update)).await;
            let is_done = matches!((muted, updated), (Ok(Ok(_)), Ok(Ok(_))));
            carried_out += usize::from(is_done);
            number += 1;
        }
        carried_out
    }
}

#[tokio::test]
async fn what_changes_while_another_redis_becomes_livekits_master_is_shown_within_a_second_of_it() {
    let started = Cast::start("LiveKit's master dies while people change").await;
    let Some(mut cast) = started else { return };
    cast.sentinels.kill_master().await;
    let killed_at = Instant::now();
    let followed = OnceLock::new();
    let following = async {
        cast.instances.are_down().await;
        cast.sentinels.until_another_is_master(0).await;
        let promoted_at = Instant::now();
        cast.instances.are_up().await;
        followed.set(()).unwrap();
        (promoted_at, Instant::now())
    };
    let ((promoted_at, up_at), changes) =
        tokio::join!(following, cast.change_until(|| followed.get().is_some()));
    let last = Instant::now();
    let right_at = cast.instances.are_right(&[&cast.alice]).await;
    let right_after = right_at.saturating_duration_since(last);
    say(&format!(
        "another master after {} ms, followed {} ms later, right {} ms after the last of {changes} changes",
        (promoted_at - killed_at).as_millis(),
        up_at.saturating_duration_since(promoted_at).as_millis(),
        right_after.as_millis()
    ));
    let story = || cast.scenario.story();
    assert!(up_at.saturating_duration_since(promoted_at) <= FOLLOWED_WITHIN, "{}", story());
    assert!(right_after <= RIGHT_WITHIN, "{right_after:?}\n{}", story());
    is_shown_without_lists(&cast.instances, &cast.alice, &cast.microphone).await;
}

/// Nothing else happens, so nothing repeats what LiveKit could not write.
#[tokio::test]
async fn a_single_change_while_livekits_redis_has_no_master_is_shown_when_it_has_one() {
    let started = Cast::start("LiveKit's master dies, and somebody changes once").await;
    let Some(mut cast) = started else { return };
    cast.sentinels.kill_master().await;
    cast.instances.are_down().await;
    cast.alice.try_mute(&cast.microphone, true).await.unwrap();
    let hand = json!({"attributes": {"hand": "up"}});
    let (updated, _) =
        tokio::join!(cast.alice.try_update(hand), cast.sentinels.until_another_is_master(0));
    updated.unwrap();
    cast.instances.are_up().await;
    let up_at = Instant::now();
    let is_it = |me: &Person| {
        let is_muted = me.tracks.get(&cast.microphone).is_some_and(|(_, is_muted)| *is_muted);
        is_muted && me.attributes.get("hand").is_some_and(|hand| hand == "up")
    };
    cast.alice.until("her change", is_it).await;
    let right_at = cast.instances.are_right(&[&cast.alice]).await;
    let right_after = right_at.saturating_duration_since(up_at);
    say(&format!(
        "a single change without a master is shown {} ms after the next one is followed",
        right_after.as_millis()
    ));
    assert!(right_after <= RIGHT_WITHIN, "{right_after:?}\n{}", cast.scenario.story());
}
