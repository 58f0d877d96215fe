//! Whether WebSockets can be opened.

use axum::http::StatusCode;

use crate::doctor::finding::{Check, Checked};

use super::{ANSWER_TIMEOUT, CHECK_TIMEOUT, Service};

pub(super) async fn check(service: &Service) -> Checked {
    let target = format!("/api/livekit/rooms/ws?access_token={}", service.token(CHECK_TIMEOUT));
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "bGl2ZWtpdC1wcmVzZW5jZQ=="),
    ];
    let checked = Checked::of(Check::WebSocket);
    let status = match service.open(&target, &headers, ANSWER_TIMEOUT).await {
        Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            return checked.saying("WebSockets can be opened");
        }
        Ok(answer) => format!("it is answered {}", answer.status().as_u16()),
        Err(error) => error.to_string(),
    };
    checked.warning(
        format!("No WebSocket can be opened: {status}."),
        "Have the proxy hand `Upgrade` and `Connection` on, by HTTP/1.1, as config/nginx.conf does; streams and lists work without.",
    )
}
