-- What nodes must agree on, and what whoever looks at the cluster must know.

-- A word for each setting: its name, and a digest of its value. Empty: of a version that tells none.
ALTER TABLE lease ADD COLUMN must_agree TEXT NOT NULL DEFAULT '';      -- who differs does not join
ALTER TABLE lease ADD COLUMN should_agree TEXT NOT NULL DEFAULT '';    -- who differs is told of

-- That a secret was about to end and was kept: the replacement was taken back.
ALTER TABLE credential_secret ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;

DROP VIEW connection;
CREATE VIEW connection AS
    SELECT true AS encrypted, 'on' AS waits_for, false AS has_synchronous_standby, 0 AS standbys, NULL AS now, '' AS standby_names, true AS syncs;
