//! The webhook of a leave is lost, and LiveKit's Redis tells what it would have told.

use std::time::{Duration, Instant};

use crate::real::scenario::{Client, Plan, Scenario, Source, WebhookFault, percentiles, say};

use super::instances::Instances;

/// LiveKit answers after three seconds that no node has a session, which is asked about half a second after Redis lacks it.
const SHOWN_WITHIN: Duration = Duration::from_millis(4_500);
/// No list decides about somebody who has shown life so lately (`reconcile.grace`).
const GRACE: Duration = Duration::from_secs(5);
/// The same where that is longer than LiveKit's answer takes: also of those whom a comparison was just told of.
const SHOWN_AFTER_GRACE: Duration = Duration::from_millis(6_500);

#[tokio::test]
async fn a_leave_whose_webhook_is_lost_is_shown_once_livekit_says_that_nobody_answers() {
    let plan = Plan {
        redis: true,
        reads_redis: true,
        ..Plan::named("webhooks of leaves are lost, with LiveKit's Redis")
    };
    let Some(scenario) = plan.start().await else { return };
    let instances = Instances::beside(&scenario).await;
    let alice = scenario.join("alice").await;
    let mut quiet = Vec::new();
    for name in ["bob", "carol", "dave"] {
        quiet.push(scenario.join(name).await);
    }
    let people: Vec<_> = quiet.iter().chain([&alice]).collect();
    instances.are_right(&people).await;
    instances.are_up().await;
    scenario.time_passes(GRACE).await;
    let asked_before = instances.lists_asked_for().await;
    let mut took = Vec::new();
    while let Some(one) = quiet.pop() {
        let others: Vec<_> = quiet.iter().chain([&alice]).collect();
        took.push(shown_after_lost_leave(&scenario, &instances, &one, &others).await);
    }
    assert!(took[0] <= SHOWN_WITHIN, "{took:?}\n{}", scenario.story());
    assert!(took.iter().all(|took| *took <= SHOWN_AFTER_GRACE), "{took:?}\n{}", scenario.story());
    say(&format!("leaves of quiet people whose webhooks are lost: {}", percentiles(&mut took)));

    let erin = scenario.join("erin").await;
    erin.publish(Source::Microphone).await;
    instances.are_right(&[&alice, &erin]).await;
    let after = shown_after_lost_leave(&scenario, &instances, &erin, &[&alice]).await;
    say(&format!("the same of somebody who has just published: {} ms", after.as_millis()));
    assert!(after <= SHOWN_AFTER_GRACE, "{after:?}\n{}", scenario.story());

    let after = shown_after_lost_leave(&scenario, &instances, &alice, &[]).await;
    say(&format!("the same of the last one inside: {} ms", after.as_millis()));
    assert!(after <= SHOWN_AFTER_GRACE, "{after:?}\n{}", scenario.story());
    let asked = instances.lists_asked_for().await - asked_before;
    assert!(asked == 0.0, "{asked} lists were asked for");
}

/// Has somebody leave, and loses what LiveKit tells of that. Returns after which time every subscriber is right.
async fn shown_after_lost_leave(
    scenario: &Scenario,
    instances: &Instances,
    leaver: &Client,
    others: &[&Client],
) -> Duration {
    scenario.proxy.set_fault(WebhookFault::Swallow);
    let left_at = Instant::now();
    leaver.leave().await;
    let shown_at = instances.are_right(others).await;
    scenario.proxy.set_fault(WebhookFault::None);
    shown_at.saturating_duration_since(left_at)
}
