//! Several instances on one Redis and one database.

use serde_json::json;

use crate::harness::{
    PROCESS_KEYS, RedisServer, TestApp, TestDatabase, eventually, joined, left, now, started,
};

use super::{ROSTER, ask, counts, expected, next_roster, statuses, watch};

#[tokio::test]
async fn what_is_written_on_one_instance_is_pushed_on_all() {
    let (redis, database) = (RedisServer::start().await, TestDatabase::postgres().await);
    let url = database.url();
    let settings = [("HISTORY_URL", url.as_str())];
    let mut apps = Vec::new();
    for _ in 0..3 {
        apps.push(TestApp::on(Some(&redis), &settings, PROCESS_KEYS).await);
    }
    for app in &apps {
        eventually("it to reach Redis", async || app.get("/readyz", &[]).await.status == 200).await;
    }
    let mut streams = Vec::new();
    for app in &apps {
        let mut stream = watch(app).await;
        assert_eq!(counts(&next_roster(&mut stream).await), [&json!(0), &json!(0)]);
        streams.push(stream);
    }
    for (nth, app) in apps.iter().enumerate() {
        let identity = format!("person-{nth}");
        let put = ask(app, "PUT", &format!("{ROSTER}/{identity}"), Some(json!({})), &[]).await;
        assert_eq!(put.status, 201, "{}", put.text());
        for stream in &mut streams {
            let change = next_roster(stream).await;
            assert_eq!(change["changed"], json!([put.json()]));
        }
    }
    let (one, other) = (&apps[0], &apps[1]);
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
    for app in &apps {
        let read = async || ask(app, "GET", ROSTER, None, &[]).await.json();
        eventually("the history to know it", async || {
            statuses(&read().await["entries"])[0] == ("person-0".into(), "LEFT".into())
        })
        .await;
    }
}

#[tokio::test]
async fn moderators_on_two_instances_do_not_overwrite_each_other() {
    let (redis, database) = (RedisServer::start().await, TestDatabase::postgres().await);
    let url = database.url();
    let settings = [("HISTORY_URL", url.as_str())];
    let apps = [
        TestApp::on(Some(&redis), &settings, PROCESS_KEYS).await,
        TestApp::on(Some(&redis), &settings, PROCESS_KEYS).await,
    ];
    for app in &apps {
        eventually("it to reach Redis", async || app.get("/readyz", &[]).await.status == 200).await;
    }
    let alice = format!("{ROSTER}/alice");
    let mut tag =
        ask(&apps[0], "PUT", &alice, Some(json!({})), &[]).await.header("etag").to_owned();
    for round in 0..5 {
        let patch = async |app: &TestApp, who: &str| {
            let body = json!({"note": format!("{who}-{round}")});
            ask(app, "PATCH", &alice, Some(body), &[("If-Match", &tag)]).await
        };
        let (one, other) = tokio::join!(patch(&apps[0], "one"), patch(&apps[1], "other"));
        let won: Vec<_> = [one, other].into_iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1, "round {round}");
        tag = won[0].header("etag").to_owned();
        let read = ask(&apps[1], "GET", &alice, None, &[]).await;
        assert_eq!(read.json(), won[0].json());
    }
}
