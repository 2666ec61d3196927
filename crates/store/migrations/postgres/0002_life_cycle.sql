-- Every account kind and credential kind: more about a credential, several forms of secret, how it ended, when it was last used.
ALTER TABLE credential ADD COLUMN description TEXT;
ALTER TABLE credential ADD COLUMN end_reason TEXT;
ALTER TABLE credential ADD COLUMN refuse_replays BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE credential_secret RENAME COLUMN digest TO material;
ALTER TABLE credential_secret ADD COLUMN form TEXT NOT NULL DEFAULT 'digest';   -- digest; sealed, with the credential as context; argon2id, as a PHC string
CREATE INDEX credential_secret_material ON credential_secret (material);        -- a pasted key is found by its digest

ALTER TABLE account ADD COLUMN access_requested_by TEXT;                        -- who asked the operator to open the gate

CREATE TABLE credential_use (                           -- written in batches; not on the way of a revision
    credential_id TEXT   PRIMARY KEY REFERENCES credential (id),
    used_at       BIGINT NOT NULL,
    source        TEXT,
    user_agent    TEXT,
    route         TEXT
);

CREATE TABLE catalogue (
    one    BIGINT PRIMARY KEY CHECK (one = 1),
    text   TEXT NOT NULL,                               -- operations, as JSON
    set_at BIGINT NOT NULL
);
CREATE FUNCTION log_catalogue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO change VALUES (take_revision(), 'catalogue', '1') ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER catalogue_revision AFTER INSERT OR UPDATE OR DELETE ON catalogue
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_catalogue();
CREATE TRIGGER catalogue_truncate BEFORE TRUNCATE ON catalogue EXECUTE FUNCTION refuse_truncate();
CREATE INDEX event_target ON event (account_id, target, id);
