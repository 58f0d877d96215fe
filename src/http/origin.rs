//! Origins of pages, written as browsers write them in `Origin` (RFC 6454, 6.1; the serialisation of the URL standard).

use axum::http::HeaderValue;
use url::{Host, Url};

/// One origin, or all origins exactly one label below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigin {
    Exact(HeaderValue),
    /// `https://*.preview.example.com:8443` is what stands `before` the label (`https://`) and `after` it.
    OneLabelBelow {
        before: String,
        after: String,
    },
}

/// The origins whose pages may read, as browsers are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Only pages of this service's own origin.
    #[default]
    None,
    Any,
    These(Vec<AllowedOrigin>),
}

impl CorsOrigins {
    /// Whether a page of this origin was named.
    pub(super) fn name(&self, origin: &HeaderValue) -> bool {
        matches!(self, Self::These(origins) if origins.iter().any(|one| one.matches(origin)))
    }
}

/// Why a text is not an origin that a browser would send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    #[error(
        "is not an origin; write scheme, host and port as browsers do, such as https://app.example.com, or only \"*\""
    )]
    NotAnOrigin,
    #[error(
        "is what all pages without an origin send, files and sandboxed frames among them, so it names nobody; serve the page from an origin of its own"
    )]
    Null,
    #[error(
        "is no page's origin: pages come by http or https, or by a scheme of an app; write the page's own scheme"
    )]
    NotOfPages,
    #[error(
        "is not a pattern; only one leading label can be left open, below a domain of at least two, such as https://*.preview.example.com"
    )]
    Pattern,
    #[error(
        "is of an app's scheme, so it must be written exactly as the app sends it, with a plain host in lower case, such as capacitor://localhost"
    )]
    OfAnApp,
}

/// Schemes that the URL standard knows, and by which no page has an origin.
const NOT_OF_PAGES: [&str; 9] =
    ["ws", "wss", "ftp", "file", "data", "blob", "about", "javascript", "mailto"];

impl AllowedOrigin {
    /// Reads an origin, and turns it into what browsers send: lower case, no default port, international names in Punycode,
    /// addresses in their shortest form.
    ///
    /// # Errors
    /// No browser would ever send this.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        if text.eq_ignore_ascii_case("null") {
            return Err(InvalidOrigin::Null);
        }
        let (scheme, authority) = text.split_once("://").ok_or(InvalidOrigin::NotAnOrigin)?;
        let has_more = |letter: char| "/?#@\\".contains(letter) || letter.is_whitespace();
        if authority.contains(|letter: char| has_more(letter) || letter.is_control()) {
            return Err(InvalidOrigin::NotAnOrigin);
        }
        let scheme = scheme.to_ascii_lowercase();
        let domain = authority.strip_prefix("*.");
        match (scheme.as_str(), domain) {
            _ if domain.unwrap_or(authority).contains('*') => Err(InvalidOrigin::Pattern),
            (scheme, _) if NOT_OF_PAGES.contains(&scheme) => Err(InvalidOrigin::NotOfPages),
            ("http" | "https", Some(domain)) => pattern(&scheme, domain),
            ("http" | "https", None) => {
                let url = web_url(&scheme, authority)?;
                exact(&url.origin().ascii_serialization())
            }
            (_, Some(_)) => Err(InvalidOrigin::Pattern),
            (_, None) => of_an_app(&scheme, authority),
        }
    }

    /// Whether the `Origin` of a request is allowed by this.
    pub(super) fn matches(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::OneLabelBelow { before, after } => {
                let origin = origin.to_str().ok();
                let rest = origin.and_then(|origin| origin.strip_prefix(before.as_str()));
                rest.and_then(|rest| rest.strip_suffix(after.as_str())).is_some_and(is_label)
            }
        }
    }
}

fn exact(origin: &str) -> Result<AllowedOrigin, InvalidOrigin> {
    let value = HeaderValue::from_str(origin).map_err(|_| InvalidOrigin::NotAnOrigin)?;
    Ok(AllowedOrigin::Exact(value))
}

fn web_url(scheme: &str, authority: &str) -> Result<Url, InvalidOrigin> {
    Url::parse(&format!("{scheme}://{authority}")).map_err(|_| InvalidOrigin::NotAnOrigin)
}

/// Reads a pattern by putting a label in place of the open one, which makes it an origin like any other.
fn pattern(scheme: &str, domain: &str) -> Result<AllowedOrigin, InvalidOrigin> {
    let url = web_url(scheme, &format!("x.{domain}")).map_err(|_| InvalidOrigin::Pattern)?;
    let Some(Host::Domain(host)) = url.host() else { return Err(InvalidOrigin::Pattern) };
    let domain = host.strip_prefix("x.").unwrap_or_default().trim_end_matches('.');
    if !domain.contains('.') && domain != "localhost" {
        return Err(InvalidOrigin::Pattern);
    }
    let before = format!("{scheme}://");
    let origin = url.origin().ascii_serialization();
    let after = origin.strip_prefix(&format!("{before}x")).ok_or(InvalidOrigin::Pattern)?;
    Ok(AllowedOrigin::OneLabelBelow { after: after.to_owned(), before })
}

/// A label as browsers write it: in lower case, and international ones in Punycode.
fn is_label(text: &str) -> bool {
    let is_plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
    };
    !text.is_empty() && text.bytes().all(is_plain)
}

