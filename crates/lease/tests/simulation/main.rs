//! The real rules in a simulated world: nodes whose clocks run wrong, links that break, machines that stop, and one checker that sees true time.
//!
//! The promise is checked as it is given: a verification that begins after a change has returned does not answer what was before it, on any
//! node. 200 seeds, a simulated minute each. One that fails is printed; `CLAVIGER_SEED=…` repeats it, and [`KEPT`] keeps it for ever.
//! `CLAVIGER_LONG=1` tries 10,000.
#![cfg(not(loom))]
mod database;
mod host;
mod node;
mod world;

use std::{rc::Rc, time::Duration};

use claviger_lease::{Decision, Terms};

use crate::{
    database::Database,
    host::{Host, Link},
    node::{Node, nanoseconds},
    world::{MICROSECOND, MILLISECOND, Moment, SECOND, Slot, World},
};

/// Seeds that failed once.
const KEPT: [u64; 0] = [];
const SEEDS: u64 = 200;
const END: Moment = 60 * SECOND;
/// From here on nothing fails any more, and a little later everything must be well again.
const QUIET: Moment = 42 * SECOND;
const WELL: Moment = 52 * SECOND;
const CREDENTIALS: usize = 12;

/// What is taken out of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Without {
    Nothing,
    Lease,
    Barrier,
    CheckedFills,
    PublishingFirst,
    LeaseFromTheRequest,
    /// Waits as long as a lease is, as if all clocks ran alike.
    Margin,
    PatientReaper,
    /// Takes rows on a new primary for those of the old one.
    WatchPerPrimary,
    SettledPrimary,
}

/// What happened, to see that the world was as bad as it was meant to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) confirmed: u32,
    pub(crate) outlasted: u32,
    pub(crate) repeated: u32,
    pub(crate) reaped: u32,
    pub(crate) rows_gone: u32,
    pub(crate) late_fills: u32,
    pub(crate) answered: u32,
    pub(crate) cannot_say: u32,
}

#[test]
fn no_node_answers_what_was_before_a_change_that_returned() {
    let mut all = Tally::default();
    for seed in seeds() {
        let (tally, wrong) = live(seed, Without::Nothing);
        if let Some(wrong) = wrong {
            panic!("{wrong}; repeat it with CLAVIGER_SEED={seed}, and add it to KEPT");
        }
        all.confirmed += tally.confirmed;
        all.outlasted += tally.outlasted;
        all.repeated += tally.repeated;
        all.reaped += tally.reaped;
        all.rows_gone += tally.rows_gone;
        all.late_fills += tally.late_fills;
        all.answered += tally.answered;
        all.cannot_say += tally.cannot_say;
    }
    let seen = [all.confirmed, all.outlasted, all.repeated, all.reaped, all.rows_gone, all.late_fills, all.answered, all.cannot_say];
    assert!(seen.iter().all(|times| *times > 0) || std::env::var_os("CLAVIGER_SEED").is_some(), "the world was too kind: {all:?}");
}

#[test]
fn without_any_one_of_its_rules_some_seed_breaks_the_promise() {
    for without in [
        Without::Lease,
        Without::Barrier,
        Without::CheckedFills,
        Without::PublishingFirst,
        Without::LeaseFromTheRequest,
        Without::Margin,
        Without::PatientReaper,
        Without::WatchPerPrimary,
        Without::SettledPrimary,
    ] {
        let broken = (0..SEEDS).find(|seed| live(*seed, without).1.is_some_and(|wrong| wrong.starts_with("node")));
        assert!(broken.is_some(), "without {without:?} nothing went wrong: the test cannot see it");
    }
}

#[test]
fn a_seed_gives_the_same_history_again() {
    let [one, other] = [(); 2].map(|()| format!("{:?}", live(7, Without::Nothing)));
    assert_eq!(one, other);
}

fn seeds() -> Vec<u64> {
    if let Ok(seed) = std::env::var("CLAVIGER_SEED") {
        return vec![seed.parse().expect("CLAVIGER_SEED is a number")];
    }
    let many = if std::env::var_os("CLAVIGER_LONG").is_some() { 50 * SEEDS } else { SEEDS };
    KEPT.into_iter().chain(0..many).collect()
}

