-- What is to be known of peers as a whole: how many subscriptions their users have here, and since when they
-- are out of reach.

-- Watchers elsewhere by their domain.
CREATE INDEX watcher_by_domain ON watcher (substr(watcher, instr(watcher, '@') + 1)) WHERE session IS NULL;

-- since: milliseconds since 1970 at which nothing got through for the first time.
CREATE TABLE unreachable (
    peer  TEXT PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
