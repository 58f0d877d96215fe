//! The commands `serve`, `demo`, `check` and `healthcheck`.

use std::process::Output;

use crate::harness::{Connection, Process, Subscriber, within_deadline};

async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    within_deadline("the command", Process::command(arguments, variables).output()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn check_prints_what_is_in_effect_without_secrets() {
    let variables = [
        ("LIVEKIT_KEYS", "APIone: hunter2-hunter2"),
        ("PORT", "9000"),
        ("LKP__STREAM__HEARTBEAT", "20s"),
    ];
    let output = run(&["check"], &variables).await;
    assert!(output.status.success());
    let shown = text(&output.stdout);
    for expected in [
        "http.bind = \"[::]:9000\"",
        "livekit.keys = \"APIone: ****\"",
        "stream.heartbeat = \"20s\"",
        "stream.max_age = \"1h\"",
    ] {
        assert!(shown.contains(expected), "{expected} is missing in:\n{shown}");
    }
    assert!(!shown.contains("hunter2"));
}

#[tokio::test]
async fn check_names_every_fault_and_fails() {
    let variables = [("LKP__STREAM__HEARTBEAT", "often"), ("LKP__AUTH__MODE", "maybe")];
    let output = run(&["check"], &variables).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "livekit-presence: the configuration is wrong:\n\
         `auth.mode`: \"maybe\" is no mode; write livekit or open (from the environment)\n\
         `livekit.keys`: is empty, so no webhook could be verified; set LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or LIVEKIT_KEYS\n\
         `stream.heartbeat`: \"often\" is no duration; write a number and a unit, such as 250ms, 20s or 1h (from the environment)\n"
    );
}

#[tokio::test]
async fn an_empty_secret_refuses_to_start() {
    let variables = [("LIVEKIT_API_KEY", "APIone"), ("LIVEKIT_API_SECRET", "")];
    let output = run(&[], &variables).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("`LIVEKIT_API_SECRET`: is missing"));
    let output = run(&["serve"], &[("LIVEKIT_KEYS", "APIone:")]).await;
    assert!(text(&output.stderr).contains("the secret of key `APIone` is empty"));
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let app = Process::start(&[]).await;
    let bind = app.address.to_string();
    let output = run(&[], &[("LIVEKIT_KEYS", "a: b"), ("LKP__HTTP__BIND", &bind)]).await;
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains(&format!("cannot listen on {bind}")), "{error}");
    assert!(error.contains("choose another address"), "{error}");
}

#[tokio::test]
async fn healthcheck_asks_the_running_service() {
    let app = Process::start(&[]).await;
    let port = app.address.port().to_string();
    let variables = [("LIVEKIT_KEYS", "a: b"), ("PORT", port.as_str())];
    assert_eq!(run(&["healthcheck"], &variables).await.status.code(), Some(0));
    drop(app);
    crate::harness::eventually("the service to be gone", async || {
        run(&["healthcheck"], &variables).await.status.code() == Some(1)
    })
    .await;
}

