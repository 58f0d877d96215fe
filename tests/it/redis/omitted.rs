//! Several instances beside a LiveKit whose lists lag or whose probes fail: what one instance knows counts for all.

use crate::harness::{
    ApiFault, Follower, PROCESS_KEYS, Process, RedisServer, ScriptedLiveKit, Sender, eventually,
    joined, started,
};

use super::fixture::instance;

/// An instance that compares often and has no grace.
async fn beside(livekit: &ScriptedLiveKit, redis: &RedisServer) -> Process {
    let url = livekit.url();
    let settings = [
        ("LIVEKIT_URL", url.as_str()),
        ("LKP__RECONCILE__EVERY", "200ms"),
        ("LKP__RECONCILE__GRACE", "0ms"),
    ];
    let one = instance(&redis.url(), &settings).await;
    eventually("it to be fit", async || one.get("/readyz").await.status == 200).await;
    one
}

/// Lets Alice and Bob in, and follows a stream at each instance that shows them.
async fn with_two_inside(instances: &[Process], livekits: &[&ScriptedLiveKit]) -> Vec<Follower> {
    let ports: Vec<_> = instances.iter().map(|one| one.address.port()).collect();
    let people = ["alice", "bob"].map(joined);
    for livekit in livekits {
        livekit.list("general", &people);
    }
    let sender = Sender::to(&ports);
    sender.deliver(&started()).await;
    for person in &people {
        sender.deliver(person).await;
    }
    let followers: Vec<_> = ports.iter().map(|port| Follower::of_room(*port, "general")).collect();
    for follower in &followers {
        follower.until_people("general", &["alice", "bob"]).await;
    }
    followers
}

async fn metric(instances: &[Process], name: &str) -> f64 {
    let mut sum = 0.0;
    for one in instances {
        let metrics = one.get("/metrics").await;
        let wanted = format!("livekit_presence_{name} ");
        let value = metrics.text().lines().find_map(|line| line.strip_prefix(&wanted));
        sum += value.map_or(0.0, |value| value.parse::<f64>().unwrap());
    }
    sum
}

#[tokio::test]
async fn a_living_session_is_hidden_by_no_list_on_any_instance() {
    let redis = RedisServer::start().await;
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let instances = [beside(&livekit, &redis).await, beside(&livekit, &redis).await];
    let followers = with_two_inside(&instances, &[&livekit]).await;
    livekit.keep_alive("alice");
    livekit.list("general", &[joined("bob")]);
    let before = livekit.calls("ListParticipants", Some("general"));
    livekit.until_called("ListParticipants", before + 10).await;
    for follower in &followers {
        assert_eq!(follower.seen().fewest["general"], 2, "nobody was hidden for one moment");
        follower.was_never_cut();
    }
    assert_eq!(metric(&instances, "repairs_total{kind=\"missed_leave\"}").await, 0.0);
    // She leaves, and no webhook tells of it.
    livekit.forget("alice");
    for follower in &followers {
        follower.until_people("general", &["bob"]).await;
    }
}

#[tokio::test]
async fn an_instance_whose_probes_come_to_nothing_takes_nobody_out_whom_another_knows_to_live() {
    let redis = RedisServer::start().await;
    // Each instance asks another LiveKit: the first answers no probes, the second omits Alice and answers them.
    let livekits =
        [ScriptedLiveKit::start(PROCESS_KEYS).await, ScriptedLiveKit::start(PROCESS_KEYS).await];
    let instances = [beside(&livekits[0], &redis).await, beside(&livekits[1], &redis).await];
    let followers = with_two_inside(&instances, &[&livekits[0], &livekits[1]]).await;
    livekits[0].set_probe_fault(ApiFault::Fails);
    livekits[1].keep_alive("alice");
    for livekit in &livekits {
        livekit.list("general", &[joined("bob")]);
    }
    for livekit in &livekits {
        let before = livekit.calls("ListParticipants", Some("general"));
        livekit.until_called("ListParticipants", before + 6).await;
        assert!(livekit.calls("UpdateSubscriptions", Some("general")) > 0);
    }
    for follower in &followers {
        assert_eq!(follower.seen().fewest["general"], 2, "nobody was hidden for one moment");
    }
    // The instance that hears that she is gone removes her for both.
    livekits[1].forget("alice");
    for follower in &followers {
        follower.until_people("general", &["bob"]).await;
    }
    // Redis tells the streams of a repair before the instance that made it has counted it.
    let repairs = "repairs_total{kind=\"missed_leave\"}";
    eventually("the repair to be counted", async || metric(&instances, repairs).await > 0.0).await;
    assert_eq!(metric(&instances, repairs).await, 1.0);
}

#[tokio::test]
async fn two_probes_that_fail_in_the_same_hiccup_on_two_instances_are_one_failure() {
    let redis = RedisServer::start().await;
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let instances = [beside(&livekit, &redis).await, beside(&livekit, &redis).await];
    let people = ["alice", "bob"].map(joined);
    livekit.list("general", &people);
    livekit.set_probe_fault(ApiFault::Hangs);
    let ports: Vec<_> = instances.iter().map(|one| one.address.port()).collect();
    let sender = Sender::to(&ports);
    for person in &people {
        sender.deliver(person).await;
    }
    // They joined before the room started, so each instance probes both.
    let later = started();
    let created_at: u64 = later.0["createdAt"].as_str().unwrap().parse().unwrap();
    sender.deliver(&later.created_at_ms((created_at + 60) * 1_000)).await;
    let followers: Vec<_> = ports.iter().map(|port| Follower::of_room(*port, "general")).collect();
    livekit.until_called("UpdateSubscriptions", 4).await;
    for person in ["alice", "bob"] {
        livekit.kill(person);
    }
    livekit.set_probe_fault(ApiFault::None);
    // Without a witness it takes three failures, and those two count as one.
    eventually("the ghosts to be evicted", async || {
        metric(&instances, "repairs_total{kind=\"crash_ghost\"}").await == 2.0
    })
    .await;
    let probes = livekit.calls("UpdateSubscriptions", None);
    assert!(probes >= 8, "{probes} probes of two people");
    for person in ["alice", "bob"] {
        livekit.revive(person);
    }
    for follower in &followers {
        follower.until_people("general", &["alice", "bob"]).await;
    }
}
