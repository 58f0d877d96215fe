//! Where comparisons tell of banned people whom LiveKit lists. Whoever has them removed is above this layer.

use crate::presence::{
    Ban, Identity, ParticipantSid, Room, RoomName, SessionInfo, Standing, StoreTime,
};

/// Has LiveKit remove banned people.
pub trait RemoveBanned: Send + Sync + 'static {
    /// A banned person's session is inside. Returns at once; may be told of a session again and again.
    fn found_inside(&self, room: &RoomName, identity: &Identity, sid: &ParticipantSid);
}

/// The listed sessions of people who are banned from this room, without those that seem to be dead.
pub(super) fn banned_among<'list>(
    held: &Room,
    listed: &'list [SessionInfo],
    now: StoreTime,
) -> Vec<&'list SessionInfo> {
    let is_doubted = |info: &SessionInfo| {
        let mut sessions = held.sessions();
        let session = sessions.find(|session| *session.sid() == info.sid);
        session.is_some_and(|session| session.standing() != Standing::Present)
    };
    let holds = |ban: &Ban| ban.holds_at(now);
    let banned = listed.iter().filter(|info| held.ban_of(&info.identity).is_some_and(holds));
    banned.filter(|info| !is_doubted(info)).collect()
}
