//! A later version migrates the database while nodes of this one run.
use std::{thread, time::Duration};

use claviger_testkit::{postgres::Cluster, soon::assert_soon};

use super::{LEASE, LONG_LEASE, experiment, history::Verdict, nodes::Nodes, started_with};

const MIGRATED: &str = "INSERT INTO migration VALUES (98, '0098_more', 'x')";
const MIGRATED_ALONE: &str = "INSERT INTO migration VALUES (99, '0099_other_rules_alone', 'x')";
/// What a later version may write, and this one cannot know the meaning of.
const UNKNOWN_CHANGE: &str =
    "WITH taken AS (UPDATE revision SET rev = rev + 1 RETURNING rev) INSERT INTO change SELECT rev, 'novelty', 'x' FROM taken";

#[test]
fn nodes_of_this_version_go_on_beside_a_later_one_on_postgres_that_allows_it() {
    let (nodes, keys) = started_with(Cluster::shared(), LONG_LEASE, None);
    let outcome = experiment(&nodes, &keys, &[0, 1, 2], || nodes.run(MIGRATED));
    outcome.assert_kept("two versions side by side");
    assert_eq!(outcome.findings.cannot_say, 0, "{:?}", outcome.findings);
}

#[test]
fn nodes_fall_silent_when_a_later_version_wrote_to_postgres_what_they_do_not_understand() {
    for foreign in [MIGRATED_ALONE, UNKNOWN_CHANGE] {
        let nodes = Nodes::start(Cluster::shared(), 3, LEASE, "lease", None);
        let spare = nodes.keys(1);
        nodes.run(foreign);
        // a lease is over one length after it was renewed last, which may have been just before
        thread::sleep(Duration::from_secs(u64::from(LEASE)) + Duration::from_millis(100));
        for node in 0..nodes.servers.len() {
            assert_eq!(nodes.verify(node, &spare[0]), Some(Verdict::CannotSay), "node {node} after {foreign}");
        }
        if foreign == MIGRATED_ALONE {
            assert_soon("it is logged", || nodes.servers[0].output().contains("a later Claviger"));
            assert!(nodes.try_with_lease("2").contains("later Claviger"));
        }
    }
}
