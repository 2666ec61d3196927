-- Several nodes: each has a row while it may answer from memory, and whoever revokes waits until all have acknowledged.
-- Here a node is the one process that serves; what revokes beside it, on the command line, waits for it.

CREATE VIEW primary_server AS SELECT '' AS identity;

-- About the connection that asks, and the server behind it. Here there is neither.
CREATE VIEW connection AS SELECT true AS encrypted, 'on' AS waits_for, false AS has_synchronous_standby, 0 AS standbys, NULL AS now;

CREATE TABLE cluster (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    lease_ms INTEGER NOT NULL,                          -- the same for every node, or nobody knows how long to wait
    settled  TEXT    NOT NULL                           -- the primary on which every lease that can be running has its row
) STRICT;
INSERT INTO cluster SELECT 1, 10000, identity FROM primary_server;

CREATE TABLE lease (
    node     TEXT    PRIMARY KEY,                       -- another one in each life of a process, never used again
    acked    INTEGER NOT NULL,                          -- the revision up to which it has applied changes
    beat     INTEGER NOT NULL,                          -- moves with each renewal
    address  TEXT    NOT NULL,
    version  TEXT    NOT NULL,
    began_at INTEGER NOT NULL
) STRICT;
