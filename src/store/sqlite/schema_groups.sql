-- Groups of ours, and which of our clients are in groups elsewhere. A key is an address in lower case.

-- ends: when the group ends for want of occupants. note: the welcome note.
CREATE TABLE im_group (
    id        INTEGER PRIMARY KEY,
    key       TEXT NOT NULL UNIQUE,
    address   TEXT NOT NULL,
    owner     TEXT NOT NULL,  -- as spelled
    owner_key TEXT NOT NULL,
    version   INTEGER NOT NULL,
    ends      INTEGER,
    note_type TEXT,
    note      BLOB
) STRICT;
CREATE INDEX im_group_owner ON im_group (owner_key);
CREATE INDEX im_group_ends ON im_group (ends) WHERE ends IS NOT NULL;

CREATE TABLE group_property (
    group_id INTEGER NOT NULL REFERENCES im_group (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (group_id, name)
) STRICT, WITHOUT ROWID;

-- rank: User, Mod, Admin.
CREATE TABLE group_member (
    group_id INTEGER NOT NULL REFERENCES im_group (id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    address  TEXT NOT NULL,
    rank     TEXT NOT NULL,
    PRIMARY KEY (group_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_own_property (
    group_id INTEGER NOT NULL REFERENCES im_group (id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    name     TEXT NOT NULL,
    address  TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (group_id, key, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_own_property_user ON group_own_property (key, name, value);

CREATE TABLE group_rejected (
    group_id INTEGER NOT NULL REFERENCES im_group (id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    address  TEXT NOT NULL,
    PRIMARY KEY (group_id, key)
) STRICT, WITHOUT ROWID;

-- Who is in: a client of ours with its session, or one of a peer's user.
CREATE TABLE group_occupant (
    row           INTEGER PRIMARY KEY,  -- in order of arrival
    group_id      INTEGER NOT NULL REFERENCES im_group (id) ON DELETE CASCADE,
    key           TEXT NOT NULL,
    address       TEXT NOT NULL,
    client_url    TEXT,
    client_msisdn TEXT,
    client_text   TEXT,
    has_client    INTEGER NOT NULL,
    session       TEXT,
    name          TEXT NOT NULL,
    subscribed    INTEGER NOT NULL
) STRICT;
CREATE INDEX group_occupant_group ON group_occupant (group_id, key);
CREATE INDEX group_occupant_session ON group_occupant (session) WHERE session IS NOT NULL;

-- A client of ours in a group elsewhere.
CREATE TABLE group_visit (
    session  TEXT NOT NULL,
    key      TEXT NOT NULL,  -- of the group
    address  TEXT NOT NULL,  -- of the group
    user     TEXT NOT NULL,  -- as spelled
    user_key TEXT NOT NULL,
    client_url    TEXT,
    client_msisdn TEXT,
    client_text   TEXT,
    name     TEXT,
    PRIMARY KEY (session, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_visit_group ON group_visit (key, user_key);
