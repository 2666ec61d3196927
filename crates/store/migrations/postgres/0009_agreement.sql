-- What nodes must agree on, and what whoever looks at the cluster must know.

-- A word for each setting: its name, and a digest of its value. Empty: of a version that tells none.
ALTER TABLE lease ADD COLUMN must_agree TEXT NOT NULL DEFAULT '';      -- who differs does not join
ALTER TABLE lease ADD COLUMN should_agree TEXT NOT NULL DEFAULT '';    -- who differs is told of

-- That a secret was about to end and was kept: the replacement was taken back.
ALTER TABLE credential_secret ADD COLUMN kept BOOLEAN NOT NULL DEFAULT false;

CREATE OR REPLACE VIEW connection AS
    SELECT s.ssl AS encrypted,
        current_setting('synchronous_commit') AS waits_for,
        current_setting('synchronous_standby_names') <> '' AS has_synchronous_standby,
        (SELECT count(*) FROM pg_stat_replication) AS standbys,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now,
        current_setting('synchronous_standby_names') AS standby_names,
        current_setting('fsync') = 'on' AS syncs
    FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid();
