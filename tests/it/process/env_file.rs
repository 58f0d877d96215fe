//! A `.env` file in the working directory.

use livekit_presence::livekit::{ApiKey, Keys, WebhookToken};

use crate::harness::{Connection, Folder, Process, joined, webhook_request};

const SECRET: &str = "pa$$word-with-${dollars}-and-#-0123456789";

async fn check(env_file: &str) -> (bool, String) {
    let folder = Folder::new("env-file");
    std::fs::write(folder.path().join(".env"), env_file).unwrap();
    let mut command = Process::command(&["check"], &[]);
    let output = command.current_dir(folder.path()).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

// Once, the end of such a secret was replaced by an empty variable, and every webhook was answered 401.
#[tokio::test]
async fn a_dollar_that_might_be_replaced_is_refused_by_name_and_line() {
    for line in ["LIVEKIT_API_SECRET=hunter$2", "LIVEKIT_API_SECRET=\"hunter${x}2\""] {
        let (is_taken, said) = check(&format!("LIVEKIT_API_KEY=APIx\n{line}\n")).await;
        assert!(!is_taken, "{line}: {said}");
        assert!(said.contains("line 2") && said.contains("LIVEKIT_API_SECRET"), "{said}");
        assert!(said.contains("single quotes") && !said.contains("hunter"), "{said}");
    }
    let (is_taken, said) = check("LIVEKIT_KEYS='a: b'\nOF_ANOTHER_PROGRAM=$HOME/x\n").await;
    assert!(is_taken, "what others make of theirs is not our concern: {said}");
}

#[tokio::test]
async fn a_secret_in_single_quotes_is_taken_as_it_is() {
    let folder = Folder::new("env-file");
    let content = format!(
        "\u{feff}export LIVEKIT_API_KEY=APIdot\r\nLIVEKIT_API_SECRET='{SECRET}' # rotated\r\n"
    );
    std::fs::write(folder.path().join(".env"), content).unwrap();
    let settings = [("LKP__HTTP__BIND", "127.0.0.1:0"), ("LKP__LOG__FORMAT", "json")];
    let mut command = Process::command(&["serve"], &settings);
    command.current_dir(folder.path());
    let service = Process::spawn(command).await;
    let keys = Keys::new(&[ApiKey::new("APIdot", SECRET).unwrap()]);
    let body = joined("alice").bytes();
    let now = livekit_presence::clock::Clock::system().now().as_secs();
    let token = WebhookToken::sign(&body, &keys, now).unwrap();
    let mut connection = Connection::open(service.address).await;
    let request = webhook_request("/api/livekit/webhook", &[("Authorization", &token)], &body);
    connection.send(&request).await;
    assert_eq!(connection.response().await.status, 200);
}