#[tokio::test]
async fn a_configuration_file_is_read() {
    let folder = std::env::temp_dir().join(format!("lkp-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("presence.toml");
    std::fs::write(&file, "[livekit]\nkeys = \"APIfile: x\"\n[stream]\nheartbeat = \"7s\"\n")
        .unwrap();
    let output = run(&["check", "--config", file.to_str().unwrap()], &[]).await;
    std::fs::remove_dir_all(&folder).unwrap();
    let shown = text(&output.stdout);
    assert!(
        shown.contains("stream.heartbeat = \"7s\"") && shown.contains("APIfile: ****"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_dot_env_file_in_the_working_directory_is_read_below_the_environment() {
    let folder = std::env::temp_dir().join(format!("lkp-env-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(".env"), "LIVEKIT_KEYS=\"APIdot: x\"\nPORT=1111\n").unwrap();
    let mut command = Process::command(&["check"], &[("PORT", "2222")]);
    let output = command.current_dir(&folder).output().await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let shown = text(&output.stdout);
    assert!(shown.contains("APIdot: ****") && shown.contains("[::]:2222"), "{shown}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_without_its_secrets() {
    let folder = std::env::temp_dir().join(format!("lkp-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let toml = folder.join("presence.toml");
    std::fs::write(&toml, "[livekit]\nkeys = \"APIone: hunter2\n").unwrap();
    let fails_without_the_secret = async |mut command: tokio::process::Command, place: &str| {
        let output = command.current_dir(&folder).output().await.unwrap();
        let shown = text(&output.stderr);
        assert!(!output.status.success());
        assert!(shown.contains(place) && !shown.contains("hunter2"), "{shown}");
    };
    let file = toml.to_str().unwrap();
    fails_without_the_secret(Process::command(&["check", "--config", file], &[]), "line 2").await;
    std::fs::write(folder.join(".env"), "LIVEKIT_API_SECRET=\"hunter2\n").unwrap();
    fails_without_the_secret(Process::command(&["check"], &[]), "LIVEKIT_API_SECRET").await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn the_example_of_an_environment_is_one_that_works() {
    let example =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example")).unwrap();
    let folder = std::env::temp_dir().join(format!("lkp-example-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // The lines that are commented out must be right, too.
    let all: String = example
        .lines()
        .map(|line| {
            line.strip_prefix("#")
                .filter(|rest| rest.contains('=') && !rest.starts_with(' '))
                .unwrap_or(line)
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let check = async |content: &str| {
        std::fs::write(folder.join(".env"), content).unwrap();
        Process::command(&["check"], &[]).current_dir(&folder).output().await.unwrap()
    };
    let unfilled = check(&example).await;
    assert!(text(&unfilled.stderr).contains("set LIVEKIT_API_KEY and LIVEKIT_API_SECRET"));
    for content in [example, all] {
        let filled = content.replace("LIVEKIT_API_KEY=\n", "LIVEKIT_API_KEY=APIexample\n").replace(
            "LIVEKIT_API_SECRET=\n",
            "LIVEKIT_API_SECRET=a-secret-of-at-least-32-characters\n",
        );
        let output = check(&filled).await;
        assert!(output.status.success(), "{}\nof\n{filled}", text(&output.stderr));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn the_demo_gives_anybody_a_token_and_says_so() {
    let app = Process::start_as(&["demo"], &[("LIVEKIT_KEYS", "")]).await;
    let answer = app.get("/api/livekit/token?room=general&username=alice").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["identity"], "alice");
    assert!(app.log().contains("`tokens.insecure` is on: anybody who reaches this service"));
    let served = Process::start(&[]).await;
    assert_eq!(served.get("/api/livekit/token?room=general&username=alice").await.status, 404);
    assert!(!served.log().contains("tokens.insecure"));
}

#[tokio::test]
async fn the_demo_shows_people_coming_and_going() {
    let app = Process::start_as(&["demo"], &[("LIVEKIT_KEYS", "")]).await;
    let mut connection = Connection::open(app.address).await;
    // All of these, since in one of them it may take a while until somebody leaves.
    let rooms = "room=general&room=standup&room=music&room=support";
    connection.request("GET", &format!("/api/livekit/rooms/stream?{rooms}"), &[]).await;
    let mut subscriber = Subscriber::of(connection).await;
    let (mut seen_join, mut seen_publish, mut seen_leave) = (false, false, false);
    within_deadline("people to come, publish and go", async {
        while !(seen_join && seen_publish && seen_leave) {
            let event = subscriber.next().await.unwrap();
            if event.name != "room:delta" {
                continue;
            }
            let delta = event.json();
            let people = |change: &str| delta[change].as_array().unwrap().clone();
            seen_join |= !people("joined").is_empty();
            seen_leave |= !people("left").is_empty();
            seen_publish |= people("updated").iter().any(|one| one["isPublisher"] == true);
        }
    })
    .await;
    let rooms = app.get("/api/livekit/rooms").await.json();
    assert!(rooms.as_array().unwrap().len() >= 3, "{rooms}");
    assert!(app.get("/").await.text().contains("<title>"));
}
