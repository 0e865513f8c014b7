-- Traffic of others that passes through: via holds the providers that have passed it on, ours last.
ALTER TABLE outbox ADD COLUMN via TEXT;
