//! Answers of the history: JSON, or the same as a table (CSV). Nobody may keep them: what they say of people can be erased.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    history::{Csv, Cursor},
    json,
};

/// The cursor of the page after a table, which has no other place for it.
pub(in crate::http) static NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// The cursor of the next page is in the answer itself.
pub(in crate::http) fn json_answer(value: &impl Serialize) -> Response {
    answer("application/json", json::line(value))
}

/// `name` is the file that a browser saves it as.
pub(in crate::http) fn csv_answer(
    name: &'static str,
    mut csv: Csv,
    next: Option<&Cursor>,
) -> Response {
    let mut response = answer("text/csv; charset=utf-8; header=present", csv.take().into());
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\""));
    let disposition = disposition.expect("the names are letters");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    if let Some(next) = next {
        let next = HeaderValue::from_str(&next.to_string()).expect("base64 is a header's value");
        response.headers_mut().insert(NEXT_CURSOR.clone(), next);
    }
    response
}

fn answer(content_type: &'static str, body: Vec<u8>) -> Response {
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from(body)).into_response()
}
