//! What can happen, and what happens then.
use super::{
    Mutant, World,
    state::{NOW, Node, Phase, Renewal, Row, State, Step, Writer},
};
use crate::{Attempt, Barrier, Decision, Lease, Sight, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    TimePasses,
    // nodes
    Load(usize),
    Register(usize),
    BeginRenewal(usize),
    BeginAcknowledgement(usize),
    StepRenewal(usize),
    /// Nothing is heard of it any more.
    AbandonRenewal(usize),
    Forget(usize),
    BeginFill(usize),
    LandFill(usize),
    Stop(usize),
    // the database
    CommitOther,
    Promote,
    /// And recovery: what was not waited for is lost.
    Crash,
    // the writer
    MakeDeletion,
    TakeOther,
    CommitDeletion,
    Look,
    GiveUp,
    AskAgain,
    // the reaper
    Reap,
}

impl World {
    pub(super) fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        let database = &state.database;
        actions.push(Action::TimePasses);
        for (at, node) in state.nodes.iter().enumerate() {
            match node.phase {
                Phase::Out => actions.push(Action::Load(at)),
                Phase::Loaded => actions.push(Action::Register(at)),
                Phase::Stopped => {}
                Phase::Registered | Phase::In => {
                    actions.push(if node.renewal.is_some() { Action::StepRenewal(at) } else { Action::BeginRenewal(at) });
                    if self.crashes && node.phase == Phase::In && node.renewal.is_none() {
                        actions.push(Action::BeginAcknowledgement(at));
                    }
                }
            }
            // between publication and eviction nothing can fail; else the next renewal would begin behind what was not evicted
            if node.renewal.as_ref().is_some_and(|renewal| renewal.step != Step::First || self.is(Mutant::FailBetweenPublicationAndEviction)) {
                actions.push(Action::AbandonRenewal(at));
            }
            if self.fills && node.cached {
                actions.push(Action::Forget(at));
            }
            if self.fills && !node.cached && node.fill.is_none() && node.may_serve(self) && database.deleted.is_none() {
                actions.push(Action::BeginFill(at));
            }
            if node.fill.is_some() {
                actions.push(Action::LandFill(at));
            }
            if self.stops && at == 0 && node.phase == Phase::In && node.renewal.is_none() {
                actions.push(Action::Stop(at));
            }
        }
        if (self.others || self.is(Mutant::RevisionFromSequence)) && database.other.is_none() {
            actions.push(Action::CommitOther);
        }
        if self.failover && !database.promoted {
            actions.push(Action::Promote);
        }
        if self.crashes {
            actions.push(Action::Crash);
        }
        match state.writer {
            Writer::Idle if self.makes_before_commit() => actions.push(Action::MakeDeletion),
            Writer::Idle | Writer::Made { .. } => actions.push(Action::CommitDeletion),
            Writer::Waiting { .. } => actions.extend([Action::Look, Action::GiveUp]),
            Writer::GivenUp => actions.push(Action::AskAgain),
            Writer::Done => {}
        }
        if self.is(Mutant::RevisionFromSequence) && database.other.is_none() && database.taken.1.is_none() {
            actions.push(Action::TakeOther);
        }
        actions.push(Action::Reap);
    }

    fn makes_before_commit(&self) -> bool {
        self.is(Mutant::RevisionFromSequence) || self.is(Mutant::WaitFromBeforeCommit)
    }

    /// None: it changes nothing.
    pub(super) fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::TimePasses => state.pass(self),
            Action::Load(at) => {
                let (position, deleted) = (state.database.position(), state.database.deleted.is_some());
                let node = &mut state.nodes[at];
                (node.applied, node.cached, node.phase) = (position, !deleted, Phase::Loaded);
                if self.is(Mutant::ServeBeforeRenewal) {
                    node.lease = Lease { granted: Some(NOW) };
                }
            }
            Action::Register(at) => {
                let position = state.database.position();
                let node = &mut state.nodes[at];
                let mut acked = node.applied;
                node.phase = if self.is(Mutant::ServeBeforeRenewal) { Phase::In } else { Phase::Registered };
                if self.is(Mutant::RegisteredWithoutDelta) {
                    acked = position;
                    (node.applied, node.phase) = (position, Phase::In);
                    node.lease = Lease { granted: Some(NOW) };
                }
                state.database.rows.insert(node.row, Row { acked, beat: 1, durable: acked });
            }
            Action::BeginRenewal(at) => state.nodes[at].renewal = Some(Renewal::begin(false)),
            Action::BeginAcknowledgement(at) => state.nodes[at].renewal = Some(Renewal::begin(true)),
            Action::StepRenewal(at) => self.renew(state, at),
            Action::AbandonRenewal(at) => state.nodes[at].renewal = None,
            Action::Forget(at) => state.nodes[at].cached = false,
            Action::BeginFill(at) => state.nodes[at].fill = Some(state.database.position()),
            Action::LandFill(at) => {
                let node = &mut state.nodes[at];
                let read_at = node.fill.take()?;
                if read_at >= node.applied || self.is(Mutant::UncheckedFill) {
                    node.cached = true;
                }
            }
            Action::Stop(at) => {
                let node = &mut state.nodes[at];
                if !self.is(Mutant::StopRowFirst) {
                    node.lease.give_back();
                }
                node.phase = Phase::Stopped;
                let row = node.row;
                state.database.rows.remove(&row);
            }
            Action::CommitOther => {
                let database = &mut state.database;
                database.other = Some(database.taken.1.unwrap_or_else(|| database.next()));
            }
            Action::TakeOther => state.database.taken.1 = Some(state.database.next()),
            Action::Promote => {
                state.database.promoted = true;
                state.database.settled = false;
                state.database.rows.clear();
            }
            Action::Crash => state.database.rows.values_mut().for_each(|row| row.acked = row.durable),
            Action::MakeDeletion => {
                if self.is(Mutant::RevisionFromSequence) {
                    state.database.taken.0 = Some(state.database.next());
                }
                state.writer = Writer::Made { at: NOW };
            }
            Action::CommitDeletion => {
                let database = &mut state.database;
                let rev = database.taken.0.unwrap_or_else(|| database.next());
                database.deleted = Some(rev);
                let barrier = match state.writer {
                    Writer::Made { at } if self.is(Mutant::WaitFromBeforeCommit) => Barrier::new(rev, at),
                    _ => Barrier::new(rev, NOW),
                };
                state.writer = Writer::Waiting { barrier };
                if self.is(Mutant::NoBarrier) {
                    (state.writer, state.returned) = (Writer::Done, true);
                } else {
                    self.catch_up_at_home(state);
                }
            }
            Action::Look => self.look(state)?,
            Action::GiveUp => state.writer = Writer::GivenUp,
            Action::AskAgain => {
                let barrier = Barrier::new(state.database.position(), NOW);
                state.writer = Writer::Waiting { barrier };
                if self.is(Mutant::RetrySkipsBarrier) {
                    (state.writer, state.returned) = (Writer::Done, true);
                } else {
                    self.catch_up_at_home(state);
                }
            }
            Action::Reap => self.reap(state),
        }
        Some(())
    }

    /// The writer's own process applies its change before it looks at anyone else.
    fn catch_up_at_home(&self, state: &mut State) {
        if self.at_home && !self.is(Mutant::OwnRowUnapplied) {
            let position = state.database.position();
            let node = &mut state.nodes[0];
            node.applied = node.applied.max(position);
            node.cached = false;
        }
    }

    fn renew(&self, state: &mut State, at: usize) {
        let State { database, nodes, .. } = state;
        let node = &mut nodes[at];
        let Some(mut renewal) = node.renewal.take() else { return };
        let publish = |node: &mut Node, renewal: &Renewal| node.applied = node.applied.max(renewal.read);
        let evict = |node: &mut Node, renewal: &Renewal| node.cached &= !renewal.evicts;
        let mut write = |node: &Node, renewal: &mut Renewal| {
            let row = database.rows.get_mut(&node.row);
            renewal.write = Some(if row.is_some() { Write::Met } else { Write::RowGone });
            if let Some(row) = row {
                let acked = renewal.read.max(row.acked);
                *row = match renewal.acknowledges_only {
                    true => Row { acked, ..*row },
                    false => Row { acked, beat: row.beat + 1, durable: acked },
                };
            }
        };
        renewal.step = match renewal.step {
            Step::Begun => {
                renewal.read = database.position().max(node.applied);
                renewal.evicts = database.deleted.is_some_and(|deleted| deleted > node.applied);
                Step::Read
            }
            Step::Read => {
                if self.is(Mutant::EvictBeforePublication) {
                    evict(node, &renewal)
                } else {
                    publish(node, &renewal)
                }
                Step::First
            }
            Step::First => {
                if self.is(Mutant::AcknowledgeBeforeEviction) {
                    write(node, &mut renewal);
                } else if self.is(Mutant::EvictBeforePublication) {
                    publish(node, &renewal);
                } else {
                    evict(node, &renewal);
                }
                Step::Second
            }
            Step::Second => {
                if self.is(Mutant::AcknowledgeBeforeEviction) {
                    evict(node, &renewal)
                } else {
                    write(node, &mut renewal)
                }
                Step::Third
            }
            // the reply arrives
            Step::Third => {
                if renewal.acknowledges_only && !self.is(Mutant::LeaseByAcknowledgement) {
                    return;
                }
                let mut write = renewal.write.unwrap_or(Write::RowGone);
                if self.is(Mutant::ExtendWithoutRow) {
                    write = Write::Met;
                }
                let attempt = if self.is(Mutant::LeaseFromReply) { Attempt::begin(NOW) } else { renewal.attempt };
                node.lease.end(attempt, write);
                node.phase = match write {
                    Write::Met => Phase::In,
                    // joins again, by another row; memory stays, and the first renewal reads the delta
                    Write::RowGone => Phase::Loaded,
                };
                return;
            }
        };
        node.renewal = Some(renewal);
    }

    fn sight(&self, state: &State) -> Sight {
        let others = state.database.rows.iter().filter(|(row, _)| !(self.at_home && **row == 0));
        Sight { settled: state.database.settled || self.is(Mutant::FailoverUnfenced), lowest: others.map(|(_, row)| row.acked).min() }
    }

    fn look(&self, state: &mut State) -> Option<()> {
        let Writer::Waiting { barrier } = &state.writer else { return None };
        let terms = if self.is(Mutant::NoMarginInBarrier) { self.short_terms() } else { self.terms() };
        match barrier.decide(NOW, terms, Some(self.sight(state))) {
            Decision::Wait => return None,
            Decision::Confirmed => state.confirmed = true,
            Decision::Outlasted => state.outlasted = true,
        }
        state.writer = Writer::Done;
        state.returned = true;
        Some(())
    }

    /// The same look at the rows also settles primaries.
    fn reap(&self, state: &mut State) {
        let terms = if self.is(Mutant::NoMarginInReaper) { self.short_terms() } else { self.terms() };
        let rows: Vec<(usize, i64)> = state.database.rows.iter().map(|(node, row)| (*node, row.beat)).collect();
        let seen = if self.is(Mutant::ReapWhoeverIsOld) { rows.iter().map(|(node, _)| (*node, 0)).collect() } else { rows.clone() };
        for (node, beat) in state.watch.observe(NOW, terms, seen) {
            if self.is(Mutant::ReapWhoeverIsOld) || state.database.rows.get(&node).is_some_and(|row| row.beat == beat) {
                state.database.rows.remove(&node);
            }
        }
        if !state.database.settled && (state.primary.observe(NOW, self.terms(), state.database.promoted) || self.is(Mutant::SettledAtOnce)) {
            state.database.settled = true;
        }
    }
}
