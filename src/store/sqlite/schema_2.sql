-- Notices: what else a server tells its clients, and its peers.

-- mailbox.report: 2 is a notice. session: the row is for this session alone. replaces: a newer row with the
-- same text for the same owner and session takes the place of this one.
ALTER TABLE mailbox ADD COLUMN session TEXT;
ALTER TABLE mailbox ADD COLUMN replaces TEXT;
CREATE INDEX mailbox_session ON mailbox (session) WHERE session IS NOT NULL;
CREATE INDEX mailbox_replaces ON mailbox (owner, replaces, session) WHERE replaces IS NOT NULL;

-- outbox.settlement: question is done at the protocol answer, which goes to whoever asked.
ALTER TABLE outbox ADD COLUMN replaces TEXT;
CREATE INDEX outbox_replaces ON outbox (peer, own, replaces) WHERE replaces IS NOT NULL;
