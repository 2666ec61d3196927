-- API requests that gateways report: apart from the audit trail, since they are dropped after a while and nothing of that ever is.
CREATE TABLE api_request (
    id         TEXT    PRIMARY KEY,                     -- in time order, as the ids of events
    at         BIGINT  NOT NULL,
    account_id TEXT    NOT NULL,                        -- of the credential
    public_id  TEXT    NOT NULL,                        -- of the credential
    detail     TEXT    NOT NULL,                        -- the request, redacted, as JSON
    request_id TEXT    NOT NULL,
    source     TEXT
);
CREATE INDEX api_request_account ON api_request (account_id, id);
CREATE INDEX api_request_target ON api_request (account_id, public_id, id);
CREATE INDEX api_request_at ON api_request (at);

CREATE TABLE secret_use (                               -- while two secrets overlap: which of them is still used
    secret_id TEXT    PRIMARY KEY REFERENCES credential_secret (id) ON DELETE CASCADE,
    used_at   BIGINT  NOT NULL,
    source    TEXT
);

CREATE INDEX credential_listed ON credential (account_id, id);  -- a page of ten thousand without sorting them all
