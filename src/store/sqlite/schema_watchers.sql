-- Watchers lie in the order in which they are told, those of one domain together, so that a page of them is a
-- few pages of the file and not one for each watcher.

-- home: the domain of the watcher.
CREATE TABLE watcher_at_home (
    owner   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    home    TEXT NOT NULL,
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
    PRIMARY KEY (owner, home, watcher, place)
) STRICT, WITHOUT ROWID;
INSERT INTO watcher_at_home
    SELECT owner, substr(watcher, instr(watcher, '@') + 1) AS home, watcher, place, address, session, url, msisdn, text,
           wanted, shown, digest
    FROM watcher ORDER BY owner, home, watcher, place;
DROP TABLE watcher;
ALTER TABLE watcher_at_home RENAME TO watcher;
CREATE INDEX watcher_by_session ON watcher (session) WHERE session IS NOT NULL;
CREATE INDEX watcher_by_watcher ON watcher (watcher);
CREATE INDEX watcher_by_domain ON watcher (home) WHERE session IS NULL;
CREATE TRIGGER watcher_came AFTER INSERT ON watcher BEGIN
    UPDATE presence SET subscriptions = subscriptions + 1 WHERE owner = NEW.owner;
END;
CREATE TRIGGER watcher_went AFTER DELETE ON watcher BEGIN
    UPDATE presence SET subscriptions = subscriptions - 1 WHERE owner = OLD.owner;
END;
