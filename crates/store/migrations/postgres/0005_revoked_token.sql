-- Tokens that were revoked by themselves (RFC 7009) while their credential lives on. A row goes once its token has expired.
CREATE TABLE revoked_token (
    jti        TEXT    PRIMARY KEY,
    expires_at BIGINT  NOT NULL
);
CREATE INDEX revoked_token_expires ON revoked_token (expires_at);

-- Nothing verification knows is lost when a row goes: the token has expired. So only what comes takes a revision.
CREATE FUNCTION log_revoked_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO change VALUES (take_revision(), 'token', NEW.jti || ' ' || NEW.expires_at) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER revoked_token_revision AFTER INSERT ON revoked_token
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_revoked_token();
CREATE TRIGGER revoked_token_truncate BEFORE TRUNCATE ON revoked_token EXECUTE FUNCTION refuse_truncate();
