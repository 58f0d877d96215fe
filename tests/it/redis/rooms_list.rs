//! The list of rooms, live, from several instances and while Redis is away.

use crate::harness::{
    Process, RedisCluster, RedisServer, RoomListFollower, Sender, TcpProxy, WebhookBody,
    eventually, finished, joined, left, started, url_of,
};

use super::fixture::instance;

async fn fit(redis_url: &str) -> Process {
    let one = instance(redis_url, &[]).await;
    eventually("it to be fit", async || one.get("/readyz").await.status == 200).await;
    one
}

async fn deliver(sender: &Sender, webhooks: impl IntoIterator<Item = WebhookBody>) {
    for webhook in webhooks {
        sender.deliver(&webhook).await;
    }
}

#[tokio::test]
async fn every_instance_shows_the_same_list() {
    let redis = RedisServer::start().await;
    let instances = [fit(&redis.url()).await, fit(&redis.url()).await];
    shows_the_same(&instances).await;
}

#[tokio::test]
async fn every_instance_on_a_cluster_shows_the_same_list() {
    let cluster = RedisCluster::start().await;
    let instances = [fit(&cluster.url()).await, fit(&cluster.url()).await];
    shows_the_same(&instances).await;
}

async fn shows_the_same(instances: &[Process]) {
    let ports: Vec<_> = instances.iter().map(|one| one.address.port()).collect();
    let sender = Sender::to(&ports);
    let followers: Vec<_> = ports.iter().map(|port| RoomListFollower::at(*port)).collect();
    deliver(&sender, [started().room("a"), joined("alice").room("a"), started().room("b")]).await;
    for follower in &followers {
        follower.until(&[("a", 1), ("b", 0)]).await;
    }
    deliver(&sender, [finished().room("b"), joined("bob").room("a"), started().room("c")]).await;
    for follower in &followers {
        follower.until(&[("a", 2), ("c", 0)]).await;
        follower.was_never_cut();
    }
    assert_eq!(followers[0].shown().list(), followers[1].shown().list());
}

#[tokio::test]
async fn the_last_list_stays_while_redis_is_away_and_is_right_afterwards() {
    let mut redis = RedisServer::keeping_data().await;
    let service = fit(&redis.url()).await;
    let port = service.address.port();
    let sender = Sender::to(&[port]);
    deliver(&sender, [started().room("a"), joined("alice").room("a"), started().room("b")]).await;
    let follower = RoomListFollower::at(port);
    follower.until(&[("a", 1), ("b", 0)]).await;
    redis.kill().await;
    eventually("it to be unfit", async || service.get("/readyz").await.status == 503).await;
    let newcomer = RoomListFollower::at(port);
    newcomer.until(&[("a", 1), ("b", 0)]).await;
    redis.start_again().await;
    deliver(&sender, [finished().room("b"), joined("bob").room("a")]).await;
    for follower in [&follower, &newcomer] {
        follower.until(&[("a", 2)]).await;
        follower.was_never_cut();
    }
}

#[tokio::test]
async fn what_another_instance_did_while_the_link_was_cut_is_found_when_it_is_back() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    let service = fit(&url_of(proxy.port)).await;
    let other = fit(&redis.url()).await;
    let sender = Sender::to(&[other.address.port()]);
    deliver(&sender, [started().room("a"), joined("alice").room("a"), started().room("b")]).await;
    let follower = RoomListFollower::at(service.address.port());
    follower.until(&[("a", 1), ("b", 0)]).await;
    redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    deliver(&sender, [finished().room("b"), left("alice").room("a"), started().room("c")]).await;
    follower.until(&[("a", 0), ("c", 0)]).await;
    proxy.forget();
    deliver(&sender, [joined("bob").room("c"), finished().room("a")]).await;
    follower.until(&[("c", 1)]).await;
    follower.was_never_cut();
}
