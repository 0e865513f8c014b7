-- Who watched and who looked, lists that are followed, and subscriptions that have to be renewed.

-- Who watched a user of ours or looked at it. status: FORMER_SUBSCRIBER, PRESENCE_ACCESS; who watches now
-- is here too. session: that of a client of ours.
CREATE TABLE watched (
    owner   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    watcher TEXT NOT NULL,
    address TEXT NOT NULL,
    status  TEXT NOT NULL,
    at      INTEGER NOT NULL,
    session TEXT,
    PRIMARY KEY (owner, watcher)
) STRICT, WITHOUT ROWID;
CREATE INDEX watched_by_session ON watched (session) WHERE session IS NOT NULL;

-- Contact lists whose members a client of ours watches, whoever they are by and by.
CREATE TABLE followed_list (
    watcher INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    list    TEXT NOT NULL,
    session TEXT NOT NULL,
    address TEXT NOT NULL,
    wanted  INTEGER NOT NULL,
    PRIMARY KEY (watcher, list, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX followed_list_by_session ON followed_list (session);

-- stale: the home was out of reach for long; the subscription is renewed when it is back.
ALTER TABLE following ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;

-- notify: whether the owner hears of new watchers who see something by this attribute list.
ALTER TABLE attribute_list ADD COLUMN notify INTEGER NOT NULL DEFAULT 0;

-- What the client of a session wants to hear of, one bit for each type of notification.
CREATE TABLE notification_wish (
    session TEXT NOT NULL PRIMARY KEY,
    types   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
