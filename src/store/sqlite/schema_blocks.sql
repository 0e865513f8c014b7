-- Users and domains that operators keep out, until a moment or until they say otherwise.
CREATE TABLE block (
    subject TEXT NOT NULL PRIMARY KEY,  -- in lower case
    address TEXT NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER,
    reason  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
