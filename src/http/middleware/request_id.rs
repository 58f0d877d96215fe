//! Gives each request an id, so that an operator can find the log lines of a request that a client reports. What the log says of a
//! request is made only for the lines that are written: a span of `tracing` would be formatted for each request.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri},
    response::Response,
};

static HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ids of proxies are replaced.
const MAX_BYTES: usize = 64;

tokio::task_local! {
    /// The request that the current task answers.
    static IN_PROGRESS: RequestInProgress;
}

/// What the log says of a request: its path and never the query, which can hold a token.
#[derive(Clone, Debug)]
pub struct RequestInProgress {
    method: Method,
    uri: Uri,
    id: HeaderValue,
}

impl RequestInProgress {
    pub(in crate::http) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        Self {
            method: method.clone(),
            uri: uri.clone(),
            id: fit_id(headers).unwrap_or_else(random_id),
        }
    }

    /// Calls `look` with the request that the current task answers, if it answers one.
    pub fn look<T>(look: impl FnOnce(&Self) -> T) -> Option<T> {
        IN_PROGRESS.try_with(look).ok()
    }

    /// Runs a future that answers this request.
    pub(super) fn scope<F: Future>(self, answering: F) -> impl Future<Output = F::Output> {
        IN_PROGRESS.scope(self, answering)
    }

    pub(super) fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// What the log says of it, with the names of the fields.
    pub fn fields(&self) -> [(&'static str, &str); 3] {
        [
            ("http.method", self.method.as_str()),
            ("http.path", self.uri.path()),
            ("request.id", self.id.to_str().unwrap_or_default()),
        ]
    }
}

/// Puts the id into an answer.
pub(super) fn name(response: &mut Response, id: HeaderValue) {
    response.headers_mut().insert(HEADER.clone(), id);
}

/// The id that a proxy gave, if it looks like one. It goes to the log.
fn fit_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let id = headers.get(&HEADER)?;
    let is_fit = (1..=MAX_BYTES).contains(&id.len()) && id.as_bytes().iter().all(is_plain);
    is_fit.then(|| id.clone())
}

fn random_id() -> HeaderValue {
    let number = fastrand::u64(..);
    let digits: [u8; 16] =
        std::array::from_fn(|at| b"0123456789abcdef"[(number >> (60 - 4 * at) & 0xf) as usize]);
    // Shared by its clones from the outset: a value that is copied moves to other memory when it is first cloned.
    HeaderValue::from_maybe_shared(Bytes::from_owner(digits)).expect("digits are a header's value")
}
