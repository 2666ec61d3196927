-- Several nodes: each has a row while it may answer from memory, and whoever revokes waits until all have acknowledged.

-- Which primary this is. A standby gives an error here, and so can never be taken for one.
CREATE VIEW primary_server AS
    SELECT system_identifier::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS identity FROM pg_control_system();

-- About the connection that asks, and the server behind it.
CREATE VIEW connection AS
    SELECT s.ssl AS encrypted,
        current_setting('synchronous_commit') AS waits_for,
        current_setting('synchronous_standby_names') <> '' AS has_synchronous_standby,
        (SELECT count(*) FROM pg_stat_replication) AS standbys,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now
    FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid();

CREATE TABLE cluster (
    one      BIGINT PRIMARY KEY CHECK (one = 1),
    lease_ms BIGINT NOT NULL,                           -- the same for every node, or nobody knows how long to wait
    settled  TEXT   NOT NULL                            -- the primary on which every lease that can be running has its row
);
INSERT INTO cluster SELECT 1, 10000, identity FROM primary_server;

CREATE TABLE lease (
    node     TEXT   PRIMARY KEY,                        -- another one in each life of a process, never used again
    acked    BIGINT NOT NULL,                           -- the revision up to which it has applied changes
    beat     BIGINT NOT NULL,                           -- moves with each renewal
    address  TEXT   NOT NULL,
    version  TEXT   NOT NULL,
    began_at BIGINT NOT NULL
) WITH (fillfactor = 10);
