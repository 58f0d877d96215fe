//! A real nginx before the service, with one mistake in its configuration.

use futures_util::future::join_all;

use crate::harness::Nginx;

use super::{Deployment, Said};

/// What somebody writes who knows what the service needs.
const GOOD: [&str; 7] = [
    "client_max_body_size 5m;",
    "proxy_http_version 1.1;",
    "proxy_set_header Host $http_host;",
    "proxy_set_header Upgrade $http_upgrade;",
    "proxy_set_header Connection $http_connection;",
    "proxy_set_header X-Forwarded-For $remote_addr;",
    "proxy_buffering off;",
];

/// What is said of a service behind a proxy with more lines, and without those that begin with one of `left_out`.
async fn behind(more: &str, left_out: &[&str]) -> Said {
    behind_with(more, left_out, &[("LKP__HTTP__TRUSTED_PROXIES", "127.0.0.1")]).await
}

async fn behind_with(more: &str, left_out: &[&str], variables: &[(&str, &str)]) -> Said {
    let deployment = Deployment::with(variables).await;
    let is_left_out = |line: &&str| left_out.iter().any(|start| line.starts_with(start));
    let lines: Vec<_> = GOOD.into_iter().filter(|line| !is_left_out(line)).collect();
    let nginx =
        Nginx::of_few_lines(&format!("{}\n{more}", lines.join("\n")), deployment.port()).await;
    deployment.examined_at(nginx.port).await
}

#[tokio::test]
async fn of_a_proxy_that_does_as_it_should_nothing_is_said() {
    let said = behind("", &[]).await;
    said.is_all(&[]);
    for check in
        ["service", "client-address", "credentials", "webhooks", "stream", "websocket", "cache"]
    {
        assert_eq!(said.verdict(check), "ok", "{check}");
    }
    assert_eq!(said.verdict("livekit-webhooks"), "skipped");
}

// By HTTP/1.1 the service writes chunks, which nginx hands on even so.
#[tokio::test]
async fn a_proxy_that_buffers_is_named() {
    let more =
        "proxy_http_version 1.0;\nproxy_buffering on;\nproxy_ignore_headers X-Accel-Buffering;";
    behind(more, &["proxy_buffering", "proxy_http_version"]).await.is_all(&[
        ("service", "warning", "HTTP/1.0", "proxy_http_version 1.1"),
        ("stream", "wrong", "holds back", "proxy_buffering off"),
        ("websocket", "warning", "No WebSocket can be opened", "`Upgrade`"),
    ]);
}

#[tokio::test]
async fn a_proxy_that_packs_streams_is_named() {
    let more = "gzip on;\ngzip_types *;\ngzip_min_length 0;";
    behind(more, &[]).await.is_only("stream", "packs streams (gzip)", "gzip_types");
}

#[tokio::test]
async fn a_proxy_that_cuts_silent_streams_is_named() {
    let said = behind("proxy_read_timeout 1s;", &[]).await;
    said.is_only("stream", "A stream was cut after ", "proxy_read_timeout");
}

#[tokio::test]
async fn a_proxy_that_drops_the_tokens_header_is_named() {
    behind("proxy_set_header Authorization \"\";", &[]).await.is_all(&[
        ("credentials", "wrong", "drops `Authorization`", "hand the header on"),
        ("webhooks", "wrong", "without its `Authorization`", "hand the header on"),
    ]);
}

#[tokio::test]
async fn a_proxy_that_rewrites_the_webhooks_path_is_named() {
    let more = "rewrite ^/api/livekit/webhook$ /livekit/webhook break;";
    behind(more, &[]).await.is_only("webhooks", "the proxy rewrites paths", "hand paths on");
}

#[tokio::test]
async fn a_proxy_that_changes_or_swallows_webhooks_is_named() {
    let changes = "if ($request_method = POST) { set $body '{}'; }\nproxy_set_body $body;";
    let swallows = "if ($request_method = POST) { return 200; }";
    let redirects = "if ($request_method = POST) { return 301 https://$host$request_uri; }";
    join_all(
        [
            (changes, "with another body than the one that was signed", "byte for byte"),
            (swallows, "answered 200, and does not reach the service", "to the same service"),
            (redirects, "is redirected (301)", "the address behind the redirect"),
        ]
        .map(async |(more, what, remedy)| {
            behind(more, &[]).await.is_only("webhooks", what, remedy);
        }),
    )
    .await;
}

#[tokio::test]
async fn a_proxy_whose_x_forwarded_for_is_not_believed_is_named() {
    let said = behind_with("", &[], &[]).await;
    said.is_only(
        "client-address",
        "127.0.0.1, for every client",
        "LKP__HTTP__TRUSTED_PROXIES=127.0.0.1",
    );
}

#[tokio::test]
async fn where_nothing_writes_the_clients_address_the_remedy_is_not_to_trust() {
    let said = behind_with("", &["proxy_set_header X-Forwarded-For"], &[]).await;
    said.is_only(
        "client-address",
        "Nothing writes the client's address into X-Forwarded-For",
        "Do not add 127.0.0.1 to `http.trusted_proxies` yet",
    );
}

#[tokio::test]
async fn a_proxy_before_the_trusted_one_that_is_not_trusted_is_warned_of() {
    // As if a CDN at 198.51.100.7 were before nginx.
    let chain =
        "proxy_set_header X-Forwarded-For \"$http_x_forwarded_for, 203.0.113.9, 198.51.100.7\";";
    behind(chain, &["proxy_set_header X-Forwarded-For"]).await.is_all(&[(
        "client-address",
        "warning",
        "takes 198.51.100.7 for the client",
        "add it or its network to `http.trusted_proxies` too",
    )]);
}

#[tokio::test]
async fn a_proxy_that_lets_clients_choose_their_address_is_named() {
    let said = behind("", &["proxy_set_header X-Forwarded-For"]).await;
    said.is_only("client-address", "as clients write it", "X-Forwarded-For $remote_addr");
}

#[tokio::test]
async fn a_proxy_that_takes_no_large_bodies_and_no_web_sockets_is_warned_of() {
    let left_out = [
        "client_max_body_size",
        "proxy_http_version",
        "proxy_set_header Upgrade",
        "proxy_set_header Connection",
    ];
    behind("proxy_http_version 1.0;", &left_out).await.is_all(&[
        ("service", "warning", "HTTP/1.0", "proxy_http_version 1.1"),
        ("webhooks", "warning", "more than a megabyte", "client_max_body_size 5m"),
        ("websocket", "warning", "No WebSocket can be opened", "`Upgrade`"),
    ]);
}

#[tokio::test]
async fn a_proxy_before_no_service_is_named() {
    let deployment = Deployment::with(&[]).await;
    let nginx = Nginx::of_few_lines("location /api/ { return 502; }", deployment.port()).await;
    let said = deployment.examined_at(nginx.port).await;
    said.is_only("service", "does not reach the service: it answers 502", "Start the service");
    assert_eq!(said.verdict("webhooks"), "skipped");
}

#[tokio::test]
async fn a_page_that_may_not_read_is_named() {
    let deployment =
        Deployment::with(&[("LKP__HTTP__CORS_ORIGINS", "https://app.example.com")]).await;
    let allowed = deployment.examined_with(&["--origin", "https://app.example.com"], &[]);
    let other = deployment.examined_with(&["--origin", "https://other.example.com"], &[]);
    let (allowed, other) = tokio::join!(allowed, other);
    allowed.is_all(&[]);
    assert_eq!(allowed.verdict("cors"), "ok");
    other.is_only("cors", "Pages of https://other.example.com may not read", "http.cors_origins");
}
