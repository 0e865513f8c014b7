-- What each user has subscribed to, and how it wants to be treated; words as an operator writes them.
ALTER TABLE account ADD COLUMN status TEXT NOT NULL DEFAULT 'active';    -- active or barred
ALTER TABLE account ADD COLUMN services TEXT NOT NULL DEFAULT 'all';     -- all, none, or names with commas
ALTER TABLE account ADD COLUMN offline TEXT NOT NULL DEFAULT 'store';    -- messages while away: store or reject
