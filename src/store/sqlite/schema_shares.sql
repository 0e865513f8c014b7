-- What one user has in the queue of a peer is counted.
CREATE INDEX outbox_author ON outbox (lower(author), peer, octets) WHERE author IS NOT NULL;
