-- Every account kind and credential kind: more about a credential, several forms of secret, how it ended, when it was last used.
ALTER TABLE credential ADD COLUMN description TEXT;
ALTER TABLE credential ADD COLUMN end_reason TEXT;
ALTER TABLE credential ADD COLUMN refuse_replays INTEGER NOT NULL DEFAULT 0;
ALTER TABLE credential_secret RENAME COLUMN digest TO material;
ALTER TABLE credential_secret ADD COLUMN form TEXT NOT NULL DEFAULT 'digest';   -- digest; sealed, with the credential as context; argon2id, as a PHC string
CREATE INDEX credential_secret_material ON credential_secret (material);        -- a pasted key is found by its digest

ALTER TABLE account ADD COLUMN access_requested_by TEXT;                        -- who asked the operator to open the gate

CREATE TABLE credential_use (                           -- written in batches; not on the way of a revision
    credential_id TEXT    PRIMARY KEY REFERENCES credential (id),
    used_at       INTEGER NOT NULL,
    source        TEXT,
    user_agent    TEXT,
    route         TEXT
) STRICT;

CREATE TABLE catalogue (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    text   TEXT NOT NULL,                               -- operations, as JSON
    set_at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER catalogue_inserted AFTER INSERT ON catalogue BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT rev, 'catalogue', '1' FROM revision;
END;
CREATE TRIGGER catalogue_updated AFTER UPDATE ON catalogue BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT rev, 'catalogue', '1' FROM revision;
END;
CREATE TRIGGER catalogue_deleted AFTER DELETE ON catalogue BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT rev, 'catalogue', '1' FROM revision;
END;
CREATE INDEX event_target ON event (account_id, target, id);
