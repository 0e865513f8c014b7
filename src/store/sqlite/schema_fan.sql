-- Users with very many watchers, who are told in pages.

-- untold: the version of the last change of which not all watchers have heard yet.
ALTER TABLE presence ADD COLUMN untold INTEGER;
CREATE INDEX presence_untold ON presence (owner) WHERE untold IS NOT NULL;

-- Watchers in the order in which they are told: those of one domain together.
CREATE INDEX watcher_in_order ON watcher (owner, substr(watcher, instr(watcher, '@') + 1), watcher, place);