/// One history: what happened, and what went wrong if something did.
fn live(seed: u64, without: Without) -> (Tally, Option<String>) {
    // seeds that follow each other shall not make worlds that are alike
    let world = World::new(seed.wrapping_mul(0xd134_2543_de82_ef95), without, 3 + usize::from(seed.is_multiple_of(2)), CREDENTIALS);
    let lease = [1, 2, 3][world.below(3)];
    let terms = Terms::of(Duration::from_secs(lease)).expect("in range");
    for host in 0..world.hosts.len() {
        Node::start(&world, host, terms);
        world.spawn(None, fail(world.clone(), host, terms));
        world.spawn(None, ask_now_and_then(world.clone(), host));
    }
    world.spawn(None, fail_over(world.clone(), terms));
    for first in 0..3 {
        world.spawn(None, change_now_and_then(world.clone(), first));
    }
    world.run(END);
    let mut wrong = world.wrong.take();
    for host in 0..world.hosts.len() {
        if wrong.is_none() && !serving(&world, host).is_some_and(|node| node.may_serve(&world)) {
            wrong = Some(format!("host {host} serves not, with nothing in its way since {} s", (END - QUIET) / SECOND));
        }
    }
    let tally = world.tally.borrow().clone();
    world.end();
    (tally, wrong)
}

fn serving(world: &World, host: usize) -> Option<Rc<Node>> {
    world.hosts[host].node.borrow().clone().filter(|node| node.listens())
}

/// Changes credentials, one after the other, at whichever node; what got no answer is asked for again, elsewhere.
async fn change_now_and_then(world: Rc<World>, first: usize) {
    for value in 1.. {
        world.sleep(world.between(MILLISECOND, 1_500 * MILLISECOND)).await;
        // each writer has credentials of its own, so that what is changed last is known
        let credential = first + 3 * world.below(CREDENTIALS / 3);
        let began = world.now();
        // some have it in memory as it is now, some read it while it changes
        for host in 0..world.hosts.len() {
            if let Some(node) = serving(&world, host)
                && world.one_in(2)
            {
                node.forget(credential);
            } else {
                ask_within(&world, host, credential, MILLISECOND);
            }
            ask_within(&world, host, credential, 40 * MILLISECOND);
        }
        world.sleep(world.between(0, 20 * MILLISECOND)).await;
        let asked = world.now();
        loop {
            let host = world.below(world.hosts.len());
            if let Some(node) = serving(&world, host) {
                let returned = Slot::new();
                world.spawn(Some(&node), {
                    let (world, node, returned) = (world.clone(), node.clone(), returned.clone());
                    async move {
                        let outcome = node::change(&world, &node, credential, value).await;
                        if outcome.is_ok() {
                            let mut promised = world.promised.borrow_mut();
                            promised[credential] = promised[credential].max(value);
                        }
                        returned.put(&world, outcome);
                    }
                });
                match returned.take(&world, world.now() + 10 * SECOND).await {
                    Some(Ok(Decision::Outlasted)) => world.tally.borrow_mut().outlasted += 1,
                    Some(Ok(_)) => world.tally.borrow_mut().confirmed += 1,
                    Some(Err(_)) | None => {
                        world.sleep(world.between(0, 500 * MILLISECOND)).await;
                        continue;
                    }
                }
                break;
            }
            world.sleep(50 * MILLISECOND).await;
        }
        if began > WELL && world.now() - asked > 3 * SECOND {
            *world.wrong.borrow_mut() = Some(format!("a change took {} ms, with nothing in its way", (world.now() - asked) / MILLISECOND));
        }
        // when it has returned, everybody is asked, at once and again
        for host in 0..world.hosts.len() {
            ask_once(&world, host, credential);
            for most in [2 * MILLISECOND, 100 * MILLISECOND, SECOND, 4 * SECOND] {
                ask_within(&world, host, credential, most);
            }
        }
    }
}

async fn ask_now_and_then(world: Rc<World>, host: usize) {
    loop {
        world.sleep(world.between(MILLISECOND, 60 * MILLISECOND)).await;
        ask_once(&world, host, world.below(CREDENTIALS));
    }
}

fn ask_within(world: &Rc<World>, host: usize, credential: usize, most: i64) {
    let asks = world.clone();
    world.spawn(None, async move {
        asks.sleep(asks.between(0, most)).await;
        ask_once(&asks, host, credential);
    });
}

