-- Tokens that were revoked by themselves (RFC 7009) while their credential lives on. A row goes once its token has expired.
CREATE TABLE revoked_token (
    jti        TEXT    PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_token_expires ON revoked_token (expires_at);

-- Nothing verification knows is lost when a row goes: the token has expired. So only what comes takes a revision.
CREATE TRIGGER revoked_token_inserted AFTER INSERT ON revoked_token BEGIN
    UPDATE revision SET rev = rev + 1;
    INSERT INTO change SELECT rev, 'token', NEW.jti || ' ' || NEW.expires_at FROM revision;
END;
