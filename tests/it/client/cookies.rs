//! A page of another origin can read with the service's cookie if the option `withCredentials` is set.

use serde_json::{Value, json};

use crate::harness::{Process, joined, started};

use super::fixture::{Fixture, token_for};

#[tokio::test]
async fn a_page_of_another_origin_reads_with_its_cookie_if_with_credentials_is_set() {
    let mut fixture = Fixture::with(&[]).await;
    let origin = fixture.origin();
    let blank = fixture.tab().await;
    // Cookies belong to all ports of a host, and so to both origins.
    fixture
        .browser
        .run::<()>(blank, "document.cookie = `session=${argument}`", token_for(600))
        .await;
    for (streams, status) in [("true", "live"), ("false", "polling")] {
        let service = Process::start(&[
            ("LKP__AUTH__MODE", "livekit"),
            ("LKP__AUTH__COOKIE", "session"),
            ("LKP__HTTP__CORS_ORIGINS", &origin),
            ("LKP__STREAM__ENABLED", streams),
        ])
        .await;
        service.webhooks([started(), joined("alice")]).await;
        let url = format!("http://{}", service.address);
        // Without a shared worker: the worker of the service's page may connect to its own origin only.
        for share in [true, false] {
            let options = |with_credentials: Value| {
                json!({
                    "url": url,
                    "share": share,
                    "without": "SharedWorker",
                    "withCredentials": with_credentials,
                })
            };
            let with = fixture.watching(options(true.into())).await;
            let shown = fixture.until_status(with, status).await;
            assert_eq!(shown.people, ["alice"], "streams: {streams}, share: {share}");
            let without = fixture.watching(options(Value::Null)).await;
            let refused = fixture.until_status(without, "error").await;
            assert_eq!(refused.error.unwrap().status, 401, "streams: {streams}, share: {share}");
        }
    }
}
