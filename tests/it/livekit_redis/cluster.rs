//! LiveKit's Redis is a Cluster: its slots move, and its masters die.

use livekit_presence::livekit::redis::{KeptChange, Payment};

use crate::harness::{RedisCluster, Reply, eventually, patiently, within_deadline};

use super::fixture::{Reader, acl_of_reader, is_down_for, key_of, person, room_name, start};

/// Writes somebody to the master of the room's slot.
async fn write(cluster: &RedisCluster, room: &str, name: &str) {
    let key = key_of(room);
    let master = cluster.master_of(&key).await;
    cluster.nodes[master].ask(&["HSET", &key, "alice", &person("alice", name)]).await;
}

async fn started() -> (RedisCluster, Reader) {
    let cluster = RedisCluster::start().await;
    let master = cluster.master_of("livekit_version").await;
    cluster.nodes[master].ask(&["SET", "livekit_version", "1.13.5"]).await;
    let reader = Reader::at(&cluster.url()).await;
    (cluster, reader)
}

/// Reads at each change until the name is seen. Everything else is told, and nothing is guessed.
async fn until_name(reader: &mut Reader, room: &str, name: &str) {
    loop {
        if reader
            .redis
            .participants(&room_name(room), Payment::Waits)
            .await
            .is_ok_and(|people| people.sessions.iter().any(|session| session.profile.name == name))
        {
            return;
        }
        reader.next().await;
    }
}

#[tokio::test]
async fn changes_on_every_master_are_told() {
    let (cluster, mut reader) = started().await;
    let rooms = ["general", "b", "c", "d", "e", "f"];
    let mut masters = Vec::new();
    for room in rooms {
        masters.push(cluster.master_of(&key_of(room)).await);
        reader.names(room).await;
    }
    masters.sort_unstable();
    masters.dedup();
    assert_eq!(masters.len(), 3, "rooms on each master");
    for room in rooms {
        write(&cluster, room, "Alice").await;
        assert_eq!(reader.next().await, KeptChange::People(room_name(room)));
        assert_eq!(reader.names(room).await, ["Alice"]);
    }
}

// No key is in the slot, so that the old master says nothing when it gives it away.
#[tokio::test]
async fn a_room_whose_slot_moved_is_followed_where_it_is() {
    let (cluster, mut reader) = started().await;
    reader.names("general").await;
    let key = key_of("general");
    let from = cluster.master_of(&key).await;
    let to = (0..3).find(|node| *node != from).unwrap();
    cluster.move_slot(cluster.slot_of(&key).await, from, to).await;
    reader.until_everything().await;
    until_name_written(&cluster, &mut reader, to, "Alice").await;
    cluster.nodes[to].ask(&["HSET", &key, "alice", &person("alice", "Alice 2")]).await;
    until_name(&mut reader, "general", "Alice 2").await;
}

async fn until_name_written(cluster: &RedisCluster, reader: &mut Reader, to: usize, name: &str) {
    let key = key_of("general");
    reader.names("general").await;
    cluster.nodes[to].ask(&["HSET", &key, "alice", &person("alice", name)]).await;
    until_name(reader, "general", name).await;
}

#[tokio::test]
async fn a_master_that_is_killed_is_followed_in_its_replica() {
    let (mut cluster, mut reader) = started().await;
    write(&cluster, "general", "Alice").await;
    until_name(&mut reader, "general", "Alice").await;
    let key = key_of("general");
    let master = cluster.master_of(&key).await;
    cluster.kill_master(master).await;
    cluster.until_replica_is_master(master).await;
    patiently("the room to be read", async || {
        let people = reader.redis.participants(&room_name("general"), Payment::Waits).await;
        people.is_ok_and(|people| people.sessions.len() == 1)
    })
    .await;
    write(&cluster, "general", "Alice 2").await;
    until_name(&mut reader, "general", "Alice 2").await;
}

/// The other end closes a connection to one node, and the library makes another.
#[tokio::test]
async fn a_connection_to_one_node_that_is_killed_is_noticed() {
    let (cluster, mut reader) = started().await;
    reader.names("general").await;
    let master = &cluster.nodes[cluster.master_of(&key_of("general")).await];
    let killed = master.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert!(matches!(killed, Reply::Integer(count) if count >= 1), "{killed:?}");
    write(&cluster, "general", "Alice").await;
    reader.until_everything().await;
    until_name(&mut reader, "general", "Alice").await;
}

#[tokio::test]
async fn a_cluster_needs_two_rights_more() {
    let (cluster, _) = started().await;
    for node in &cluster.nodes {
        node.ask(&acl_of_reader(&["+cluster|slots", "+cluster|nodes"])).await;
    }
    let url = format!("redis://reader:secret@127.0.0.1:{}", cluster.nodes[0].port);
    let mut reader = Reader::at(&url).await;
    for room in ["general", "b", "c", "d", "e", "f"] {
        reader.names(room).await;
    }
    write(&cluster, "general", "Alice").await;
    until_name(&mut reader, "general", "Alice").await;
    for node in &cluster.nodes {
        assert_eq!(node.ask(&["ACL", "LOG"]).await, Reply::List(vec![]));
        node.ask(&["ACL", "SETUSER", "reader", "-cluster|slots"]).await;
    }
    let redis = start(&url);
    is_down_for(&redis, &["cluster|slots", "noperm"]).await;
}

#[tokio::test]
async fn livekits_servers_are_seen_on_the_master_of_their_slot() {
    let (cluster, reader) = started().await;
    let master = cluster.master_of("nodes").await;
    cluster.nodes[master].ask(&["HSET", "nodes", "ND_1", "1", "ND_2", "1"]).await;
    eventually("the servers", async || reader.redis.sees_nodes()).await;
    cluster.nodes[master].ask(&["HDEL", "nodes", "ND_2"]).await;
    within_deadline("one that is gone", reader.redis.node_lost()).await;
}
