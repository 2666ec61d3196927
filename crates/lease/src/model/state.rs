//! What the model's world consists of, in a form in which equal situations are equal.
use std::collections::BTreeMap;

use super::{LEASE, Mutant, NODE_PACE, WAIT, WRITER_PACE, World};
use crate::{Attempt, Barrier, Lease, Primary, Reading, Watch, Write};

pub(super) const NOW: Reading = Reading { boot: 0, real: 0 };

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) database: Database,
    pub(super) nodes: [Node; 2],
    pub(super) writer: Writer,
    /// Kept by the writer's process: it reaps, and settles primaries.
    pub(super) watch: Watch<usize>,
    pub(super) primary: Primary<bool>,
    /// A deletion returned.
    pub(super) returned: bool,
    pub(super) confirmed: bool,
    pub(super) outlasted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Database {
    /// The revision at which the key was deleted, once that is committed.
    pub(super) deleted: Option<i64>,
    /// The revision of another change, once committed.
    pub(super) other: Option<i64>,
    /// Numbers handed out by the sequence (a mutant) and not committed.
    pub(super) taken: (Option<i64>, Option<i64>),
    pub(super) rows: BTreeMap<usize, Row>,
    /// Whether a second primary was promoted, and whether the one of now is settled.
    pub(super) promoted: bool,
    pub(super) settled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) acked: i64,
    pub(super) beat: i64,
    /// What is acknowledged after a crash: what the last renewal said.
    pub(super) durable: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) phase: Phase,
    pub(super) lease: Lease,
    pub(super) applied: i64,
    /// Whether memory holds the key, as one that is good.
    pub(super) cached: bool,
    pub(super) renewal: Option<Renewal>,
    /// A read under way to memory: the revision it was made at. It found the key good.
    pub(super) fill: Option<i64>,
    /// The row it writes.
    pub(super) row: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Out,
    Loaded,
    Registered,
    /// Has renewed once.
    In,
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Renewal {
    pub(super) attempt: Attempt,
    /// Whether it is an acknowledgement between heartbeats: it leaves the beat and extends nothing.
    pub(super) acknowledges_only: bool,
    pub(super) step: Step,
    pub(super) read: i64,
    /// Whether what was read tells of the deletion.
    pub(super) evicts: bool,
    pub(super) write: Option<Write>,
}

/// What was done last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Begun,
    Read,
    First,
    Second,
    Third,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Writer {
    Idle,
    /// A change is made and not committed (mutants that look at a clock or a sequence before COMMIT).
    Made {
        at: Reading,
    },
    Waiting {
        barrier: Barrier,
    },
    /// The caller gave up; they may ask again.
    GivenUp,
    Done,
}

impl State {
    pub(super) fn begin(world: &World) -> Self {
        let serving = Node { phase: Phase::In, lease: Lease { granted: Some(NOW) }, applied: 0, cached: true, renewal: None, fill: None, row: 0 };
        let out = if world.alone { Phase::Stopped } else { Phase::Out };
        let joining = Node { phase: out, lease: Lease::none(), cached: false, row: usize::from(!world.is(Mutant::RowUsedAgain)), ..serving.clone() };
        Self {
            database: Database {
                deleted: None,
                other: None,
                taken: (None, None),
                rows: BTreeMap::from([(0, Row { acked: 0, beat: 0, durable: 0 })]),
                promoted: false,
                settled: true,
            },
            nodes: [serving, joining],
            writer: Writer::Idle,
            watch: Watch::default(),
            primary: Primary::default(),
            returned: false,
            confirmed: false,
            outlasted: false,
        }
    }

    /// Time goes on: every clock stays at zero, and what it has shown moves into the past.
    pub(super) fn pass(&mut self, world: &World) {
        for (at, node) in self.nodes.iter_mut().enumerate() {
            // one process has one clock
            let pace = if world.at_home && at == 0 { WRITER_PACE } else { NODE_PACE };
            node.lease.granted = node.lease.granted.map(|granted| back(granted, pace, LEASE));
            if let Some(renewal) = &mut node.renewal {
                renewal.attempt.began = back(renewal.attempt.began, pace, LEASE);
            }
        }
        match &mut self.writer {
            Writer::Waiting { barrier } => barrier.committed = back(barrier.committed, WRITER_PACE, WAIT),
            Writer::Made { at } => *at = back(*at, WRITER_PACE, WAIT),
            Writer::Idle | Writer::GivenUp | Writer::Done => {}
        }
        for (_, since) in self.watch.seen.values_mut() {
            *since = back(*since, WRITER_PACE, WAIT);
        }
        if let Some((_, since)) = &mut self.primary.seen {
            *since = back(*since, WRITER_PACE, WAIT);
        }
    }

    /// Gives situations that cannot be told apart one form, so that there are finitely many.
    pub(super) fn canonical(&mut self, world: &World) {
        for node in &mut self.nodes {
            // over is over
            if node.lease.granted.is_some_and(|granted| NOW.most_since(granted) >= LEASE) {
                node.lease.granted = None;
            }
        }
        // of a beat only matters whether it is the one that was seen
        for (node, row) in &mut self.database.rows {
            match self.watch.seen.get_mut(node) {
                Some((seen, _)) if *seen == row.beat => (*seen, row.beat) = (0, 0),
                Some(_) if world.is(Mutant::ReapWhoeverIsOld) => row.beat = 1,
                Some(_) => {
                    self.watch.seen.remove(node);
                    row.beat = 1;
                }
                None => row.beat = 1,
            }
        }
        let rows = &self.database.rows;
        self.watch.seen.retain(|node, _| rows.contains_key(node));
        if self.database.settled {
            self.primary.seen = None;
        }
        if !world.crashes {
            self.database.rows.values_mut().for_each(|row| row.durable = row.acked);
        }
        if matches!(self.writer, Writer::Done) {
            // nothing is written any more; whether the key is in memory is all that matters
            self.watch.seen.clear();
            self.primary.seen = None;
        }
    }
}

fn back(reading: Reading, pace: i64, far: i64) -> Reading {
    let to = (reading.boot - pace).max(-far);
    Reading { boot: to, real: to }
}

impl Renewal {
    pub(super) fn begin(acknowledges_only: bool) -> Self {
        Self { attempt: Attempt::begin(NOW), acknowledges_only, step: Step::Begun, read: 0, evicts: false, write: None }
    }
}

impl Database {
    /// What everybody sees of the counter.
    pub(super) fn position(&self) -> i64 {
        self.deleted.unwrap_or(0).max(self.other.unwrap_or(0))
    }

    pub(super) fn next(&self) -> i64 {
        let taken = self.taken.0.unwrap_or(0).max(self.taken.1.unwrap_or(0));
        self.position().max(taken) + 1
    }
}

impl Node {
    /// Whether a verification that is sent now would be answered with yes, from memory.
    pub(super) fn accepts(&self, world: &World) -> bool {
        self.cached && self.may_serve(world)
    }

    pub(super) fn may_serve(&self, world: &World) -> bool {
        let lease = self.lease.may_serve(NOW, world.terms()) || (world.is(Mutant::LeaseUnchecked) && self.phase == Phase::In);
        lease && (self.phase == Phase::In || self.phase == Phase::Stopped && world.is(Mutant::StopRowFirst))
    }
}
