-- Groups by invitation only, what was said in groups, groups elsewhere that users are always in, and what
-- invitations were into and how many somebody made.

-- Who accepted an invitation into a group that requires one.
CREATE TABLE group_invited (
    group_id INTEGER NOT NULL REFERENCES im_group (id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    address  TEXT NOT NULL,
    PRIMARY KEY (group_id, key)
) STRICT, WITHOUT ROWID;

-- What was said in a group that keeps its history. body: a NewMessage as CSP 1.3 WBXML fragment.
CREATE TABLE group_message (
    number     INTEGER PRIMARY KEY,
    group_id   INTEGER NOT NULL REFERENCES im_group (id) ON DELETE CASCADE,
    message_id TEXT NOT NULL,
    accepted   INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    body       BLOB NOT NULL,
    UNIQUE (group_id, message_id)
) STRICT;
CREATE INDEX group_message_until ON group_message (until);

-- A group elsewhere that a user of ours is in whenever it is logged in.
CREATE TABLE group_auto_join (
    owner   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    key     TEXT NOT NULL,  -- of the group
    address TEXT NOT NULL,  -- of the group
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

-- What an invitation is to: the two letters of the standard, and the group if there is one.
ALTER TABLE invitation ADD COLUMN kind TEXT NOT NULL DEFAULT 'IM';
ALTER TABLE invitation ADD COLUMN group_address TEXT;

-- How many invitations somebody made since a moment, so that nobody is flooded.
CREATE TABLE invitation_count (
    inviter TEXT PRIMARY KEY COLLATE NOCASE,
    since   INTEGER NOT NULL,
    made    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX invitation_count_since ON invitation_count (since);
