-- Rate limits that are exact over several nodes: what is left of a credential's quota, where a node is set to count here.

-- Here there is one node, whose memory is exact: this stays empty.
CREATE TABLE rate_bucket (
    credential_id TEXT    PRIMARY KEY,
    full_at       INTEGER NOT NULL,
    granted       INTEGER NOT NULL
) STRICT;
