//! Whether what clients show arrives: `Authorization`, and the cookie if one is configured.

use axum::http::{StatusCode, header};

use crate::{
    config::Config,
    doctor::finding::{Check, Checked},
    http::AuthMode,
};

use super::{Service, reach::Reached};

const TARGET: &str = "/api/livekit/rooms";

pub(super) async fn check(service: &Service, reached: &Reached, config: &Config) -> Checked {
    let mut checked = Checked::of(Check::Credentials);
    if !reached.takes_header {
        checked = checked.wrong(
            "The proxy drops `Authorization`: neither webhooks nor clients with a header get in.",
            "Let it hand the header on: remove `proxy_set_header Authorization \"\";` from nginx, and what asks for a password from the paths below /api/.",
        );
    }
    let settings = &config.auth.settings;
    if settings.mode == AuthMode::Open {
        return checked.saying("anybody may read, as `auth.mode` says");
    }
    let Some(cookie) = &settings.cookie else {
        let checked = checked.saying("tokens arrive");
        return if service.is_public { hinting(checked) } else { checked };
    };
    let shown = format!("{cookie}={}", service.token(super::CHECK_TIMEOUT));
    match service.get(TARGET, &[(header::COOKIE.as_str(), &shown)]).await {
        Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED => checked.wrong(
            format!("The proxy drops the cookie {cookie}, which `auth.cookie` names."),
            "Let it hand cookies on.",
        ),
        Ok(_) | Err(_) => checked.saying("tokens arrive in the header and in the cookie"),
    }
}

/// Nothing from outside shows what a proxy logs.
fn hinting(checked: Checked) -> Checked {
    checked.warning(
        "A page's EventSource sends its token in the query (`?access_token=`), and proxies log queries unless told otherwise.",
        "Have the proxy log paths without queries, as config/nginx.conf does with `log_format`, or put the token into a cookie that `auth.cookie` names.",
    )
}
