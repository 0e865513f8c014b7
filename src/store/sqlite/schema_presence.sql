-- Presence: what users publish, who may see it, and who watches.

-- version: counts the changes of what one account has here.
CREATE TABLE presence (
    owner   INTEGER NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    version INTEGER NOT NULL
) STRICT;

-- client: of which client, empty for what the user said of itself. attributes: a PresenceSubList of 1.3.
CREATE TABLE presence_value (
    owner      INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    client     TEXT NOT NULL,
    attributes BLOB NOT NULL,
    PRIMARY KEY (owner, client)
) STRICT, WITHOUT ROWID;

-- kind: everybody, user, contact-list. attributes: one bit each, in the order of the standard; none: the
-- contact list grants nothing any more.
CREATE TABLE attribute_list (
    owner      INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    target     TEXT NOT NULL,
    address    TEXT NOT NULL,
    attributes INTEGER,
    PRIMARY KEY (owner, kind, target)
) STRICT, WITHOUT ROWID;

-- Who asked to see something, and waits for the word of the owner.
CREATE TABLE presence_question (
    owner      INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    watcher    TEXT NOT NULL,
    address    TEXT NOT NULL,
    attributes INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    PRIMARY KEY (owner, watcher)
) STRICT, WITHOUT ROWID;

-- Subscriptions to our users. place: the session of a client of ours, the client of a peer's user.
CREATE TABLE watcher (
    owner   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    watcher TEXT NOT NULL,
    place   TEXT NOT NULL,
    address TEXT NOT NULL,
    session TEXT,
    url     TEXT,
    msisdn  TEXT,
    text    TEXT,
    wanted  INTEGER NOT NULL,
    shown   INTEGER NOT NULL,  -- what it was told last
    digest  INTEGER NOT NULL,
    PRIMARY KEY (owner, watcher, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX watcher_by_session ON watcher (session) WHERE session IS NOT NULL;
CREATE INDEX watcher_by_watcher ON watcher (watcher);

-- Subscriptions of our clients to users of other domains.
CREATE TABLE following (
    watcher    INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    presentity TEXT NOT NULL,
    session    TEXT NOT NULL,
    address    TEXT NOT NULL,
    domain     TEXT NOT NULL,
    wanted     INTEGER NOT NULL,
    PRIMARY KEY (watcher, presentity, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX following_by_session ON following (session);
CREATE INDEX following_by_domain ON following (domain);
