//! `livekit-presence history export`.

use std::process::{Output, Stdio};

use livekit_presence::history::{Database, HistoryAddress};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::harness::{Folder, PostgresServer, Process, TestDatabase, within_deadline};

use super::past::{insert, past};

async fn export(url: &str, arguments: &[&str]) -> Output {
    let arguments = [&["history", "export"], arguments].concat();
    // Without an API key, which this needs none of.
    let variables = [("HISTORY_URL", url)];
    let output = Process::command(&arguments, &variables).output();
    within_deadline("the export", output).await.unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn an_export_has_every_session_once_also_where_it_is_read_in_parts() {
    for kind in TestDatabase::both().await {
        // One of five is within the range.
        let sessions: Vec<_> = (0..12_500)
            .map(|nth| {
                let from = if nth % 5 == 0 { 100_000 } else { 0 };
                past(&format!("PA_{nth}"), "general", "alice", from + nth, Some(from + nth + 10))
            })
            .collect();
        insert(&kind.connect().await, &sessions).await;
        let output = export(&kind.url(), &["--from", "100000", "--format", "jsonl"]).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        let lines = text(&output.stdout).lines();
        let mut sids: Vec<String> = lines
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["sid"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(sids.len(), 2_500);
        sids.sort_unstable();
        sids.dedup();
        assert_eq!(sids.len(), 2_500);
    }
}

#[tokio::test]
async fn an_export_is_cut_at_the_given_time_and_written_as_a_table_or_as_lines() {
    let kind = TestDatabase::sqlite();
    let sessions = [
        past("PA_1", "general", "=alice", 1_000, Some(61_000)).with_microphone(1_000, Some(40_000)),
        past("PA_2", "general", "bob", 70_000, None),
    ];
    insert(&kind.connect().await, &sessions).await;
    let range = ["--from", "1970-01-01T00:00:31Z", "--to", "70000"];
    let table = export(&kind.url(), &range).await;
    assert_eq!(
        text(&table.stdout),
        "room,identity,name,kind,sid,instance,joinedAt,joinedAtMs,leftAt,leftAtMs,durationMs,microphoneMs,cameraMs,\
         screenMs,exact,reason\r\n\
         general,'=alice,'=ALICE,STANDARD,PA_1,,1970-01-01T00:00:01.000Z,1000,1970-01-01T00:01:01.000Z,61000,30000,\
         9000,0,0,true,\r\n"
    );
    let lines = export(&kind.url(), &["--from", "65000", "--format", "jsonl"]).await;
    let bob: Value = serde_json::from_slice(&lines.stdout).unwrap();
    assert_eq!((&bob["room"], &bob["identity"]), (&json!("general"), &json!("bob")));
    assert_eq!((&bob["intervals"], &bob["leftAt"]), (&json!([[70_000, null]]), &json!(null)));
}

#[tokio::test]
async fn an_export_that_cannot_be_made_says_why() {
    let kind = TestDatabase::sqlite();
    let cases: [(&str, &[&str], &str); 4] = [
        ("", &[], "set `history.url`"),
        (&kind.url(), &["--from", "yesterday"], "milliseconds since 1970"),
        (&kind.url(), &["--from", "5", "--to", "5"], "must be before `to`"),
        (&kind.url(), &["--format", "xml"], "invalid value 'xml'"),
    ];
    for (url, arguments, expected) in cases {
        let output = export(url, arguments).await;
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output.stderr).contains(expected), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[tokio::test]
async fn an_export_ends_in_order_when_nobody_reads_on() {
    let kind = TestDatabase::sqlite();
    let sessions: Vec<_> = (0..10_000)
        .map(|nth| past(&format!("PA_{nth}"), "general", "alice", nth, Some(nth + 10)))
        .collect();
    insert(&kind.connect().await, &sessions).await;
    let variables = [("HISTORY_URL", &*kind.url())];
    let mut command = Process::command(&["history", "export"], &variables);
    let mut exporting = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = exporting.stdout.take().unwrap();
    within_deadline("the first bytes", output.read_exact(&mut [0; 100])).await.unwrap();
    drop(output);
    let ended = within_deadline("its end", exporting.wait_with_output()).await.unwrap();
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert_eq!(text(&ended.stderr), "");
}

#[tokio::test]
async fn an_export_of_a_file_that_is_not_there_makes_none() {
    let folder = Folder::new("export");
    let path = folder.path().join("history.db");
    let output = export(&format!("sqlite:{}", path.display()), &[]).await;
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("there is no history"), "{}", text(&output.stderr));
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    let output = export(&format!("sqlite:{}", path.display()), &[]).await;
    assert!(text(&output.stderr).contains("there is no history"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn an_export_needs_no_right_but_to_read() {
    let server = PostgresServer::start().await;
    let database = Database::connect(&HistoryAddress::parse(&server.url()).unwrap()).await.unwrap();
    insert(&database, &[past("PA_1", "general", "alice", 0, Some(1_000))]).await;
    let role = "CREATE ROLE auditor LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor";
    sqlx::raw_sql(role).execute(database.reader().await.unwrap()).await.unwrap();
    let url = server.url().replace("postgres@", "auditor@");
    let output = export(&url, &["--format", "jsonl"]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("PA_1"));
}