/// Sends one verification, and checks its answer.
fn ask_once(world: &Rc<World>, host: usize, credential: usize) {
    let Some(node) = serving(world, host) else { return };
    let (sent, promised) = (world.now(), world.promised.borrow()[credential]);
    world.spawn(Some(&node.clone()), {
        let world = world.clone();
        async move {
            world.sleep(world.between(0, 200 * MICROSECOND)).await;
            match node::verify(&world, &node, credential).await {
                Some(value) if value < promised => {
                    let told = format!("node on host {host} answered {value} at {} ns, sent at {sent} ns, when {promised} had returned", world.now());
                    *world.wrong.borrow_mut() = Some(told);
                }
                Some(_) => world.tally.borrow_mut().answered += 1,
                None => world.tally.borrow_mut().cannot_say += 1,
            }
        }
    });
}

/// What befalls one machine.
async fn fail(world: Rc<World>, at: usize, terms: Terms) {
    let host = &world.hosts[at];
    loop {
        world.sleep(world.between(0, 5 * SECOND)).await;
        if world.now() > QUIET - 6 * SECOND {
            break;
        }
        let time = if world.one_in(3) { world.between(0, SECOND / 2) } else { world.between(0, 6 * SECOND) };
        match world.below(9) {
            cut @ (0 | 1) => {
                host.link.set(if cut == 0 { Link::Cut } else { Link::RepliesLost });
                world.sleep(time).await;
                host.link.set(Link::Up);
            }
            2 | 3 => host.pause(world.now(), time),
            4 => host.change_rate(&world),
            5 => host.set_wall_clock(&world),
            6 => host.slow_until.set(world.now() + time),
            ends => {
                let Some(node) = serving(&world, at) else { continue };
                if ends == 7 {
                    node.kill();
                    // the disk may be lost too, and with it what is known of the old row
                    if world.one_in(3) {
                        host.file.set(None);
                    }
                } else {
                    node.leave(&world);
                    world.until_or(world.now() + 10 * SECOND, || node.is_dead()).await;
                    node.kill();
                }
                world.sleep(time).await;
                Node::start(&world, at, terms);
            }
        }
    }
}

/// A standby takes over, which has the rows of leases as they were a while ago.
async fn fail_over(world: Rc<World>, terms: Terms) {
    loop {
        world.sleep(world.between(SECOND, 15 * SECOND)).await;
        if world.now() > QUIET - 10 * SECOND {
            break;
        }
        if world.one_in(2) {
            let mut rows = world.database.borrow().rows.clone();
            world.sleep(world.between(0, 4 * SECOND)).await;
            rows.retain(|_, _| !world.one_in(3));
            world.database.borrow_mut().fail_over(rows);
        } else {
            fail_over_at_the_worst_moment(&world, terms).await;
        }
    }
}

/// One node sees another's beat, and then nothing for as long as leases run. The standby has the beat before; the other makes it up just when
/// the new primary is settled, and is cut off again: now the beat is the one seen before.
async fn fail_over_at_the_worst_moment(world: &World, terms: Terms) {
    let one = world.below(world.hosts.len());
    let other = &world.hosts[(one + 1) % world.hosts.len()];
    let one = &world.hosts[one];
    let (wait, heartbeat) = (nanoseconds(terms.wait()), nanoseconds(terms.heartbeat()));
    renewed(world, other, heartbeat).await;
    world.sleep(heartbeat / 2).await;
    [one, other].into_iter().for_each(|host| host.link.set(Link::Cut));
    let mut rows = world.database.borrow().rows.clone();
    if let Some(row) = other.file.get().and_then(|id| rows.get_mut(&id)) {
        row.beat -= 1;
    }
    world.database.borrow_mut().fail_over(rows);
    // what was sent in vain is waited for up to two heartbeats
    world.sleep(wait - world.between(heartbeat, 3 * heartbeat)).await;
    other.link.set(Link::Up);
    renewed(world, other, heartbeat).await;
    // the reply shall arrive
    world.sleep(world.between(0, 10 * MILLISECOND)).await;
    other.link.set(Link::Cut);
    one.link.set(Link::Up);
    world.sleep(nanoseconds(terms.lease())).await;
    other.link.set(Link::Up);
}

/// Until a host's row is renewed, or three heartbeats have passed.
async fn renewed(world: &World, host: &Host, heartbeat: i64) {
    let beat = || host.file.get().and_then(|id| world.database.borrow().rows.get(&id).map(|row| row.beat));
    let (before, deadline) = (beat(), world.now() + 3 * heartbeat);
    while beat() == before && world.now() < deadline {
        world.sleep(MILLISECOND).await;
    }
}
