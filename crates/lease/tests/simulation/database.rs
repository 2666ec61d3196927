//! PostgreSQL as the protocol uses it: one counter whose lock is held over the commit, rows of leases, and a standby that takes over.
use std::{collections::BTreeMap, rc::Rc};

use super::{
    node::Node,
    world::{MICROSECOND, MILLISECOND, Moment, SECOND, Slot, World},
};

#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) primary: u64,
    pub(crate) settled: u64,
    /// What changed, in the order of revisions, which start at 1.
    log: Vec<usize>,
    pub(crate) values: Vec<i64>,
    pub(crate) rows: BTreeMap<u64, Row>,
    /// The counter's lock: until when those who came before will hold it.
    locked_until: Moment,
}

#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) acked: i64,
    pub(crate) beat: i64,
}

/// What a look at all leases reads.
pub(crate) struct Leases {
    pub(crate) rows: Vec<(u64, Row)>,
    pub(crate) primary: u64,
    pub(crate) settled: bool,
}

impl Database {
    pub(crate) fn new(credentials: usize) -> Self {
        Self { primary: 1, settled: 1, log: Vec::new(), values: vec![0; credentials], rows: BTreeMap::new(), locked_until: 0 }
    }

    pub(crate) fn revision(&self) -> i64 {
        i64::try_from(self.log.len()).expect("few")
    }

    pub(crate) fn log_after(&self, revision: i64) -> Vec<usize> {
        self.log[usize::try_from(revision).expect("not negative")..].to_vec()
    }

    /// Whether anything was left to change.
    pub(crate) fn change(&mut self, credential: usize, value: i64) -> bool {
        let changes = self.values[credential] < value;
        if changes {
            self.values[credential] = value;
            self.log.push(credential);
        }
        changes
    }

    /// Whether the row is there.
    pub(crate) fn acknowledge(&mut self, node: u64, acked: i64) -> bool {
        self.rows.get_mut(&node).map(|row| *row = Row { acked, beat: row.beat + 1 }).is_some()
    }

    pub(crate) fn reap(&mut self, node: u64, beat: i64) -> bool {
        let silent = self.rows.get(&node).is_some_and(|row| row.beat == beat);
        silent && self.rows.remove(&node).is_some()
    }

    pub(crate) fn leases(&self) -> Leases {
        Leases { rows: self.rows.iter().map(|(node, row)| (*node, *row)).collect(), primary: self.primary, settled: self.primary == self.settled }
    }

    /// A standby takes over. It has every change, but the rows of leases as they were a while ago.
    pub(crate) fn fail_over(&mut self, rows: BTreeMap<u64, Row>) {
        self.primary += 1;
        self.rows = rows;
    }
}

/// Where a statement waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Reads what is committed when it arrives.
    Read,
    /// Is visible some time after it arrives, and before its reply.
    Write,
    /// The same, behind everyone else who writes a revision: their order is the order of revisions.
    WriteRevision,
}

/// Runs one statement for `node`. None when no reply came by `deadline`; it may have been run all the same, even later.
pub(crate) async fn ask<T: 'static>(
    world: &Rc<World>,
    node: &Node,
    deadline: Moment,
    statement: Statement,
    run: impl FnOnce(&mut Database) -> T + 'static,
) -> Option<T> {
    let (slot, host) = (Slot::new(), node.host);
    world.spawn(None, {
        let (world, slot) = (world.clone(), slot.clone());
        async move {
            world.sleep(world.hosts[host].delay(&world)).await;
            if world.hosts[host].link.get() == super::host::Link::Cut {
                return;
            }
            let primary = world.database.borrow().primary;
            if statement != Statement::Read {
                let takes = if world.one_in(100) { world.between(0, SECOND / 2) } else { world.between(100 * MICROSECOND, 5 * MILLISECOND) };
                let mut visible_at = world.now() + takes;
                if statement == Statement::WriteRevision {
                    let mut database = world.database.borrow_mut();
                    visible_at = visible_at.max(database.locked_until + takes);
                    database.locked_until = visible_at;
                }
                world.until(visible_at).await;
            }
            // a commit that was under way when the standby took over is lost
            if world.database.borrow().primary != primary {
                return;
            }
            let answer = run(&mut world.database.borrow_mut());
            if statement == Statement::WriteRevision {
                ring(&world);
            }
            world.sleep(world.hosts[host].delay(&world)).await;
            if world.hosts[host].link.get() == super::host::Link::Up {
                slot.put(&world, answer);
            }
        }
    });
    slot.take(world, deadline).await
}

/// NOTIFY: mostly arrives.
fn ring(world: &Rc<World>) {
    for at in 0..world.hosts.len() {
        if world.one_in(10) {
            continue;
        }
        let woken = world.clone();
        world.spawn(None, async move {
            let host = &woken.hosts[at];
            woken.sleep(host.delay(&woken)).await;
            if host.link.get() == super::host::Link::Up
                && let Some(node) = &*host.node.borrow()
            {
                node.ring(&woken);
            }
        });
    }
}
