//! The table `[roles]`: what people may do in a room, by the name of their role.

use crate::livekit::Roles;

use super::values::{Values, lines, text};

pub(super) fn take_roles(values: &mut Values) -> Roles {
    let grants = values.take("roles.grants", lines);
    let default = values.take("roles.default", text);
    Roles::parse(&grants, &default).unwrap_or_else(|problem| {
        values.reject("roles.grants", problem.to_string());
        Roles::default()
    })
}
