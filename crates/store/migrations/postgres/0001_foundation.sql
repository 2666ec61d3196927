-- Portable columns only: text, bytes, 64-bit integers, booleans; times are microseconds since 1970 in UTC.
CREATE TABLE installation (
    one        BIGINT PRIMARY KEY CHECK (one = 1),
    key_check  BYTEA  NOT NULL,                        -- says whether a key ring is the one this database was made with
    created_at BIGINT NOT NULL
);

CREATE TABLE account (
    id          TEXT    PRIMARY KEY,
    kind        TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    external_id TEXT    UNIQUE,
    status      TEXT    NOT NULL,
    api_access  BOOLEAN NOT NULL,
    parent_id   TEXT    REFERENCES account (id),
    lineage     TEXT    NOT NULL,                       -- ids of the ancestors from the top down, joined by /
    created_at  BIGINT NOT NULL
);
CREATE INDEX account_parent ON account (parent_id, id);

CREATE TABLE member (
    account_id TEXT    NOT NULL REFERENCES account (id),
    folded     TEXT    NOT NULL,                        -- the address in lower case
    email      TEXT    NOT NULL,
    name       TEXT,
    role       TEXT    NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, folded)
);

CREATE TABLE member_client (                            -- the client accounts assigned to a member who sees only those
    account_id TEXT NOT NULL,
    folded     TEXT NOT NULL,
    client_id  TEXT NOT NULL REFERENCES account (id),
    PRIMARY KEY (account_id, folded, client_id),
    FOREIGN KEY (account_id, folded) REFERENCES member (account_id, folded) ON DELETE CASCADE
);

CREATE TABLE credential (
    id               TEXT    PRIMARY KEY,
    account_id       TEXT    NOT NULL REFERENCES account (id),
    kind             TEXT    NOT NULL,
    public_id        TEXT    NOT NULL UNIQUE,
    label            TEXT    NOT NULL,
    access_level     TEXT    NOT NULL,
    access_words     TEXT    NOT NULL,                  -- scopes or roles, joined by blanks
    state            TEXT    NOT NULL,
    expires_at       BIGINT,
    allowed_networks TEXT    NOT NULL,                  -- CIDR ranges, joined by blanks
    created_at       BIGINT NOT NULL,
    created_by       TEXT    NOT NULL,
    ended_at         BIGINT,
    ended_by         TEXT
);
CREATE INDEX credential_account ON credential (account_id, state, id);

CREATE TABLE credential_secret (
    id            TEXT    PRIMARY KEY,
    credential_id TEXT    NOT NULL REFERENCES credential (id),
    digest        BYTEA  NOT NULL,                     -- HMAC-SHA-256 under the pepper
    hint          TEXT    NOT NULL,
    expires_at    BIGINT,
    created_at    BIGINT NOT NULL
);
CREATE INDEX credential_secret_credential ON credential_secret (credential_id);

CREATE TABLE operator_key (
    id         TEXT    PRIMARY KEY,
    public_id  TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    digest     BYTEA  NOT NULL,
    hint       TEXT    NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE sign_in_link (                             -- a row is one unused link
    digest     BYTEA  PRIMARY KEY,
    account_id TEXT    REFERENCES account (id),         -- none: the operator's own console
    person     TEXT    NOT NULL,                        -- a member's folded address, or the operator's name
    expires_at BIGINT NOT NULL
);

CREATE TABLE session (
    digest     BYTEA  PRIMARY KEY,
    account_id TEXT    REFERENCES account (id),
    person     TEXT    NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL
);
CREATE INDEX session_person ON session (account_id, person);

CREATE TABLE idempotency (                              -- answers to repeat, sealed: they hold secrets
    digest     BYTEA  PRIMARY KEY,                     -- of the caller and their Idempotency-Key
    request    BYTEA  NOT NULL,                        -- digest of the request's body
    answer     BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idempotency_expires ON idempotency (expires_at);

CREATE TABLE event (
    id         TEXT    PRIMARY KEY,
    at         BIGINT NOT NULL,
    account_id TEXT,
    actor      TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    source     TEXT
);
CREATE INDEX event_account ON event (account_id, id);

-- Every change to what verification reads takes the next revision and says what changed. Triggers, so that no way of writing misses it.
CREATE TABLE revision (
    one   BIGINT PRIMARY KEY CHECK (one = 1),
    epoch BIGINT NOT NULL,
    rev   BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO revision VALUES (1, 1, 0);

CREATE TABLE change (
    rev       BIGINT NOT NULL,
    kind      TEXT    NOT NULL,                         -- account, by id; credential, by public part
    object_id TEXT    NOT NULL,
    PRIMARY KEY (rev, kind, object_id)
);

-- One revision per transaction, taken at COMMIT whatever the code path: the row lock on the counter makes revision order commit order.
CREATE FUNCTION take_revision() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE r bigint;
BEGIN
    r := nullif(current_setting('claviger.rev', true), '')::bigint;     -- local to the transaction
    IF r IS NULL THEN
        UPDATE revision SET rev = rev + 1 RETURNING rev INTO r;
        PERFORM set_config('claviger.rev', r::text, true);
        PERFORM pg_notify('claviger_rev', r::text);
    END IF;
    RETURN r;
END $$;

CREATE FUNCTION log_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO change VALUES (take_revision(), 'account', coalesce(NEW.id, OLD.id)) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE FUNCTION log_credential() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO change VALUES (take_revision(), 'credential', coalesce(NEW.public_id, OLD.public_id)) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE FUNCTION log_credential_secret() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO change SELECT take_revision(), 'credential', public_id FROM credential
        WHERE id = coalesce(NEW.credential_id, OLD.credential_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER account_revision AFTER INSERT OR UPDATE OR DELETE ON account
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_account();
CREATE CONSTRAINT TRIGGER credential_revision AFTER INSERT OR UPDATE OR DELETE ON credential
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_credential();
CREATE CONSTRAINT TRIGGER credential_secret_revision AFTER INSERT OR UPDATE OR DELETE ON credential_secret
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_credential_secret();

-- TRUNCATE fires no row trigger
CREATE FUNCTION refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE would end credentials without a revision; DELETE instead';
END $$;
CREATE TRIGGER account_truncate BEFORE TRUNCATE ON account EXECUTE FUNCTION refuse_truncate();
CREATE TRIGGER credential_truncate BEFORE TRUNCATE ON credential EXECUTE FUNCTION refuse_truncate();
CREATE TRIGGER credential_secret_truncate BEFORE TRUNCATE ON credential_secret EXECUTE FUNCTION refuse_truncate();
