//! The protocol, explored: a database, nodes that renew, fill, evict and join, a writer and a reaper, on clocks that differ.
//!
//! The nodes run [`crate::Lease`] and [`crate::Attempt`], the writer [`crate::Barrier`], [`crate::Watch`] and [`crate::Primary`]: what is explored is the code
//! that serves. Steps of one node are separate, so everything else can happen between any two of them; a step that never comes is a crash,
//! a stopped process or a lost message. Time is relative (each clock stands at zero and what it has shown moves into the past), so there
//! is no bound on time. One key is enough: keys do not know of each other.
//!
//! Left out, and where it is looked at: more than two nodes (they meet only in the database), threads within a node (`tests/threads.rs`), SQL
//! and connections (the cluster tests of `claviger-cli`), two primaries at once.
mod actions;
mod mutants;
mod state;

use stateright::{Checker as _, Model, Property};

use actions::Action;
use mutants::Mutant;
use state::State;

use crate::Terms;

/// What is explored.
#[derive(Clone, Debug, Default)]
struct World {
    /// What is done wrong on purpose.
    mutant: Option<Mutant>,
    /// Whether the joining node never does.
    alone: bool,
    /// Whether another change is committed at some time.
    others: bool,
    /// Whether entries may leave memory for want of room, and come back by a fill.
    fills: bool,
    /// Whether a primary may be promoted that has lost every lease row.
    failover: bool,
    /// Whether nodes acknowledge between heartbeats, and a crash of the database may undo that.
    crashes: bool,
    /// Whether the writer is a process of its own, or the one that node 0 is: then its own row is not waited for.
    at_home: bool,
    /// Whether node 0 may stop in good order.
    stops: bool,
}

/// The nodes' clocks run at half the writer's pace: more than clocks may differ, so that few steps show it.
const LEASE: i64 = 2;
const WAIT: i64 = 4;
const NODE_PACE: i64 = 1;
const WRITER_PACE: i64 = 2;

impl World {
    fn terms(&self) -> Terms {
        Terms { lease: LEASE, wait: WAIT }
    }

    /// A wait as long as a lease: no margin for clocks that differ.
    fn short_terms(&self) -> Terms {
        Terms { lease: LEASE, wait: LEASE }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::begin(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.possible(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.step(&mut next, action)?;
        next.canonical(self);
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what was deleted is not accepted once the deletion returned", |world: &World, state: &State| {
                !(state.returned && state.nodes.iter().any(|node| node.accepts(world)))
            }),
            // or the model would prove nothing
            Property::sometimes("a deletion is confirmed by every node", |_, state: &State| state.confirmed),
            Property::sometimes("a deletion outlasts a silent node", |_, state: &State| state.outlasted),
        ]
    }
}

/// The number of states, and the way to the counterexample if there is one.
fn explore(world: &World) -> (usize, Option<String>) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let checker = world.clone().checker().threads(threads).spawn_bfs().join();
    let found = checker.discovery("what was deleted is not accepted once the deletion returned");
    if found.is_none() && world.mutant.is_none() {
        assert!(checker.discovery("a deletion is confirmed by every node").is_some(), "{world:?}");
        assert!(checker.discovery("a deletion outlasts a silent node").is_some(), "{world:?}");
    }
    (checker.unique_state_count(), found.map(|path| format!("{:#?}", path.into_actions())))
}

fn assert_sound(world: &World) {
    let (states, found) = explore(world);
    assert!(found.is_none(), "{world:?}: {found:?}");
    assert!(states > 1_000, "{world:?}: only {states} states");
}

#[test]
fn no_interleaving_lets_a_deleted_key_be_accepted() {
    assert_sound(&World::default());
}

/// With one node each: these do not care about the other.
#[test]
fn nor_does_one_with_fills_or_a_clean_stop_or_the_writer_at_home() {
    let alone = World { alone: true, ..World::default() };
    assert_sound(&World { fills: true, others: true, ..alone.clone() });
    assert_sound(&World { at_home: true, fills: true, ..alone.clone() });
    assert_sound(&World { stops: true, others: true, ..alone });
}

#[test]
fn nor_does_one_with_a_failover_that_loses_the_leases() {
    assert_sound(&World { failover: true, alone: true, others: true, ..World::default() });
}

#[test]
fn nor_does_one_with_acknowledgements_that_a_crash_undoes() {
    assert_sound(&World { crashes: true, alone: true, others: true, ..World::default() });
    assert_sound(&World { crashes: true, alone: true, fills: true, ..World::default() });
    assert_sound(&World { crashes: true, alone: true, at_home: true, failover: true, ..World::default() });
}

/// Two nodes and more at once: minutes and gigabytes, so only in `./test --long`.
#[test]
fn nor_does_one_with_two_nodes_and_more_at_once() {
    if std::env::var_os("CLAVIGER_LONG").is_some() {
        assert_sound(&World { failover: true, ..World::default() });
        assert_sound(&World { at_home: true, stops: true, ..World::default() });
        assert_sound(&World { fills: true, ..World::default() });
        assert_sound(&World { crashes: true, ..World::default() });
        assert_sound(&World { fills: true, failover: true, stops: true, others: true, alone: true, ..World::default() });
    }
}

#[test]
fn every_rule_is_needed_for_without_it_a_deleted_key_is_accepted() {
    for mutant in Mutant::ALL {
        let world = mutant.world();
        let (states, found) = explore(&world);
        assert!(found.is_some(), "{mutant:?}: no counterexample in {states} states");
    }
}
