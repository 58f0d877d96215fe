-- Who is banned from which room. What the store enforces; this is what it is put back from. An end that will not come is
-- 9223372036854775807.
CREATE TABLE bans (
    room TEXT NOT NULL,
    -- A part of the identity's hash: an identity may be too long for an index.
    identity_key BIGINT NOT NULL,
    -- As a JSON string, so that it comes back as it was.
    identity TEXT NOT NULL,
    until BIGINT NOT NULL,
    banned_at BIGINT NOT NULL,
    banned_by TEXT NOT NULL,
    reason TEXT
);
CREATE INDEX bans_by_room ON bans (room, identity_key);
CREATE INDEX bans_by_end ON bans (until);
