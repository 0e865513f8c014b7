-- Times are milliseconds since 1970-01-01T00:00:00Z. Bodies stand last, so that a look at the other
-- columns does not read them.

-- instance: a text unique to this store; created: when; rows: the highest number given to a row of
-- mailbox or outbox, or set aside for one.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- A removed account stays until its waiting messages are given back; its key is then free again.
CREATE TABLE account (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    key             TEXT NOT NULL,               -- the address in lower case, with wv:
    removed         INTEGER NOT NULL DEFAULT 0,  -- 0, or its own id once it was removed
    address         TEXT NOT NULL,               -- as spelled when it was made
    created         INTEGER NOT NULL,
    sealed_password BLOB NOT NULL,
    UNIQUE (key, removed)
) STRICT;
CREATE INDEX account_removed ON account (id) WHERE removed <> 0;

CREATE TABLE mailbox (
    row            INTEGER PRIMARY KEY,
    owner          INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    report         INTEGER NOT NULL,  -- 0: a message, 1: a delivery report
    message_id     TEXT NOT NULL,
    sender         TEXT NOT NULL,
    origin         TEXT NOT NULL,
    accepted       INTEGER NOT NULL,
    expires        INTEGER NOT NULL,
    report_wanted  INTEGER NOT NULL,
    reply_to       TEXT,
    content_type   TEXT NOT NULL,
    content_octets INTEGER NOT NULL,
    octets         INTEGER NOT NULL,  -- of the body
    body           BLOB NOT NULL
) STRICT;
-- Answers paging, counting and the search for a message id without touching the bodies.
CREATE INDEX mailbox_owner ON mailbox (owner, row, report, octets, message_id);
CREATE INDEX mailbox_expires ON mailbox (expires);

CREATE TABLE outbox (
    row        INTEGER PRIMARY KEY,
    own        TEXT NOT NULL,
    peer       TEXT NOT NULL,
    settlement TEXT NOT NULL,     -- notice: done at HTTP 2xx, request: at the protocol answer
    primitive  TEXT NOT NULL,
    message_id TEXT,
    author     TEXT,
    order_key  INTEGER NOT NULL,  -- rows with the same one keep their order
    accepted   INTEGER NOT NULL,
    expires    INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    reply_to   TEXT,
    octets     INTEGER NOT NULL,  -- of the body
    body       BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_link ON outbox (peer, own, row, octets);
CREATE INDEX outbox_expires ON outbox (expires);

-- key: the first 16 octets of SHA-256 over origin, message id and recipient (in lower case), each
-- followed by a zero octet.
CREATE TABLE seen (
    key   BLOB NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_until ON seen (until);

CREATE TABLE sent (
    message_id TEXT NOT NULL,
    peer       TEXT NOT NULL,
    author     TEXT NOT NULL,
    until      INTEGER NOT NULL,
    PRIMARY KEY (message_id, peer)
) STRICT, WITHOUT ROWID;
CREATE INDEX sent_until ON sent (until);

CREATE TABLE csp_session (
    id            TEXT NOT NULL PRIMARY KEY,
    user          INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    client_url    TEXT,
    client_msisdn TEXT,
    client_text   TEXT,
    application   TEXT,
    version       TEXT NOT NULL,
    encoding      TEXT NOT NULL,     -- xml or wbxml
    cookie        TEXT,
    time_to_live  INTEGER NOT NULL,  -- seconds
    created       INTEGER NOT NULL,
    last_active   INTEGER NOT NULL,
    capabilities  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX csp_session_user ON csp_session (user);

CREATE TABLE ssp_session (
    own_id       TEXT NOT NULL PRIMARY KEY,
    own          TEXT NOT NULL,
    peer         TEXT NOT NULL,
    peer_id      TEXT NOT NULL,
    setup        TEXT NOT NULL,     -- transaction id of the handshake
    version      TEXT NOT NULL,
    initiator    TEXT NOT NULL,
    time_to_live INTEGER NOT NULL,  -- seconds
    established  INTEGER NOT NULL,
    last_used    INTEGER NOT NULL,
    superseded   INTEGER NOT NULL,  -- 1: a newer session is used for sending
    legacy       INTEGER NOT NULL,
    at           TEXT               -- URL that the peer asked for by redirect
) STRICT, WITHOUT ROWID;
