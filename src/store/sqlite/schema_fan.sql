-- Users with very many watchers, who are told in pages.

-- untold: the version of the last change of which not all watchers have heard yet. subscriptions: how many rows
-- of watcher there are of this owner, which triggers keep right: counting them takes too long.
ALTER TABLE presence ADD COLUMN untold INTEGER;
ALTER TABLE presence ADD COLUMN subscriptions INTEGER NOT NULL DEFAULT 0;
UPDATE presence SET subscriptions = (SELECT count(*) FROM watcher WHERE watcher.owner = presence.owner);
CREATE INDEX presence_untold ON presence (owner) WHERE untold IS NOT NULL;
CREATE TRIGGER watcher_came AFTER INSERT ON watcher BEGIN
    UPDATE presence SET subscriptions = subscriptions + 1 WHERE owner = NEW.owner;
END;
CREATE TRIGGER watcher_went AFTER DELETE ON watcher BEGIN
    UPDATE presence SET subscriptions = subscriptions - 1 WHERE owner = OLD.owner;
END;

-- Watchers in the order in which they are told: those of one domain together.
CREATE INDEX watcher_in_order ON watcher (owner, substr(watcher, instr(watcher, '@') + 1), watcher, place);
