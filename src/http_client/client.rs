//! Requests and their answers.

use std::{io, path::PathBuf, time::Duration};

use axum::http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;

use super::{
    error::{ExchangeError, innermost},
    proxy::{Connector, Proxy},
    tls::tls_config,
};

/// An idle connection is kept this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// Which server is asked, and how to reach it.
#[derive(Clone, Debug)]
pub struct HttpClientSettings {
    /// `http` or `https`. All requests go to this host.
    pub url: Uri,
    pub connect_timeout: Duration,
    /// A PEM file with further certificate authorities, for a server whose certificate a private authority has signed.
    pub ca_file: Option<PathBuf>,
    /// The proxy before the server.
    pub proxy: Option<Proxy>,
}

/// A client of one server.
pub struct HttpClient {
    client: Client<HttpsConnector<Connector>, Full<Bytes>>,
    /// The credentials for a proxy that gets absolute URLs. A tunnel sends its credentials when it is opened.
    proxy_credentials: Option<HeaderValue>,
}

impl HttpClient {
    /// # Errors
    /// The file with certificate authorities cannot be read.
    pub fn new(settings: &HttpClientSettings) -> io::Result<Self> {
        Self::with_idle_connections(settings, usize::MAX)
    }

    /// A client that opens a connection for each request, so that no request meets a connection that the server is closing.
    ///
    /// # Errors
    /// The file with certificate authorities cannot be read.
    pub fn without_reuse(settings: &HttpClientSettings) -> io::Result<Self> {
        Self::with_idle_connections(settings, 0)
    }

    fn with_idle_connections(settings: &HttpClientSettings, max_idle: usize) -> io::Result<Self> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(settings.connect_timeout));
        let tls = tls_config(settings.ca_file.as_deref())?;
        let (connector, proxy_credentials) =
            Connector::new(&settings.url, settings.proxy.clone(), http, tls.clone());
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(max_idle)
            .build(https);
        Ok(Self { client, proxy_credentials })
    }

    /// Sends a request, and reads its answer to the end, unless it has more than `max_bytes`.
    ///
    /// # Errors
    /// There is no whole answer in time.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
        max_bytes: usize,
    ) -> Result<Response<Bytes>, ExchangeError> {
        let exchange = self.exchange(request, max_bytes);
        timeout(limit, exchange).await.unwrap_or(Err(ExchangeError::TimedOut(limit)))
    }

    /// Sends a request whose answer goes on for long, and returns its head with its body still to come.
    ///
    /// # Errors
    /// There is no head in time.
    pub async fn open(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response<Incoming>, ExchangeError> {
        let head = timeout(limit, self.begin(request)).await;
        head.unwrap_or(Err(ExchangeError::TimedOut(limit)))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<Response<Bytes>, ExchangeError> {
        let (head, body) = self.begin(request).await?.into_parts();
        Ok(Response::from_parts(head, read_body(body, max_bytes).await?))
    }

    async fn begin(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        if let Some(credentials) = &self.proxy_credentials {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, credentials.clone());
        }
        self.client.request(request).await.map_err(|error| {
            let reason = innermost(&error);
            if error.is_connect() {
                ExchangeError::Unreachable(reason)
            } else {
                ExchangeError::CutOff(reason)
            }
        })
    }
}

/// Reads the body of an answer, unless it has more than `max_bytes`.
///
/// # Errors
/// It is longer, or ends before it is whole.
pub async fn read_body(body: Incoming, max_bytes: usize) -> Result<Bytes, ExchangeError> {
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(ExchangeError::TooLarge(max_bytes));
    }
    match Limited::new(body, max_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ExchangeError::TooLarge(max_bytes)),
        Err(error) => Err(ExchangeError::CutOff(innermost(error.as_ref()))),
    }
}
