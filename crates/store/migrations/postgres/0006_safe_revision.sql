-- What whoever looks may be told is done, and what nobody may be.

-- Up to which revision every lease was outlasted: what is confirmed by every node's row is known without it.
ALTER TABLE cluster ADD COLUMN safe_rev BIGINT NOT NULL DEFAULT 0;
-- The epoch in which revisions that a node had applied were missing: until another one is set by a person, verification cannot say.
ALTER TABLE cluster ADD COLUMN lost_epoch BIGINT;
