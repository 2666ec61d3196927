//! Rate limits of two real nodes: each gives its share, or all together the whole. A hundred requests and one more in an hour: nothing flows in while
//! a test runs.
use std::thread;

use claviger_testkit::{
    http::Request,
    postgres::Cluster,
    soon::{DEADLINE, assert_soon},
};

use super::{
    LONG_LEASE,
    canary::metric,
    history::{Key, Verdict},
    link::Weather,
    nodes::Nodes,
};

const LIMIT: [&str; 2] = ["--rate-limit", "1/h burst 100"];

fn exact() -> Nodes {
    let arguments = [&LIMIT[..], &["--rate-limit-counting", "exact"]].concat();
    Nodes::start_with(Cluster::shared(), 2, LONG_LEASE, "lease", None, &arguments)
}

/// How many of so many requests are allowed; a limit never makes a node say that it cannot say.
fn allowed(nodes: &Nodes, node: usize, key: &Key, times: usize) -> usize {
    (0..times).filter(|_| nodes.decide(node, key) == Verdict::Allowed).count()
}

/// How many verifications the database did not count in time.
fn fallbacks(nodes: &Nodes) -> u64 {
    (0..nodes.servers.len()).map(|node| metric(nodes, node, "claviger_rate_limit_fallbacks_total")).sum()
}

fn policy(nodes: &Nodes, node: usize, key: &Key) -> String {
    let request = Request::get(&nodes.servers[node].gateway("/verify/nginx")).bearer(&key.token).header("AccountId", &key.account);
    request.send().header("ratelimit-policy").unwrap_or_default().to_owned()
}

#[test]
fn two_nodes_that_share_a_limit_give_a_half_each_and_who_comes_later_what_flows_in() {
    let mut nodes = Nodes::start_with(Cluster::shared(), 1, LONG_LEASE, "lease", None, &LIMIT);
    // making it takes one
    let key = nodes.keys(1).remove(0);
    assert_eq!(allowed(&nodes, 0, &key, 9), 9);
    nodes.add();
    let counts = thread::scope(|scope| {
        let asking = [0, 1].map(|node| {
            (
                node,
                scope.spawn({
                    let (nodes, key) = (&nodes, &key);
                    move || allowed(nodes, node, key, 60)
                }),
            )
        });
        asking.map(|(_, asking)| asking.join().expect("no panic"))
    });
    assert_eq!(counts, [50, 0], "ninety were left at the first, and a half holds fifty");
    for node in [0, 1] {
        assert_eq!(policy(&nodes, node, &key), r#""credential";q=50;w=360000"#, "node {node}");
    }
    nodes.servers[1].terminate();
    assert_soon("the first has all of it", || policy(&nodes, 0, &key) == r#""credential";q=100;w=360000"#);
    assert_eq!(allowed(&nodes, 0, &key, 9), 0, "it flows in");
}

#[test]
fn two_nodes_for_which_postgres_counts_give_the_burst_together() {
    let nodes = exact();
    // making it takes one at each
    let key = nodes.keys(1).remove(0);
    let together: usize = thread::scope(|scope| {
        let asking = [0, 1, 0, 1].map(|node| {
            scope.spawn({
                let (nodes, key) = (&nodes, &key);
                move || allowed(nodes, node, key, 40)
            })
        });
        asking.into_iter().map(|asking| asking.join().expect("no panic")).sum()
    });
    let together = 2 + together;
    // on a machine that is too busy for the database to answer in time it is the limit and a burst
    match fallbacks(&nodes) {
        0 => assert_eq!(together, 100),
        some => assert!(together as u64 <= 100 + some, "{together}, {some}"),
    }
}

#[test]
fn a_node_that_postgres_is_cut_off_from_counts_by_its_share_and_makes_up_for_it() {
    let nodes = exact();
    let key = nodes.keys(1).remove(0);
    let before = fallbacks(&nodes);
    nodes.links[0].set(Weather::CUT);
    let apart = allowed(&nodes, 0, &key, 60);
    assert!(apart as u64 <= 50 && apart as u64 + before >= 50, "{apart} of its share of fifty, after {before}");
    nodes.links[0].set(Weather::FAIR);
    assert_soon("it is counted for all again", || policy(&nodes, 0, &key) == r#""credential";q=100;w=360000"#);
    // what was given meanwhile is not there any more
    let together = allowed(&nodes, 0, &key, 60) + allowed(&nodes, 1, &key, 60);
    let more = fallbacks(&nodes) - before;
    assert!(together as u64 <= 48 + more.saturating_sub(60), "{together} after {apart}, {more} by shares");
}

/// The dead one's lease would run for a minute yet, and until then whoever comes has no share.
#[test]
fn a_node_that_waits_for_its_share_does_not_serve_yet_and_hears_when_it_is_to_end() {
    let mut nodes = Nodes::start_with(Cluster::shared(), 1, LONG_LEASE, "lease", None, &LIMIT);
    nodes.servers[0].kill9();
    let (mut late, _folder) = nodes.launch();
    late.wait_for_line("that it joined", DEADLINE, |line| line.contains("joined").then_some(()));
    let ended = late.terminate();
    assert!(!ended.success() && late.output().contains("stopped before it served"), "{late}");
    assert!(!late.output().contains("Gateway: "), "{late}");
    nodes.servers[0].restart();
    assert_eq!(nodes.rows(0), 1, "it gave its row back");
}
