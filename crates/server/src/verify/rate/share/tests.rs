//! Nodes come, go, fall silent and come again, in any order, and requests for one credential are spread over them in any way.
use claviger_domain::{id::CredentialId, time::Timestamp};
use proptest::prelude::*;

use super::super::{Rate, Rates};
use crate::config::RateLimit;

/// At most.
const NODES: usize = 3;

const START: i64 = 1_795_000_000_000_000_000;

fn credential() -> CredentialId {
    "00000000-0000-7000-8000-000000000001".parse().expect("an id")
}

fn take(rates: &Rates, limit: RateLimit, now: i64) -> Result<Rate, Rate> {
    rates.take_here(limit, credential(), Timestamp::from_micros(now / 1000))
}

fn takes(rates: &Rates, limit: RateLimit, now: i64) -> usize {
    (0..1000).take_while(|_| take(rates, limit, now).is_ok()).count()
}

fn lone(limit: RateLimit) -> Rates {
    let rates = Rates::new(Some(limit), true, false);
    let life = rates.share.withdraw(START);
    rates.share.give(life, true, START);
    rates
}

/// As it comes to another one.
fn second(limit: RateLimit, now: i64) -> (Rates, u64) {
    let rates = Rates::new(Some(limit), true, false);
    let life = rates.share.withdraw(now);
    rates.share.is_among(2, now);
    (rates, life)
}

