//! An error with everything that caused it, on one line of the log.

use std::{error::Error, fmt};

/// Displays an error and its sources: `cannot do this: because of that: and that`.
pub(crate) struct Chain<'error>(pub &'error dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = self.0.to_string();
        f.write_str(&before)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            // Some errors pass on the words of their source as their own.
            if text != before {
                write!(f, ": {text}")?;
            }
            before = text;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Step(&'static str, #[source] Option<Box<dyn Error + Send + Sync>>);

    #[test]
    fn each_cause_is_told_once_the_last_one_last() {
        let socket = io::Error::other("connection refused");
        let transparent = Step("connection refused", Some(socket.into()));
        let error = Step("the store cannot be reached", Some(transparent.into()));
        assert_eq!(Chain(&error).to_string(), "the store cannot be reached: connection refused");
        assert_eq!(Chain(&Step("alone", None)).to_string(), "alone");
    }
}
