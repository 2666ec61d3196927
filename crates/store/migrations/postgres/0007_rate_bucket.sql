-- Rate limits that are exact over several nodes: what is left of a credential's quota, where a node is set to count here.

-- UNLOGGED: a crash forgets it, and so does a failover; then every bucket is full again. A row is there only while its bucket is not full.
CREATE UNLOGGED TABLE rate_bucket (
    credential_id TEXT   PRIMARY KEY,
    full_at       BIGINT NOT NULL,                      -- the nanosecond, by this server's clock, at which it is full again
    granted       BIGINT NOT NULL                       -- to whoever asked last
) WITH (fillfactor = 50);