#[test]
fn of_two_nodes_each_gives_half_and_says_so() {
    let limit: RateLimit = "2/s burst 9".parse().expect("a limit");
    let first = lone(limit);
    let told = |rate: Result<Rate, Rate>| rate.map(|rate| rate.headers().map(|(_, value)| value)).map_err(|rate| rate.retry_after());
    assert_eq!(told(take(&first, limit, START)), Ok([r#""credential";q=9;w=5"#.to_owned(), r#""credential";r=8;t=1"#.to_owned()]));
    first.share.is_among(2, START);
    // of the eight that were left a half that holds four has four
    assert_eq!(told(take(&first, limit, START)), Ok([r#""credential";q=4;w=4"#.to_owned(), r#""credential";r=3;t=1"#.to_owned()]));
    assert_eq!((takes(&first, limit, START), told(take(&first, limit, START))), (3, Err(1)));
    let later = START + 60_000_000_000;
    assert_eq!(takes(&first, limit, later), 4);
    assert_eq!((takes(&first, limit, later + 999_999_000), takes(&first, limit, later + 1_000_000_000)), (0, 1), "one a second is a half of two");
}

#[test]
fn who_joins_has_nothing_until_everybody_knows_and_then_what_flows_in() {
    let limit: RateLimit = "2/s burst 10".parse().expect("a limit");
    let (second, life) = second(limit, START);
    let refused = take(&second, limit, START + 60_000_000_000).expect_err("it has no share");
    assert_eq!((refused.retry_after(), refused.headers()[0].1.as_str()), (1, r#""credential";q=5;w=5"#));
    let given = START + 61_000_000_000;
    second.share.give(life, false, given);
    assert_eq!([0, 999_999_000, 1_000_000_000, 100_000_000_000].map(|passed| takes(&second, limit, given + passed)), [0, 0, 1, 5]);
}

#[test]
fn a_share_that_was_meant_for_a_life_before_is_not_taken() {
    let limit: RateLimit = "2/s burst 10".parse().expect("a limit");
    let (second, life) = second(limit, START);
    assert!(second.share.is_awaited(life));
    let next = second.share.withdraw(START);
    second.share.give(life, false, START);
    assert!(!second.share.is_awaited(life) && second.share.is_awaited(next), "nobody may know of its new row");
}

#[test]
fn when_a_node_is_gone_what_it_had_flows_to_the_others_and_is_not_there_at_once() {
    let limit: RateLimit = "2/s burst 10".parse().expect("a limit");
    let first = lone(limit);
    first.share.is_among(2, START);
    first.share.is_one_of(1, START);
    // a bucket of five, whether it was ever asked for or not, is now one of ten with five in it
    assert_eq!((takes(&first, limit, START), takes(&first, limit, START + 500_000_000)), (5, 1));
    let later = START + 60_000_000_000;
    assert_eq!(takes(&first, limit, later), 10);
    // that there may be fewer it does not hear from whoever only counts what there is at least
    first.share.is_among(3, later);
    first.share.is_among(1, later);
    assert_eq!(takes(&first, limit, START + 120_000_000_000), 3);
}

#[test]
fn a_node_that_others_may_have_stood_in_for_begins_with_empty_buckets() {
    let limit: RateLimit = "2/s burst 10".parse().expect("a limit");
    let first = lone(limit);
    first.share.is_emptied(START + 60_000_000_000);
    assert_eq!([60, 61, 90].map(|seconds| takes(&first, limit, START + seconds * 1_000_000_000)), [0, 2, 10]);
}

#[test]
fn with_more_nodes_than_the_burst_each_gives_one() {
    let limit: RateLimit = "1/s burst 2".parse().expect("a limit");
    let first = lone(limit);
    first.share.is_among(5, START);
    assert_eq!((takes(&first, limit, START), takes(&first, limit, START + 4_999_999_000), takes(&first, limit, START + 5_000_000_000)), (1, 0, 1));
}

/// A node, as the others and the database see it.
struct Node {
    rates: Rates,
    life: u64,
    /// Whether there is a row, whether a lease runs, and when it last heard how many rows there are.
    has_row: bool,
    serves: bool,
    told: usize,
    joined: usize,
    /// The revision that it has read.
    read: usize,
    awaits: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    /// A node without a row takes another one.
    JoinAgain(usize),
    /// A node's renewals do not come through until its lease is over.
    FallSilent(usize),
    /// The row of a node without a lease goes.
    Go(usize),
    /// A renewal.
    Renew(usize),
    /// A look at the rows.
    Look(usize),
    /// Whoever joined has a share as soon as the barrier lets it.
    Claim(usize),
    Ask(usize, u8),
    Pass(u32),
}

/// One step, or several as they follow when all goes well: what is only seldom met by chance.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = || 0..NODES;
    let all = |step: fn(usize) -> Step| (0..NODES).map(step);
    let ask = || (0..NODES).map(|node| Step::Ask(node, 20));
    prop_oneof![
        1 => Just(vec![Step::Join]),
        1 => node().prop_map(|node| vec![Step::JoinAgain(node)]),
        1 => node().prop_map(|node| vec![Step::FallSilent(node)]),
        1 => node().prop_map(|node| vec![Step::Go(node)]),
        2 => node().prop_map(|node| vec![Step::Renew(node)]),
        2 => node().prop_map(|node| vec![Step::Look(node)]),
        3 => node().prop_map(|node| vec![Step::Claim(node)]),
        3 => (node(), 1..20_u8).prop_map(|(node, times)| vec![Step::Ask(node, times)]),
        6 => (0..6_000_u32).prop_map(|micros| vec![Step::Pass(micros)]),
        2 => Just(vec![Step::Pass(100_000)]),
        4 => Just(ask().collect()),
        1 => (node(), node(), 1_000..10_000_u32).prop_map(move |(node, other, micros)| {
            let lapses = [Step::FallSilent(node), Step::Join, Step::Renew(0), Step::Renew(1), Step::Renew(2)];
            let late = [Step::Pass(micros), Step::FallSilent(other), Step::Go(other), Step::Renew(node)];
            ask().chain(lapses.into_iter().filter(move |step| !matches!(step, Step::Renew(it) if *it == node)))
                .chain(all(Step::Claim)).chain(late).chain(ask()).collect()
        }),
        2 => Just([Step::Join].into_iter().chain(all(Step::Renew)).chain(all(Step::Claim)).collect()),
        1 => node().prop_map(move |node| [Step::JoinAgain(node)].into_iter().chain(all(Step::Renew)).chain(all(Step::Claim)).collect()),
        2 => node().prop_map(move |node| [Step::FallSilent(node), Step::Go(node)].into_iter().chain(all(Step::Look)).collect()),
        1 => node().prop_map(move |node| {
            let goes = [Step::Pass(100_000), Step::Ask(node, 20), Step::FallSilent(node), Step::Go(node)];
            goes.into_iter().chain(all(Step::Look)).chain(ask()).collect()
        }),
    ]
}

/// One bucket for all, that gives what is promised and no more. Clocks show microseconds.
struct Promise {
    empty_at: i64,
    interval: i64,
    depth: i64,
}

impl Promise {
    fn keep(&mut self, now: i64, burst: i64) -> bool {
        self.depth = self.depth.max(burst * self.interval);
        self.empty_at = self.empty_at.max(now - self.depth) + self.interval;
        self.empty_at <= now + 1_000
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_comes_and_goes_all_together_give_no_more_than_one_would(
        burst in 1..12_u32,
        rate in prop_oneof![4 => Just("1000/s"), 2 => Just("333/s"), 1 => Just("1000000/s"), 1 => Just("7/h")],
        steps in prop::collection::vec(steps(), 1..60),
    ) {
        let limit: RateLimit = format!("{rate} burst {burst}").parse().expect("a limit");
        let mut nodes: Vec<Node> = Vec::new();
        let (mut now, mut rev) = (START, 0);
        let fresh = |now| Promise { empty_at: now - limit.interval_nanos() * i64::from(burst), interval: limit.interval_nanos(), depth: 0 };
        let mut promise = fresh(now);
        for (at, step) in steps.iter().flatten().enumerate() {
            let rows = nodes.iter().filter(|node| node.has_row).count();
            let mut joins = None;
            match *step {
                Step::Join if nodes.len() < NODES => {
                    let rates = Rates::new(Some(limit), true, false);
                    nodes.push(Node { rates, life: 0, has_row: false, serves: false, told: 0, joined: 0, read: 0, awaits: false });
                    joins = Some(nodes.len() - 1);
                }
                Step::JoinAgain(node) if nodes.get(node).is_some_and(|node| !node.has_row) => joins = Some(node),
                Step::FallSilent(node) => if let Some(node) = nodes.get_mut(node).filter(|node| node.serves) {
                    node.serves = false;
                },
                Step::Go(node) => if let Some(node) = nodes.get_mut(node).filter(|node| !node.serves) {
                    node.has_row = false;
                },
                Step::Renew(node) => if let Some(node) = nodes.get_mut(node).filter(|node| node.has_row) {
                    if !node.serves && node.read != rev {
                        node.rates.share.is_emptied(now);
                    }
                    node.rates.share.is_among(rows as i64, now);
                    node.read = rev;
                    (node.told, node.serves) = (at, true);
                },
                Step::Look(node) => if let Some(node) = nodes.get_mut(node).filter(|node| node.serves) {
                    node.rates.share.is_one_of(rows as i64, now);
                },
                Step::Claim(node) => if let Some(claims) = nodes.get(node).filter(|node| node.has_row && node.awaits) {
                    // who is silent is waited for until its lease is over, and then hears of it before it serves again
                    if nodes.iter().all(|node| !node.serves || node.told > claims.joined) && claims.told > claims.joined {
                        claims.rates.share.give(claims.life, false, now);
                        nodes[node].awaits = false;
                    }
                },
                Step::Ask(node, times) => if let Some(node) = nodes.get(node).filter(|node| node.serves) {
                    for _ in 0..times {
                        if take(&node.rates, limit, now).is_ok() {
                            prop_assert!(promise.keep(now, i64::from(burst).max(rows as i64)), "step {}: {:?}", at, step);
                        }
                    }
                },
                Step::Pass(micros) => now += i64::from(micros) * 1000,
                Step::Join | Step::JoinAgain(_) => {}
            }
            if let Some(joins) = joins {
                let node = &mut nodes[joins];
                (node.life, node.has_row, node.joined, node.awaits) = (node.rates.share.withdraw(now), true, at, rows > 0);
                // it comes with a revision, unless nobody is there who must know
                rev += usize::from(rows > 0);
                node.read = rev;
                if rows == 0 {
                    // nobody is left who could know what was used up
                    promise = fresh(now);
                    node.rates.share.give(node.life, true, now);
                }
            }
        }
    }
}
