//! What a WebSocket's client can say.

use serde::Deserialize;

use crate::{
    http::{extract::query::MAX_ROOMS, problem::Problem},
    presence::RoomName,
};

/// One message of a client: a JSON object with one of these names and its value.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClientMessage {
    Token(String),
    Watch(Vec<String>),
    Unwatch(Vec<String>),
}

impl ClientMessage {
    pub fn parse(text: &str) -> Result<Self, Problem> {
        serde_json::from_str(text).map_err(|_| {
            Problem::bad_request(
                r#"this message is not understood; send {"token":"…"}, {"watch":["a"]} or {"unwatch":["a"]}"#,
            )
        })
    }
}

/// The rooms that a message names, each once.
pub(super) fn rooms(names: &[String]) -> Result<Vec<RoomName>, Problem> {
    // More cannot be watched, and each name is compared with all before it.
    if names.len() > MAX_ROOMS {
        return Err(Problem::bad_request(format!(
            "one message names at most {MAX_ROOMS} rooms; one connection watches no more"
        )));
    }
    let mut rooms = Vec::new();
    for name in names {
        let room =
            RoomName::parse(name).map_err(|error| Problem::bad_request(error.to_string()))?;
        if !rooms.contains(&room) {
            rooms.push(room);
        }
    }
    Ok(rooms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_one_name_and_nothing_else() {
        let names = || vec!["a".to_owned(), "b".to_owned()];
        let cases = [
            (r#"{"token":"x"}"#, Some(ClientMessage::Token("x".into()))),
            (r#" { "watch" : ["a", "b"] } "#, Some(ClientMessage::Watch(names()))),
            (r#"{"unwatch":["a","b"]}"#, Some(ClientMessage::Unwatch(names()))),
            (r#"{"watch":["a"],"unwatch":["b"]}"#, None),
            (r#"{"watch":"a"}"#, None),
            (r#"{"watch":[1]}"#, None),
            (r#"{"token":null}"#, None),
            (r#"{"shout":"a"}"#, None),
            (r#""token""#, None),
            ("[]", None),
            ("{}", None),
            ("", None),
            ("ping", None),
        ];
        for (text, expected) in cases {
            assert_eq!(ClientMessage::parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_message_names_at_most_as_many_rooms_as_can_be_watched() {
        let named = |count| rooms(&vec!["a".to_owned(); count]);
        assert_eq!(named(MAX_ROOMS).ok().map(|rooms| rooms.len()), Some(1));
        assert!(named(MAX_ROOMS + 1).is_err());
    }

    #[test]
    fn a_room_named_twice_is_meant_once_and_a_name_that_no_room_has_is_refused() {
        let named = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            rooms(&names).ok().map(|rooms| rooms.iter().map(ToString::to_string).collect())
        };
        assert_eq!(named(&["a", "b", "a"]), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(named(&["a", ""]), None);
    }
}
