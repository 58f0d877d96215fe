//! Log lines: for a person on a terminal, for a machine elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt::format::DefaultFields};

use crate::config::{LogConfig, LogFormat};

use super::log_context::{FieldsInContext, JsonInContext};

/// Starts logging to standard error. Called once, first.
pub fn start_logging(config: &LogConfig) {
    let filter = EnvFilter::new(&config.level);
    let is_terminal = std::io::stderr().is_terminal();
    let is_json = match config.format {
        LogFormat::Human => false,
        LogFormat::Json => true,
        LogFormat::Auto => !is_terminal,
    };
    // If nobody reads the log any more, reporting that to the log would end the thread that logs.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    if is_json {
        builder.json().flatten_event(true).map_event_format(JsonInContext).init();
    } else {
        let fields = FieldsInContext(DefaultFields::new());
        builder.with_target(false).with_ansi(is_terminal).fmt_fields(fields).init();
    }
}
