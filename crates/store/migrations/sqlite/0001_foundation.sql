-- Portable columns only: text, bytes, 64-bit integers, booleans as integers; times are microseconds since 1970 in UTC.
CREATE TABLE installation (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    key_check  BLOB    NOT NULL,                        -- says whether a key ring is the one this database was made with
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    id          TEXT    PRIMARY KEY,
    kind        TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    external_id TEXT    UNIQUE,
    status      TEXT    NOT NULL,
    api_access  INTEGER NOT NULL,
    parent_id   TEXT    REFERENCES account (id),
    lineage     TEXT    NOT NULL,                       -- ids of the ancestors from the top down, joined by /
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX account_parent ON account (parent_id, id);

CREATE TABLE member (
    account_id TEXT    NOT NULL REFERENCES account (id),
    folded     TEXT    NOT NULL,                        -- the address in lower case
    email      TEXT    NOT NULL,
    name       TEXT,
    role       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, folded)
) STRICT;

CREATE TABLE member_client (                            -- the client accounts assigned to a member who sees only those
    account_id TEXT NOT NULL,
    folded     TEXT NOT NULL,
    client_id  TEXT NOT NULL REFERENCES account (id),
    PRIMARY KEY (account_id, folded, client_id),
    FOREIGN KEY (account_id, folded) REFERENCES member (account_id, folded) ON DELETE CASCADE
) STRICT;

CREATE TABLE credential (
    id               TEXT    PRIMARY KEY,
    account_id       TEXT    NOT NULL REFERENCES account (id),
    kind             TEXT    NOT NULL,
    public_id        TEXT    NOT NULL UNIQUE,
    label            TEXT    NOT NULL,
    access_level     TEXT    NOT NULL,
    access_words     TEXT    NOT NULL,                  -- scopes or roles, joined by blanks
    state            TEXT    NOT NULL,
    expires_at       INTEGER,
    allowed_networks TEXT    NOT NULL,                  -- CIDR ranges, joined by blanks
    created_at       INTEGER NOT NULL,
    created_by       TEXT    NOT NULL,
    ended_at         INTEGER,
    ended_by         TEXT
) STRICT;
CREATE INDEX credential_account ON credential (account_id, state, id);

CREATE TABLE credential_secret (
    id            TEXT    PRIMARY KEY,
    credential_id TEXT    NOT NULL REFERENCES credential (id),
    digest        BLOB    NOT NULL,                     -- HMAC-SHA-256 under the pepper
    hint          TEXT    NOT NULL,
    expires_at    INTEGER,
    created_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX credential_secret_credential ON credential_secret (credential_id);

CREATE TABLE operator_key (
    id         TEXT    PRIMARY KEY,
    public_id  TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    hint       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE sign_in_link (                             -- a row is one unused link
    digest     BLOB    PRIMARY KEY,
    account_id TEXT    REFERENCES account (id),         -- none: the operator's own console
    person     TEXT    NOT NULL,                        -- a member's folded address, or the operator's name
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
    digest     BLOB    PRIMARY KEY,
    account_id TEXT    REFERENCES account (id),
    person     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX session_person ON session (account_id, person);

CREATE TABLE idempotency (                              -- answers to repeat, sealed: they hold secrets
    digest     BLOB    PRIMARY KEY,                     -- of the caller and their Idempotency-Key
    request    BLOB    NOT NULL,                        -- digest of the request's body
    answer     BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_expires ON idempotency (expires_at);

CREATE TABLE event (
    id         TEXT    PRIMARY KEY,
    at         INTEGER NOT NULL,
    account_id TEXT,
    actor      TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    source     TEXT
) STRICT;
CREATE INDEX event_account ON event (account_id, id);

-- Every change to what verification reads takes the next revision and says what changed. Triggers, so that no way of writing misses it.
CREATE TABLE revision (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    rev   INTEGER NOT NULL
) STRICT;
INSERT INTO revision VALUES (1, 1, 0);

CREATE TABLE change (
    rev       INTEGER NOT NULL,
    kind      TEXT    NOT NULL,                         -- account, by id; credential, by public part
    object_id TEXT    NOT NULL,
    PRIMARY KEY (rev, kind, object_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER account_inserted AFTER INSERT ON account BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT rev, 'account', NEW.id FROM revision;
END;
CREATE TRIGGER account_updated AFTER UPDATE ON account BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT rev, 'account', NEW.id FROM revision;
END;
CREATE TRIGGER account_deleted AFTER DELETE ON account BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT rev, 'account', OLD.id FROM revision;
END;
CREATE TRIGGER credential_inserted AFTER INSERT ON credential BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT rev, 'credential', NEW.public_id FROM revision;
END;
CREATE TRIGGER credential_updated AFTER UPDATE ON credential BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT rev, 'credential', NEW.public_id FROM revision;
END;
CREATE TRIGGER credential_deleted AFTER DELETE ON credential BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT rev, 'credential', OLD.public_id FROM revision;
END;
CREATE TRIGGER credential_secret_inserted AFTER INSERT ON credential_secret BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT r.rev, 'credential', c.public_id FROM revision r, credential c WHERE c.id = NEW.credential_id;
END;
CREATE TRIGGER credential_secret_updated AFTER UPDATE ON credential_secret BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT r.rev, 'credential', c.public_id FROM revision r, credential c WHERE c.id = NEW.credential_id;
END;
CREATE TRIGGER credential_secret_deleted AFTER DELETE ON credential_secret BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT r.rev, 'credential', c.public_id FROM revision r, credential c WHERE c.id = OLD.credential_id;
END;
