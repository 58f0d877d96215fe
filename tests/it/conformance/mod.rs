//! `livekit-presence conformance`: this service has full marks, and an implementation that verifies nothing and forgets nothing has what
//! it deserves.

mod documented;
mod naive;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    process::Output,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::timeout;

use crate::harness::{PROCESS_KEYS, Process, RedisServer, free_port};

/// How many cases each group has.
pub const GROUPS: [(&str, u64); 11] = [
    ("signatures", 70),
    ("order", 33),
    ("loss", 19),
    ("duplicates", 20),
    ("hidden", 18),
    ("details", 56),
    ("tokens", 34),
    ("sse", 39),
    ("reconnects", 20),
    ("get", 55),
    ("captured", 20),
];
const ORIGIN: &str = "https://app.example.com";
/// A run on a busy machine takes longer than a test usually waits.
const RUN_LIMIT: Duration = Duration::from_mins(2);

async fn run(arguments: &[&str]) -> Output {
    run_with(arguments, &[("LIVEKIT_KEYS", PROCESS_KEYS)]).await
}

async fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Process::command(&[&["conformance"], arguments].concat(), variables);
    timeout(RUN_LIMIT, command.output()).await.expect("a run ends in time").unwrap()
}

/// The service as it is by default, but for a shorter heartbeat, which a test would wait for.
async fn service(variables: &[(&str, &str)]) -> Process {
    let defaults = [
        ("LKP__AUTH__MODE", "livekit"),
        ("LKP__HTTP__CORS_ORIGINS", ORIGIN),
        ("LKP__STREAM__HEARTBEAT", "1s"),
        ("LKP__LIMITS__READS_PER_ADDRESS", "200"),
        ("LKP__LIMITS__STREAMS_PER_ADDRESS", "100"),
    ];
    let variables: Vec<_> = defaults.iter().chain(variables).copied().collect();
    Process::start(&variables).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {output:?}"))
}

/// The groups of a report, with what passed and what was tried of each.
fn scores(report: &Value) -> Vec<(&str, u64, u64)> {
    let number = |group: &Value, field: &str| group[field].as_u64().unwrap();
    let groups = report["groups"].as_array().unwrap().iter();
    groups
        .map(|one| (one["group"].as_str().unwrap(), number(one, "passed"), number(one, "of")))
        .collect()
}

fn failed(report: &Value) -> Vec<String> {
    let cases = report["cases"].as_array().unwrap().iter();
    let failed = cases.filter(|case| case["verdict"] == "failed");
    failed.map(|case| format!("{}: {}", case["case"], case["what"])).collect()
}

async fn has_full_marks(service: &Process) {
    let url = format!("http://{}", service.address);
    let started = Instant::now();
    let output = run(&[&url, "--json", "--origin", ORIGIN]).await;
    println!("it took {:?}", started.elapsed());
    let report = report(&output);
    assert_eq!(failed(&report), [""; 0]);
    let full: Vec<_> = GROUPS.iter().map(|(group, of)| (*group, *of, *of)).collect();
    assert_eq!(scores(&report), full);
    assert_eq!(report["score"]["skipped"], 0);
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn this_service_has_full_marks() {
    has_full_marks(&service(&[]).await).await;
}

#[tokio::test]
async fn this_service_has_full_marks_with_rooms_in_redis() {
    let redis = RedisServer::start().await;
    has_full_marks(&service(&[("REDIS_URL", &redis.url())]).await).await;
}

fn naive_arguments(address: SocketAddr) -> [String; 5] {
    [
        format!("http://{address}"),
        "--webhook-path=/webhook".to_owned(),
        "--list-path=/list?room={room}".to_owned(),
        "--stream-path=/stream?room={room}".to_owned(),
        "--silence=2s".to_owned(),
    ]
}

#[tokio::test]
async fn an_implementation_that_verifies_and_remembers_nothing_has_what_it_deserves() {
    let arguments = naive_arguments(naive::start().await);
    let mut arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--json", "--timeout=3s", "--origin", ORIGIN]);
    let output = run(&arguments).await;
    let report = report(&output);
    let deserved = [
        ("signatures", 26, 70),
        ("order", 19, 33),
        ("loss", 12, 19),
        ("duplicates", 8, 20),
        ("hidden", 8, 18),
        ("details", 43, 56),
        ("tokens", 7, 34),
        ("sse", 29, 39),
        ("reconnects", 12, 20),
        ("get", 28, 55),
        ("captured", 17, 20),
    ];
    assert_eq!(scores(&report), deserved, "{:#?}", failed(&report));
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn for_people_it_prints_what_failed_and_the_score() {
    let arguments = naive_arguments(naive::start().await);
    let mut arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--only=order,tokens", "--open"]);
    let output = run(&arguments).await;
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stdout);
    for part in [
        "The implementation is at http://127.0.0.1:",
        "failed   order/leave-of-the-replaced-session\n         - The leave of the older session does not take the newer one away: it is about a sid, not about an identity. (DESIGN 3.3)\n           But the list has ",
        "\ntokens       0 of   0, ",
        " not tried\n",
        "\nScore: ",
    ] {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    assert!(!shown.contains("signatures"), "{shown}");
}

#[tokio::test]
async fn it_lists_at_least_150_cases_each_under_a_name_of_its_own() {
    let output = run_with(&["--list-cases"], &[]).await;
    assert_eq!(output.status.code(), Some(0));
    let shown = text(&output.stdout);
    let ids: Vec<_> = shown.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    let sentences: BTreeSet<_> =
        shown.lines().map(|line| line.split_once(": ").unwrap().1).collect();
    let unique: BTreeSet<_> = ids.iter().collect();
    assert!(unique.len() >= 150, "{}", unique.len());
    assert_eq!((unique.len(), sentences.len()), (ids.len(), ids.len()));
    for (group, count) in GROUPS {
        let prefix = format!("{group}/");
        let of_group = ids.iter().filter(|id| id.starts_with(&prefix)).count();
        assert_eq!(of_group as u64, count, "{group}");
    }
}

/// That nothing can be tried, with these words about why and what to do.
async fn cannot_run(arguments: &[&str], words: &[&str]) {
    let output = run(arguments).await;
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in words {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}

#[tokio::test]
async fn where_nothing_can_be_tried_it_says_why_and_what_to_do() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let nothing = ["nothing answers at http://127.0.0.1:", "Start the implementation"];
    cannot_run(&[&url], &nothing).await;
    let service = service(&[]).await;
    let url = format!("http://{}", service.address);
    let key = ["--key", "APIprocess", "--secret", "another-secret-0123456789abcdef012345"];
    cannot_run(&[&[url.as_str()], &key[..]].concat(), &["is answered 401", "--key and --secret"])
        .await;
    let path = ["is answered 404 at /elsewhere", "--webhook-path"];
    cannot_run(&[&url, "--webhook-path=/elsewhere"], &path).await;
    let path = ["a list is answered 404 at /elsewhere", "--list-path"];
    cannot_run(&[&url, "--list-path=/elsewhere"], &path).await;
    cannot_run(&[&url, "--open"], &["a list is answered 401", "--open"]).await;
    cannot_run(&[&url, "--only=everything"], &["write some of signatures, order"]).await;
    cannot_run(&[], &["<URL>"]).await;
}
