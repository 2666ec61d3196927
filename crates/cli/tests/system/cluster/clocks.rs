//! Clocks that run wrong, or are set.
use claviger_testkit::{
    clocks,
    http::Request,
    postgres::Cluster,
    soon::{self, assert_soon},
};
use jiff::Timestamp;

use super::{CONTROL, LEASE, experiment, history::Verdict, link::Weather, longest_wait, nodes::Nodes, revocations};

/// The third node's clocks run at one rate, those of the nodes that delete at the other.
fn with_rates(of_the_third: f64, of_the_others: f64) -> Nodes {
    let cluster = Cluster::shared();
    let environments = [of_the_others, of_the_others, of_the_third].map(clocks::running_at);
    Nodes::start_in(cluster, &cluster.address(), &environments, LEASE, "lease", None)
}

#[test]
fn clocks_that_run_8_percent_wrong_let_a_node_cut_off_from_postgres_accept_nothing_late() {
    let nodes = with_rates(0.92, 1.08);
    let outcome = experiment(&nodes, &nodes.keys(revocations()), &[0, 1], || nodes.links[2].set(Weather::CUT));
    outcome.assert_kept("a slow clock cut off");
    assert!(outcome.findings.cannot_say > 0, "{:?}", outcome.findings);
    assert!(outcome.fewest_confirmed < 3, "nobody waited for it");
}

/// The control: this is what the assumption is for, and the wait is no longer than it has to be.
#[test]
fn a_clock_that_runs_at_a_quarter_of_the_rate_is_not_survived_on_postgres() {
    soon::within(CONTROL, "the experiment can tell", || {
        let nodes = with_rates(0.25, 1.0);
        let [key] = &nodes.keys(1)[..] else { panic!("one") };
        assert_eq!(nodes.decide(2, key), Verdict::Allowed);
        nodes.links[2].set(Weather::CUT);
        assert_soon("it is deleted", || nodes.delete(0, key));
        match nodes.verify(2, key) {
            Some(Verdict::Allowed) => Ok(()),
            in_time => Err(format!("{in_time:?} {:?}", key.settled)),
        }
    });
}

/// The control is `without_its_lease_a_node_cut_off_from_postgres_accepts_late`: what must not happen is that a clock that is set prolongs a lease.
#[test]
fn a_clock_that_is_set_by_an_hour_prolongs_no_lease_on_postgres() {
    let cluster = Cluster::shared();
    for hours in [-1, 1] {
        let clock = clocks::TimeOfDay::true_one();
        let nodes = Nodes::start_in(cluster, &cluster.address(), &[Vec::new(), Vec::new(), clock.environment()], LEASE, "lease", None);
        let keys = nodes.keys(revocations() / 2);
        let spare = nodes.keys(1);
        let set = |hours: i64| {
            clock.set(hours * 3600);
            assert_soon(&format!("its clock is {hours} hours off"), || hours_off(&nodes, 2) == hours);
        };
        let outcome = experiment(&nodes, &keys, &[0, 1, 2], || {
            set(hours);
            std::thread::sleep(longest_wait() / 2);
            set(0);
            std::thread::sleep(longest_wait() / 2);
            nodes.links[2].set(Weather::CUT);
            set(hours);
        });
        outcome.assert_kept("a clock set, and a link cut");
        nodes.links[2].set(Weather::FAIR);
        set(0);
        assert_soon("it comes back", || nodes.verify(2, &spare[0]) == Some(Verdict::Allowed));
    }
}

/// By how many hours a node's time of day is wrong, rounded. Its request ids tell (RFC 9562, 5.7); its `Date` never goes back.
fn hours_off(nodes: &Nodes, node: usize) -> i64 {
    let answer = Request::get(&nodes.servers[node].gateway("/healthz")).send();
    let id = answer.header("x-request-id").expect("a request id").replace('-', "");
    let told = i64::from_str_radix(&id[..12], 16).expect("milliseconds");
    let ahead = told - Timestamp::now().as_millisecond();
    (ahead + 1_800_000).div_euclid(3_600_000)
}
