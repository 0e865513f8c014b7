-- Domains without an entry in peers.toml with whom there is an agreement, since federation is open.

-- used: when something passed last, milliseconds since 1970.
CREATE TABLE guest (
    domain TEXT NOT NULL PRIMARY KEY,
    used   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
