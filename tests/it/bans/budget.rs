//! Whatever a banned person does, they cost a bounded share of the calls to LiveKit.

use std::time::{Duration, Instant};

use livekit_presence::{
    presence::{Ban, Identity, StoreTime},
    store::Store as _,
};

use crate::{
    harness::{WebhookBody, eventually, identities, joined, started},
    store::webhooks,
};

use super::{moderate, with_api};

const AGAIN: usize = 100;

fn bob(round: usize) -> WebhookBody {
    joined("bob").sid(&format!("PA_bob_{round}"))
}

#[tokio::test]
async fn somebody_who_comes_a_hundred_times_is_removed_a_few_times_and_never_shown() {
    let (app, livekit) = with_api(&[]).await;
    app.webhooks([started(), joined("alice")]).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    assert_eq!(moderate(&app, "PUT", "bans/bob", "").await.json()["removed"], true);
    assert_eq!(livekit.calls("RemoveParticipant", Some("general")), 1, "the moderator's");
    let began = Instant::now();
    for round in 0..AGAIN {
        livekit.list("general", &[joined("alice"), bob(round)]);
        app.webhook(bob(round)).await;
    }
    eventually("the last removal to wait for its turn", async || {
        app.metric("bans_removals_total{outcome=\"postponed\"}").await >= 1.0
    })
    .await;
    let calls = livekit.calls("RemoveParticipant", Some("general")) - 1;
    let spaced = began.elapsed().as_secs() / 5 + 1;
    assert!((1..=6 + usize::try_from(spaced).unwrap()).contains(&calls), "{calls} calls");
    app.webhook(joined("carol")).await;
    assert_eq!(subscriber.next_list().await, ["alice", "carol"], "nobody saw him");
    // He stays, and is removed when it is his turn.
    eventually("him to be removed in the end", async || {
        let participants = livekit.calls("RemoveParticipant", Some("general")) - 1;
        participants > calls
    })
    .await;
    assert!(began.elapsed() > Duration::from_secs(4), "one in five seconds");
    // Another banned person does not wait for him.
    assert_eq!(moderate(&app, "PUT", "bans/mallory", "").await.status, 200);
    let before = livekit.calls("RemoveParticipant", Some("general"));
    let came = Instant::now();
    app.webhook(joined("mallory")).await;
    livekit.until_called("RemoveParticipant", before + 1).await;
    assert!(came.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn removals_leave_calls_to_moderators_when_the_budget_is_small() {
    let (app, livekit) = with_api(&[("LKP__LIVEKIT__CALLS_PER_MINUTE", "20")]).await;
    app.webhooks([started(), joined("alice")]).await;
    let people = ["bob", "carol", "dave", "eve", "frank"];
    for person in people {
        // Without a moderator, whose calls would be of this budget, too.
        let ban = Ban { until: None, at: StoreTime::from_millis(1), by: "m".into(), reason: None };
        let identity = Identity::new(person);
        app.store.ban(&webhooks::room("general"), &identity, Some(&ban)).await.unwrap();
    }
    let began = Instant::now();
    app.webhooks(people.map(joined)).await;
    livekit.until_called("RemoveParticipant", 1).await;
    eventually("the others to wait", async || {
        app.metric("bans_removals_total{outcome=\"postponed\"}").await >= 4.0
    })
    .await;
    let banned = moderate(&app, "PUT", "bans/mallory", "").await;
    assert_eq!(banned.json()["removed"], true, "a call was left for the moderator");
    let calls = livekit.calls("RemoveParticipant", Some("general")) - 1;
    // A quarter of twenty calls a minute is one in twelve seconds.
    let granted = began.elapsed().as_secs() / 12 + 1;
    assert!((1..=usize::try_from(granted).unwrap()).contains(&calls), "{calls} calls");
    assert_eq!(identities(&app.participants("general").await.json()), ["alice"]);
}
