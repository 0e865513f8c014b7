-- What operators decided while the node ran.

-- Peers that an operator suspended; peers.toml may narrow further, never widen.
CREATE TABLE peer_suspension (
    peer  TEXT NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
