-- What the provider told its users, and what they answered. body: a SystemMessage-Request as CSP 1.3 WBXML
-- fragment. key: what the user must copy.
CREATE TABLE system_message (
    number   INTEGER PRIMARY KEY,
    owner    INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    id       TEXT NOT NULL,
    required INTEGER NOT NULL,
    body     BLOB NOT NULL,
    key      TEXT,
    until    INTEGER NOT NULL,
    answered INTEGER,
    chosen   INTEGER,
    UNIQUE (owner, id)
) STRICT;
CREATE INDEX system_message_id ON system_message (id);
CREATE INDEX system_message_until ON system_message (until);
