//! Adds to log lines the request that was being answered when they were written.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{DefaultFields, Writer},
    },
    registry::LookupSpan,
};

use crate::http::RequestInProgress;

/// Lines of JSON.
pub(super) struct JsonInContext<F>(pub F);

/// The fields of lines for a person.
pub(super) struct FieldsInContext(pub DefaultFields);

/// Where programs that read the log look for it: as a span of `tracing`, and as the last of all spans.
#[derive(Serialize)]
struct Context<'line> {
    span: &'line Map<String, Value>,
    spans: [&'line Map<String, Value>; 1],
}

impl<S, N, F> FormatEvent<S, N> for JsonInContext<F>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // A span of a dependency, at the level `trace`, takes the same place.
        let is_free = ctx.lookup_current().is_none();
        let Some(span) = RequestInProgress::look(as_span).filter(|_| is_free) else {
            return self.0.format_event(ctx, writer, event);
        };
        let mut line = String::new();
        self.0.format_event(ctx, Writer::new(&mut line), event)?;
        let context = serde_json::to_string(&Context { span: &span, spans: [&span] });
        match (line.trim_end().strip_suffix('}'), context) {
            (Some(line), Ok(context)) => writeln!(writer, "{line},{}", &context[1..]),
            (None, _) | (_, Err(_)) => writer.write_str(&line),
        }
    }
}

fn as_span(request: &RequestInProgress) -> Map<String, Value> {
    let fields = request.fields().into_iter().chain([("name", "request")]);
    fields.map(|(name, value)| (name.to_owned(), value.into())).collect()
}

impl<'writer> FormatFields<'writer> for FieldsInContext {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        self.0.format_fields(writer.by_ref(), fields)?;
        // Debugging texts escapes what could look like another line.
        let written = RequestInProgress::look(|request| {
            request
                .fields()
                .iter()
                .try_for_each(|(name, value)| write!(writer, " {name}={value:?}"))
        });
        written.unwrap_or(Ok(()))
    }
}
