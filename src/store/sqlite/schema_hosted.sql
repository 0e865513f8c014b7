-- How the home of a user whose element is run here wants to hear of messages.
ALTER TABLE account ADD COLUMN only_tell INTEGER NOT NULL DEFAULT 0;  -- 1: that there is one, and not the message
ALTER TABLE account ADD COLUMN octets_max INTEGER;                    -- longest content that it gets
