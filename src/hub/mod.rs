//! What subscribers of this instance watch: hot rooms, and the feed of events.
//!
//! One task per hot room follows the store's feed, holds the room's list, and puts its newest snapshot, encoded once, into the
//! room's topic. The workers are told that a topic changed, and take the snapshot from there; the hub never sees a socket.
//!
//! `registry` is the entrance. Below it: `hot_room`, the task of one room; `shared`, what these tasks share; `lookup`, which
//! reads rooms; `rooms`, the hot ones by name; `room_topic`, one of them; `topic`, what workers see of it; `content`, what lies in a
//! topic; `snapshot`, with `shown_counts`; `recent_changes`; and `list`. `followed_list` is a room for a higher layer. `list_reading` is a
//! list for a GET, and `kept_lists` has those of rooms that are not hot. `directory` is the
//! list of rooms, with a task of its own, and `room_body` a room in it, as clients see it; `about_room` is one
//! room without its people. `roster` has the topics of rosters. `events`
//! is the feed of everything that happens.

mod about_room;
mod content;
mod directory;
mod encoded_list;
mod events;
mod followed_list;
mod hot_room;
mod kept_lists;
mod list;
mod list_reading;
mod lookup;
mod metrics;
mod recent_changes;
mod registry;
mod room_body;
mod room_topic;
mod rooms;
mod roster;
mod shared;
mod shown_counts;
mod snapshot;
mod topic;
mod window;

pub use about_room::AboutRoom;
pub use content::{Content, Next};
pub use directory::{RoomsSnapshot, SubscribeAllError};
pub use events::{
    EventFilter, EventMetrics, Events, EventsConfig, EventsError, EventsSnapshot, OpenedFeed,
    ResumeFrom,
};
pub use followed_list::FollowedList;
pub use list_reading::ListReading;
pub use lookup::Source;
pub use metrics::HubMetrics;
pub use registry::{Hub, HubConfig, Reading};
pub use room_body::RoomBody;
pub use roster::{RosterChange, RosterSnapshot, RosterTopic, RosterTopics, RosterTotals};
pub use snapshot::{Snapshot, View};
pub use topic::{Subscription, Topic, Watchers};
