//! A roster of thousands.

use std::time::Instant;

use serde_json::json;

use crate::harness::{TestDatabase, joined, now, started};

use super::{ROSTER, Stage, counts, everybody, expected, next_roster, statuses};

const MANY: usize = 5_000;

#[tokio::test]
async fn a_roster_of_thousands_is_written_read_and_followed() {
    for kind in TestDatabase::both().await {
        let stage = Stage::with(kind, &[]).await;
        let begun = Instant::now();
        let many = everybody((0..MANY).map(|nth| format!("person-{nth:05}")));
        let totals = stage.ok("PUT", ROSTER, Some(many)).await;
        assert_eq!(totals, json!({"onlineCount": 0, "totalCount": MANY}));
        println!("written within {:?}", begun.elapsed());
        let begun = Instant::now();
        let list = stage.list().await;
        assert_eq!(list["entries"].as_array().unwrap().len(), MANY);
        println!("read within {:?}", begun.elapsed());

        let mut stream = stage.watch().await;
        assert_eq!(counts(&next_roster(&mut stream).await), [&json!(0), &json!(MANY)]);
        let begun = Instant::now();
        let target = format!("{ROSTER}/person-04999");
        stage.ok("PATCH", &target, Some(json!({"role": "host"}))).await;
        let change = next_roster(&mut stream).await;
        println!("a change was pushed within {:?}", begun.elapsed());
        assert_eq!(change["changed"].as_array().unwrap().len(), 1, "one entry, and not all");
        assert_eq!(change["changed"][0]["role"], "host");
        let begun = Instant::now();
        let came = joined("person-00007");
        stage.app.webhooks([started(), came].map(|one| now(one.room("stage")))).await;
        let change = next_roster(&mut stream).await;
        println!("a join was pushed within {:?}", begun.elapsed());
        assert_eq!(statuses(&change["changed"]), expected(&[("person-00007", "JOINED")]));
        let none = stage.ok("DELETE", ROSTER, None).await;
        assert!(none.is_null());
        assert_eq!(counts(&stage.list().await), [&json!(1), &json!(1)]);
    }
}