/// Reads an origin with the scheme of a browser extension or an app shell. No standard normalises its host.
fn of_an_app(scheme: &str, authority: &str) -> Result<AllowedOrigin, InvalidOrigin> {
    let mut letters = scheme.bytes();
    let is_scheme = letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme {
        return Err(InvalidOrigin::NotAnOrigin);
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
    let is_host = !host.is_empty() && host.split('.').all(is_label);
    if !is_host || port.parse::<u16>().is_err() {
        return Err(InvalidOrigin::OfAnApp);
    }
    exact(&format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<String, InvalidOrigin> {
        AllowedOrigin::parse(text).map(|origin| match origin {
            AllowedOrigin::Exact(origin) => origin.to_str().unwrap().to_owned(),
            AllowedOrigin::OneLabelBelow { before, after } => format!("{before}*{after}"),
        })
    }

    // The right column is what Chromium, Firefox and Node's `new URL(…).origin` give.
    #[test]
    fn an_origin_becomes_what_browsers_send() {
        let cases = [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.Example.COM", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://app.example.com:80", "http://app.example.com"),
            ("https://app.example.com:80", "https://app.example.com:80"),
            ("https://app.example.com:08443", "https://app.example.com:8443"),
            ("https://app.example.com:", "https://app.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://BÜCHER.example:443", "https://xn--bcher-kva.example"),
            ("https://faß.example", "https://xn--fa-hia.example"),
            ("https://例え.テスト", "https://xn--r8jz45g.xn--zckzah"),
            ("https://127.1", "https://127.0.0.1"),
            ("https://0x7f.0.0.1:8443", "https://127.0.0.1:8443"),
            ("http://[2001:DB8:0:0:0:0:0:1]:80", "http://[2001:db8::1]"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("https://app_1.example.com", "https://app_1.example.com"),
            ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("Tauri://localhost", "tauri://localhost"),
            ("app://obsidian.md", "app://obsidian.md"),
            ("https://*.preview.example.com", "https://*.preview.example.com"),
            ("HTTPS://*.Preview.Example.com:443", "https://*.preview.example.com"),
            ("https://*.bücher.example:8443", "https://*.xn--bcher-kva.example:8443"),
            ("http://*.localhost:3000", "http://*.localhost:3000"),
        ];
        for (text, expected) in cases {
            assert_eq!(written(text).as_deref(), Ok(expected), "{text}");
        }
    }

    const REFUSED: &[(&str, InvalidOrigin)] = {
        use InvalidOrigin::{NotAnOrigin, NotOfPages, Null, OfAnApp, Pattern};
        &[
            ("app.example.com", NotAnOrigin),
            ("//app.example.com", NotAnOrigin),
            ("https:/app.example.com", NotAnOrigin),
            ("https://", NotAnOrigin),
            ("://app.example.com", NotAnOrigin),
            ("https://app.example.com/", NotAnOrigin),
            ("https://app.example.com/path", NotAnOrigin),
            ("https://app.example.com?x", NotAnOrigin),
            ("https://app.example.com#x", NotAnOrigin),
            ("https://app.example.com\\x", NotAnOrigin),
            ("https://user@app.example.com", NotAnOrigin),
            ("https://app.exa mple.com", NotAnOrigin),
            ("https://app.exa\tmple.com", NotAnOrigin),
            ("https://app.example.com:65536", NotAnOrigin),
            ("https://app.example.com:https", NotAnOrigin),
            ("https://[::1", NotAnOrigin),
            ("https://1.2.3.4.5", NotAnOrigin),
            ("https://xn--a.example", NotAnOrigin),
            ("null", Null),
            ("NULL", Null),
            ("wss://app.example.com", NotOfPages),
            ("file:///index.html", NotAnOrigin),
            ("file://", NotOfPages),
            ("https://*", Pattern),
            ("https://*.com", Pattern),
            ("https://*.com.", Pattern),
            ("https://*.*.example.com", Pattern),
            ("https://*.example.*", Pattern),
            ("https://pr-*.example.com", Pattern),
            ("https://app.*.example.com", Pattern),
            ("https://*example.com", Pattern),
            ("https://*.", Pattern),
            ("https://*.127.0.0.1", Pattern),
            ("https://*.[::1]", Pattern),
            ("capacitor://*.localhost", Pattern),
            ("Capacitor://LocalHost", OfAnApp),
            ("app://bücher", OfAnApp),
            ("app://", OfAnApp),
            ("1app://localhost", NotAnOrigin),
        ]
    };

    #[test]
    fn what_no_browser_sends_is_refused() {
        for (text, expected) in REFUSED {
            assert_eq!(written(text), Err(*expected), "{text}");
        }
    }

    #[test]
    fn a_pattern_opens_exactly_one_label() {
        let pattern = AllowedOrigin::parse("https://*.preview.example.com").unwrap();
        let with_port = AllowedOrigin::parse("https://*.preview.example.com:8443").unwrap();
        let cases = [
            ("https://pr-7.preview.example.com", true),
            ("https://xn--bcher-kva.preview.example.com", true),
            ("https://a_b.preview.example.com", true),
            ("https://preview.example.com", false),
            ("https://.preview.example.com", false),
            ("https://a.b.preview.example.com", false),
            ("https://evilpreview.example.com", false),
            ("https://evil.example/.preview.example.com", false),
            ("https://evil.example:1.preview.example.com", false),
            ("https://evil@a.preview.example.com", false),
            ("http://pr-7.preview.example.com", false),
            ("https://pr-7.preview.example.com:8443", false),
            ("https://pr-7.preview.example.com.evil.example", false),
            ("https://PR-7.preview.example.com", false),
            ("https://", false),
            ("null", false),
        ];
        for (origin, expected) in cases {
            let value = HeaderValue::from_static(origin);
            assert_eq!(pattern.matches(&value), expected, "{origin}");
        }
        let other_port = HeaderValue::from_static("https://pr-7.preview.example.com:8443");
        assert!(with_port.matches(&other_port));
    }
}
