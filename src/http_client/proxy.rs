//! The proxy between this service and a server, as `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name it. They are read as
//! curl reads them (<https://curl.se/docs/manpage.html#ENVIRONMENT>): the server's own scheme says which one counts.
//!
//! An `https` server is reached through a tunnel (`CONNECT`), in which the proxy sees nothing but the host. For an `http` server the
//! proxy is asked for the whole address.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::{
        legacy::connect::{Connected, Connection, HttpConnector, proxy::Tunnel},
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::Service;

use super::error::innermost;

/// What the environment says about proxies.
#[derive(Clone, Default)]
pub struct ProxyVariables {
    pub http: String,
    pub https: String,
    pub all: String,
    /// Hosts and networks that are reached without a proxy.
    pub no: String,
}

/// A proxy, and its credentials.
#[derive(Clone)]
pub struct Proxy {
    uri: Uri,
    credentials: Option<HeaderValue>,
}

impl Proxy {
    /// The proxy for an address; none if the address is reached directly.
    ///
    /// # Errors
    /// The proxy that is named for it cannot be used. Never says its password.
    pub fn of(url: &Uri, variables: &ProxyVariables) -> Result<Option<Self>, &'static str> {
        let named = |own: &str| !own.is_empty() || !variables.all.is_empty();
        let is_named = match url.scheme_str() {
            Some("https") => named(&variables.https),
            _ => named(&variables.http),
        };
        let proxies = || {
            Matcher::builder()
                .http(variables.http.clone())
                .https(variables.https.clone())
                .all(variables.all.clone())
        };
        let is_reached_without = || {
            let with_exceptions = proxies().no(variables.no.clone()).build();
            proxies().build().intercept(url).is_some() && with_exceptions.intercept(url).is_none()
        };
        if !is_named || is_reached_without() {
            return Ok(None);
        }
        let wrong = "is not the address of an HTTP proxy; write http://host:3128, or http://user:password@host:3128";
        let proxy = proxies().build().intercept(url).ok_or(wrong)?;
        match proxy.uri().scheme_str() {
            Some("http" | "https") => Ok(Some(Self::from(&proxy))),
            _ => Err(wrong),
        }
    }
}

impl From<&Intercept> for Proxy {
    fn from(proxy: &Intercept) -> Self {
        Self { uri: proxy.uri().clone(), credentials: proxy.basic_auth().cloned() }
    }
}

/// Without its password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.uri)
    }
}

/// Connects to a server, or to the proxy before it.
#[derive(Clone)]
pub(super) struct Connector {
    route: Route,
    proxy: Option<Uri>,
}

#[derive(Clone)]
enum Route {
    Direct(HttpConnector),
    /// Requests carry absolute URLs, because a proxy forwards them.
    Forward(HttpsConnector<HttpConnector>),
    Tunnel(Tunnel<HttpsConnector<HttpConnector>>),
}

impl Connector {
    /// Connects to one address. Also returns the credentials that each request must show the proxy.
    pub fn new(
        url: &Uri,
        proxy: Option<Proxy>,
        http: HttpConnector,
        tls: ClientConfig,
    ) -> (Self, Option<HeaderValue>) {
        let Some(Proxy { uri, credentials }) = proxy else {
            return (Self { route: Route::Direct(http), proxy: None }, None);
        };
        let to_proxy = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        if url.scheme_str() != Some("https") {
            return (Self { route: Route::Forward(to_proxy), proxy: Some(uri) }, credentials);
        }
        let mut tunnel = Tunnel::new(uri.clone(), to_proxy);
        if let Some(credentials) = credentials {
            tunnel = tunnel.with_auth(credentials);
        }
        (Self { route: Route::Tunnel(tunnel), proxy: Some(uri) }, None)
    }
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.route {
            Route::Direct(http) => http.poll_ready(context).map_err(io::Error::other),
            Route::Forward(proxy) => proxy.poll_ready(context).map_err(io::Error::other),
            Route::Tunnel(tunnel) => tunnel.poll_ready(context).map_err(io::Error::other),
        }
    }

    fn call(&mut self, url: Uri) -> Connecting {
        let proxy = self.proxy.clone().unwrap_or_default();
        let failed = move |error: &(dyn std::error::Error + 'static)| {
            io::Error::other(format!("the proxy {proxy} cannot be used: {}", innermost(error)))
        };
        match &mut self.route {
            Route::Direct(http) => {
                let connecting = http.call(url);
                Box::pin(async move {
                    let socket = connecting.await.map_err(io::Error::other)?;
                    Ok(Stream { io: MaybeHttpsStream::Http(socket), is_forwarded: false })
                })
            }
            Route::Forward(to_proxy) => {
                let connecting = to_proxy.call(self.proxy.clone().unwrap_or_default());
                Box::pin(async move {
                    let io = connecting.await.map_err(|error| failed(&*error))?;
                    Ok(Stream { io, is_forwarded: true })
                })
            }
            Route::Tunnel(tunnel) => {
                let connecting = tunnel.call(url);
                Box::pin(async move {
                    let io = connecting.await.map_err(|error| failed(&error))?;
                    Ok(Stream { io, is_forwarded: false })
                })
            }
        }
    }
}

/// A connection to the server, or to the proxy that is asked for it.
pub(super) struct Stream {
    io: MaybeHttpsStream<TokioIo<TcpStream>>,
    is_forwarded: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.is_forwarded)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &'static str, variables: [&str; 4]) -> Result<Option<String>, &'static str> {
        let [http, https, all, no] = variables.map(str::to_owned);
        let proxy = Proxy::of(&Uri::from_static(url), &ProxyVariables { http, https, all, no })?;
        Ok(proxy.map(|proxy| format!("{proxy:?}")))
    }

    #[test]
    fn the_scheme_says_which_proxy_counts_and_some_hosts_are_reached_without() {
        let (http, https) = ("http://plain:3128", "proxy:3128");
        let some = |proxy: &str| Ok(Some(format!("http://{proxy}/")));
        assert_eq!(of("https://livekit.example.com/", [http, https, "", ""]), some("proxy:3128"));
        assert_eq!(of("http://livekit:7880/", [http, https, "", ""]), some("plain:3128"));
        assert_eq!(of("http://livekit:7880/", ["", https, "", ""]), Ok(None));
        assert_eq!(of("http://livekit:7880/", ["", "", "all:1", ""]), some("all:1"));
        assert_eq!(of("http://livekit:7880/", ["", "", "", ""]), Ok(None));
        for no in ["example.com", ".example.com", "other, livekit.example.com", "*"] {
            assert_eq!(of("https://livekit.example.com/", [http, https, "", no]), Ok(None), "{no}");
        }
        assert_eq!(of("http://10.1.2.3:7880/", [http, https, "", "10.0.0.0/8"]), Ok(None));
    }

    #[test]
    fn a_proxy_that_is_not_http_is_refused_only_for_the_scheme_it_serves() {
        for wrong in
            ["socks5://user:secret@proxy:1080", "http://user:secret@:3128:x", "ftp://proxy"]
        {
            let refused = of("https://livekit/", ["", wrong, "", ""]);
            assert!(refused.clone().unwrap_err().contains("http://host:3128"), "{wrong}");
            assert!(!refused.unwrap_err().contains("secret"));
            assert_eq!(of("http://livekit/", ["", wrong, "", ""]), Ok(None));
        }
    }

    #[test]
    fn a_proxys_password_is_shown_nowhere() {
        let shown = of("https://livekit/", ["", "http://user:secret@proxy:3128", "", ""]);
        assert_eq!(shown, Ok(Some("http://proxy:3128/".to_owned())));
    }
}
