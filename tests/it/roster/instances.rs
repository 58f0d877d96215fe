//! Several instances on one Redis and one database.

use serde_json::json;

use crate::harness::{
    PROCESS_KEYS, RedisServer, TestApp, TestDatabase, eventually, joined, left, now, started,
};

use super::{ROSTER, ask, counts, expected, next_roster, statuses, watch};

/// Instances that share everything, and what they share.
struct Fleet {
    apps: Vec<TestApp>,
    _redis: RedisServer,
    _database: TestDatabase,
}

impl Fleet {
    async fn of(count: usize) -> Self {
        let (redis, database) = (RedisServer::start().await, TestDatabase::postgres().await);
        let url = database.url();
        let settings = [("HISTORY_URL", url.as_str())];
        let mut apps = Vec::new();
        for _ in 0..count {
            let app = TestApp::on(Some(&redis), &settings, PROCESS_KEYS).await;
            let is_ready = async || app.get("/readyz", &[]).await.status == 200;
            eventually("it to reach Redis", is_ready).await;
            apps.push(app);
        }
        Self { apps, _redis: redis, _database: database }
    }
}

#[tokio::test]
async fn what_is_written_on_one_instance_is_pushed_on_all() {
    let fleet = Fleet::of(3).await;
    let mut streams = Vec::new();
    for app in &fleet.apps {
        let mut stream = watch(app).await;
        assert_eq!(counts(&next_roster(&mut stream).await), [&json!(0), &json!(0)]);
        streams.push(stream);
    }
    for (nth, app) in fleet.apps.iter().enumerate() {
        let target = format!("{ROSTER}/person-{nth}");
        let put = ask(app, "PUT", &target, Some(json!({})), &[]).await;
        assert_eq!(put.status, 201, "{}", put.text());
        for stream in &mut streams {
            assert_eq!(next_roster(stream).await["changed"], json!([put.json()]));
        }
    }
    let [one, other, _] = &fleet.apps[..] else { panic!("they are three") };
    one.webhooks([started(), joined("person-0")].map(|one| now(one.room("stage")))).await;
    for stream in &mut streams {
        let change = next_roster(stream).await;
        assert_eq!(statuses(&change["changed"]), expected(&[("person-0", "JOINED")]));
    }
    other.webhook(now(left("person-0").room("stage"))).await;
    for stream in &mut streams {
        let change = next_roster(stream).await;
        assert_eq!(statuses(&change["changed"]), expected(&[("person-0", "LEFT")]));
        assert_eq!(counts(&change), [&json!(0), &json!(3)]);
    }
    for app in &fleet.apps {
        let first = async || ask(app, "GET", ROSTER, None, &[]).await.json()["entries"].take();
        let has_left = async || statuses(&first().await)[0].1 == "LEFT";
        eventually("the history to know it", has_left).await;
    }
}

#[tokio::test]
async fn moderators_on_two_instances_do_not_overwrite_each_other() {
    let fleet = Fleet::of(2).await;
    let [one, other] = &fleet.apps[..] else { panic!("they are two") };
    let alice = format!("{ROSTER}/alice");
    let put = ask(one, "PUT", &alice, Some(json!({})), &[]).await;
    let mut tag = put.header("etag").to_owned();
    for round in 0..5 {
        let patch = async |app: &TestApp, who: &str| {
            let body = json!({"note": format!("{who}-{round}")});
            ask(app, "PATCH", &alice, Some(body), &[("If-Match", &tag)]).await
        };
        let answers = tokio::join!(patch(one, "one"), patch(other, "other"));
        let answers = [answers.0, answers.1].into_iter();
        let won: Vec<_> = answers.filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1, "round {round}");
        tag = won[0].header("etag").to_owned();
        let read = ask(other, "GET", &alice, None, &[]).await;
        assert_eq!(read.json(), won[0].json());
    }
}
