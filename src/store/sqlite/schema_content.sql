-- Shared content. The octets of an item lie in a file of its id beside the database.

CREATE TABLE content_item (
    id           TEXT PRIMARY KEY,
    owner        INTEGER NOT NULL REFERENCES account (id),
    name         TEXT,
    content_type TEXT NOT NULL,
    octets       INTEGER NOT NULL,
    sha256       BLOB NOT NULL,
    audience     TEXT NOT NULL,
    created      INTEGER NOT NULL,
    expires      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX content_item_owner ON content_item (owner, created);
CREATE INDEX content_item_expires ON content_item (expires);

-- Files that nobody owns from this moment on, and that are to be removed.
CREATE TABLE content_litter (
    id   TEXT PRIMARY KEY,
    from_then_on INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX content_litter_time ON content_litter (from_then_on);
