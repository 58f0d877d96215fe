-- The same statements for SQLite and PostgreSQL. Times are milliseconds since the Unix epoch. An end that has not come yet is
-- 9223372036854775807, so that "ended after" is one range of an index.

CREATE TABLE room_instances (
    sid TEXT NOT NULL PRIMARY KEY,
    room TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    exact BIGINT NOT NULL,
    reason TEXT,
    finished_told_by TEXT,
    peak_people BIGINT,
    total_people BIGINT,
    total_sessions BIGINT,
    seq BIGINT NOT NULL
);
CREATE INDEX room_instances_by_room ON room_instances (room, finished_at);
CREATE INDEX room_instances_by_end ON room_instances (finished_at);
CREATE INDEX room_instances_by_start ON room_instances (started_at, sid);

CREATE TABLE sessions (
    sid TEXT NOT NULL PRIMARY KEY,
    identity TEXT NOT NULL,
    -- A part of the identity's hash: an identity may be too long for an index.
    identity_key BIGINT NOT NULL,
    room TEXT NOT NULL,
    instance TEXT,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    agent BIGINT NOT NULL,
    joined_at BIGINT NOT NULL,
    left_at BIGINT NOT NULL,
    exact BIGINT NOT NULL,
    reason TEXT,
    joined_told_by TEXT NOT NULL,
    left_told_by TEXT,
    left_why TEXT,
    -- JSON, as in SessionRow.
    spans TEXT NOT NULL,
    metadata TEXT,
    seq BIGINT NOT NULL
);
-- With the life of the room, so that those who have none yet are found among many who are inside.
CREATE INDEX sessions_by_room ON sessions (room, left_at, instance, joined_at);
CREATE INDEX sessions_by_instance ON sessions (instance);
CREATE INDEX sessions_by_identity ON sessions (identity_key, left_at);
-- Of times not long ago, and of times long ago: in between lies what need not be read.
CREATE INDEX sessions_by_end ON sessions (left_at, joined_at);
CREATE INDEX sessions_by_start ON sessions (joined_at, left_at);

-- Who was erased, and when. What waits in an outbox may still name them.
CREATE TABLE erasures (
    identity_hash TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL
);

-- What steps have added that the rows do not have yet, where no store outlives the process. Each entry is a JSON array.
CREATE TABLE journal (
    number BIGINT NOT NULL PRIMARY KEY,
    items TEXT NOT NULL
);
