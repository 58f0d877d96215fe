-- Who is expected in a room, and in which role. Who came and went is in `sessions`.

CREATE TABLE roster (
    room TEXT NOT NULL,
    -- As in `sessions`, which are found by it.
    identity_key BIGINT NOT NULL,
    identity TEXT NOT NULL,
    role TEXT NOT NULL,
    -- NULL: as the role says.
    can_speak BIGINT,
    can_video BIGINT,
    note TEXT,
    -- 0 for somebody who came uninvited.
    invited BIGINT NOT NULL,
    -- When they were invited, or when this was written of somebody who came uninvited.
    since BIGINT NOT NULL,
    -- The revision of the room's roster that last changed it.
    version BIGINT NOT NULL,
    PRIMARY KEY (room, identity_key, identity)
);
CREATE INDEX roster_by_identity ON roster (identity_key);

-- Each change of a room's roster raises its revision, so that whether there was one is found without reading the entries.
CREATE TABLE roster_rooms (
    room TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    written_at BIGINT NOT NULL
);
CREATE INDEX roster_rooms_by_writing ON roster_rooms (written_at);
