-- The common features: invitations and profiles.

-- An open invitation. Addresses are compared without regard to the case of ASCII letters. addressed: whom the
-- inviter named, invitee: who was told of it; they differ where a group was named. reply_to: a transaction
-- inside which the answer has to leave.
CREATE TABLE invitation (
    number    INTEGER PRIMARY KEY,
    inviter   TEXT NOT NULL COLLATE NOCASE,
    id        TEXT NOT NULL,
    addressed TEXT NOT NULL COLLATE NOCASE,
    invitee   TEXT NOT NULL COLLATE NOCASE,
    reply_to  TEXT,
    until     INTEGER NOT NULL,
    UNIQUE (inviter, id, invitee)
) STRICT;
CREATE INDEX invitation_invitee ON invitation (invitee, id);
CREATE INDEX invitation_until ON invitation (until);

-- What users say of themselves (PP_…), and what the operator knows of them for searches (USER_…).
CREATE TABLE profile_property (
    owner INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (owner, name)
) STRICT, WITHOUT ROWID;
