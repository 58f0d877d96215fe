//! A deployment without a mistake, with everything that it can have.

use serde_json::{Value, json};

use crate::{
    harness::{Caddy, Nginx, PostgresServer, Process, RedisServer, free_port, within_deadline},
    real::scenario::{Key, LiveKitServer, LiveKitSettings, Tools},
};

use super::Deployment;

#[tokio::test]
async fn of_a_deployment_without_a_mistake_it_says_that_nothing_is_wrong() {
    let Some(tools) = Tools::find("doctor_well") else { return };
    let (redis, postgres, port) =
        (RedisServer::start().await, PostgresServer::start().await, free_port());
    let settings = LiveKitSettings {
        redis: Some(json!({"address": format!("127.0.0.1:{}", redis.port)})),
        psrpc_lists: false,
        remote_unmute: false,
        webhook_key: Key::First,
        webhook_url: format!("http://127.0.0.1:{port}/api/livekit/webhook"),
    };
    let livekit = LiveKitServer::start(&tools, settings).await;
    let deployment = Deployment::with(&[
        ("LIVEKIT_KEYS", &Key::lines()),
        ("LIVEKIT_URL", &livekit.url()),
        ("REDIS_URL", &redis.url()),
        ("LIVEKIT_REDIS_URL", "store"),
        ("HISTORY_URL", &postgres.url()),
        ("LKP__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
        ("LKP__HTTP__CORS_ORIGINS", "https://app.example.com"),
    ])
    .await;
    let nginx = Nginx::at(port, &[deployment.port()]).await;
    let url = format!("http://127.0.0.1:{}", nginx.port);
    let said = deployment
        .examined_with(&["--public-url", &url, "--origin", "https://app.example.com"], &[])
        .await;
    said.is_all(&[]);
    let checks = said.report["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 15);
    let is_ok = |check: &Value| {
        // A busy machine may be slow.
        check["verdict"] == "ok" || check["check"] == "redis" && check["verdict"] == "warning"
    };
    assert!(checks.iter().all(is_ok), "{:#}", said.report);
}

#[tokio::test]
async fn of_the_shipped_configuration_of_caddy_it_says_nothing_and_trusts_its_certificate_if_told_to()
 {
    let deployment = Deployment::with(&[("LKP__HTTP__TRUSTED_PROXIES", "127.0.0.1")]).await;
    let caddy = Caddy::before(&[deployment.port()]).await;
    let url = format!("https://localhost:{}", caddy.tls_port);
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
    let arguments = ["--public-url", &url, "--ca-file", authority];
    let (trusted, distrusted) = tokio::join!(
        deployment.examined_with(&arguments, &[]),
        deployment.examined_with(&arguments[..2], &[]),
    );
    trusted.is_all(&[]);
    assert_eq!((trusted.verdict("stream"), trusted.verdict("webhooks")), ("ok", "ok"));
    distrusted.is_only("service", "certificate", "by a CA file");
}

#[tokio::test]
async fn nobody_can_have_it_sign_tokens_for_longer_than_ten_minutes() {
    let mut command = Process::command(&["doctor", "--patience", "601s"], &[]);
    let output = within_deadline("doctor", command.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("write at most 10m"));
}

#[tokio::test]
async fn for_people_it_prints_a_line_a_check_and_without_a_service_it_says_so() {
    let bind = format!("127.0.0.1:{}", free_port());
    let variables = [("LIVEKIT_KEYS", "APIone: hunter2-hunter2"), ("LKP__HTTP__BIND", &bind)];
    let mut command = Process::command(&["doctor"], &variables);
    let output = within_deadline("doctor", command.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8(output.stdout).unwrap();
    for line in [
        &format!("The service is looked for at http://{bind}."),
        "skipped  livekit: `livekit.url` (LIVEKIT_URL) is empty",
        "wrong    service",
        &format!("         - The service gives no answer at http://{bind}: "),
        "           Start it, or correct host and port in `http.bind`.",
        "skipped  webhooks: the service was not reached",
        "ok       descriptors: ",
        "Wrong: 1; warnings: 0.",
    ] {
        assert!(shown.contains(line), "{line} is missing in:\n{shown}");
    }
    assert!(!shown.contains("hunter2"));
}
