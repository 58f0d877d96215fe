//! What to do about a server that gave no answer.

use crate::http_client::ExchangeError;

/// A sentence for the operator. `address` is what names the server's address, such as `livekit.url`.
pub(super) fn remedy(error: &ExchangeError, address: &str) -> String {
    let reason = match error {
        ExchangeError::Unreachable(reason) | ExchangeError::CutOff(reason) => reason.as_str(),
        ExchangeError::TimedOut(_) => {
            return format!("Look whether {address} is right, and whether a firewall is between.");
        }
        ExchangeError::TooLarge(_) => {
            return format!("Look what answers there, and correct {address}.");
        }
    };
    let says = |word: &str| reason.to_ascii_lowercase().contains(word);
    if says("lookup") || says("name or service") {
        return format!("Correct the host in {address}, or its DNS record.");
    }
    if says("invalidcontenttype") || says("corrupt message") || says("wrong version") {
        return format!(
            "No TLS is spoken there: write http or ws in {address}, or the port that has TLS."
        );
    }
    if says("certificate") {
        return format!(
            "Name the host in {address} as its certificate does, and give the authority by a CA file if it is your own."
        );
    }
    if says("refused") {
        return format!("Start it, or correct host and port in {address}.");
    }
    format!("Look whether {address} is right, and what is between.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_fits_the_reason() {
        let unreachable = |reason: &str| ExchangeError::Unreachable(reason.to_owned());
        for (error, expected) in [
            (unreachable("failed to lookup address information"), "Correct the host"),
            (
                unreachable("received corrupt message of type InvalidContentType"),
                "No TLS is spoken",
            ),
            (unreachable("invalid peer certificate: UnknownIssuer"), "as its certificate does"),
            (unreachable("Connection refused (os error 111)"), "Start it"),
            (ExchangeError::TimedOut(std::time::Duration::from_secs(1)), "a firewall"),
        ] {
            let remedy = remedy(&error, "`livekit.url`");
            assert!(remedy.contains(expected) && remedy.contains("`livekit.url`"), "{remedy}");
        }
    }
}
