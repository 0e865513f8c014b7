-- Contact lists, and who may make contact.

-- version: counts the changes of one account's lists. standard: the default contact list.
CREATE TABLE lists (
    owner        INTEGER NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    version      INTEGER NOT NULL,
    standard     TEXT,
    block_in_use INTEGER NOT NULL,
    grant_in_use INTEGER NOT NULL
) STRICT;

CREATE TABLE contact_list (
    owner        INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    key          TEXT NOT NULL,     -- the address in lower case
    place        INTEGER NOT NULL,  -- in the order in which the lists were made
    address      TEXT NOT NULL,     -- as spelled when it was made
    display_name TEXT,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE contact (
    owner    INTEGER NOT NULL,
    list     TEXT NOT NULL,
    place    INTEGER NOT NULL,
    user     TEXT NOT NULL,
    nickname TEXT,
    PRIMARY KEY (owner, list, place),
    FOREIGN KEY (owner, list) REFERENCES contact_list (owner, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- list: block or grant. kind: user, domain, screen-name, group, contact-list, application.
CREATE TABLE access_entry (
    owner INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    list  TEXT NOT NULL,
    place INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    entry TEXT NOT NULL,  -- the address or name; of a screen name the group
    name  TEXT,           -- the screen name
    PRIMARY KEY (owner, list, place)
) STRICT, WITHOUT ROWID;
