-- Senders take turns in the queue of a peer.

-- lane: rows with the same value take their turns together; 0: a row from before there were turns.
ALTER TABLE outbox ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;

-- What waits of some senders is found without looking at what waits of others.
DROP INDEX outbox_link;
CREATE INDEX outbox_link ON outbox (peer, own, row, lane, octets);
