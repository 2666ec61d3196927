-- What was paused when it was revoked is paused when it is restored. Of what had ended before nobody knows: it was active.
ALTER TABLE credential ADD COLUMN end_was_paused INTEGER NOT NULL DEFAULT 0;
