//! How many files may be open, against the streams that are wanted.

use crate::{app::Descriptors, config::Config};

use super::finding::{Check, Checked};

/// With fewer streams than this the default is hardly what an operator wants.
const FEW_STREAMS: usize = 1_000;

/// The limit of this process, which is the service's if both are started the same way.
pub(super) fn check(config: &Config) -> Checked {
    let descriptors = Descriptors::raise();
    let (files, possible) = (descriptors.count(), descriptors.streams());
    let checked = Checked::of(Check::Descriptors)
        .saying(format!("{files} files may be open, which is enough for {possible} streams"));
    let remedy = format!(
        "Raise the hard limit of open files for the service: LimitNOFILE= in a systemd unit, `--ulimit nofile=` for Docker, `ulimit -Hn` in a shell. {}",
        "The limit that was read here is that of this command, so run it as the service is run."
    );
    match config.limits.streams {
        Some(wanted) if wanted > possible => checked.wrong(
            format!(
                "`limits.streams` is {wanted}, but {files} files may be open, so only {possible} streams are possible."
            ),
            remedy,
        ),
        None if possible < FEW_STREAMS => checked.warning(
            format!("Only {files} files may be open, so that more than {possible} streams are refused."),
            remedy,
        ),
        Some(_) | None => checked,
    }
}
