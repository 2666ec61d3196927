//! A process: what `server/src/cluster` and `server/src/verify` do around the rules of this crate, in the same order.
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::Duration,
};

use claviger_lease::{Attempt, Barrier, Decision, Held, Lease, Primary, Reading, Sight, Terms, Watch, Write};

use super::{
    Without,
    database::{Row, Statement, ask},
    host::Host,
    world::{MICROSECOND, MILLISECOND, Moment, World},
};

pub(crate) struct Node {
    pub(crate) host: usize,
    terms: Terms,
    /// Whether it has joined, and so listens.
    listens: Cell<bool>,
    dead: Cell<bool>,
    leaving: Cell<bool>,
    rung: Cell<bool>,
    /// The task that keeps the lease.
    driver: Cell<u64>,
    /// The row's id, while there is one.
    id: Cell<Option<u64>>,
    lease: Cell<Lease>,
    held: Held,
    applied: Cell<i64>,
    kept: RefCell<HashMap<usize, i64>>,
    /// Whether a log is being read and applied: one at a time.
    round: Cell<bool>,
    /// Of rows on one primary: what another one has under the same id may be older than what was seen.
    watch: RefCell<Watch<(u64, u64)>>,
    primary: RefCell<Primary<u64>>,
}

/// No reply came: the statement may have been run, or may be yet.
#[derive(Debug)]
pub(crate) struct Unavailable;

impl Node {
    /// Starts a process on a machine where none runs.
    pub(crate) fn start(world: &Rc<World>, host: usize, terms: Terms) {
        let node = Rc::new(Self {
            host,
            terms,
            listens: Cell::new(false),
            dead: Cell::new(false),
            leaving: Cell::new(false),
            rung: Cell::new(false),
            driver: Cell::new(0),
            id: Cell::new(None),
            lease: Cell::new(Lease::none()),
            held: Held::new(terms),
            applied: Cell::new(0),
            kept: RefCell::default(),
            round: Cell::new(false),
            watch: RefCell::default(),
            primary: RefCell::default(),
        });
        *world.hosts[host].node.borrow_mut() = Some(node.clone());
        world.spawn(Some(&node), run(world.clone(), node.clone()));
    }

    pub(crate) fn kill(&self) {
        self.dead.set(true);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.get()
    }

    pub(crate) fn listens(&self) -> bool {
        self.listens.get() && !self.is_dead()
    }

    pub(crate) fn leave(&self, world: &World) {
        self.leaving.set(true);
        world.wake_now(self.driver.get());
    }

    pub(crate) fn ring(&self, world: &World) {
        self.rung.set(true);
        world.wake_now(self.driver.get());
    }

    /// Room is needed in memory.
    pub(crate) fn forget(&self, credential: usize) {
        self.kept.borrow_mut().remove(&credential);
    }

    pub(crate) fn may_serve(&self, world: &World) -> bool {
        self.held.may_serve(|| self.clock(world)) || world.without == Without::Lease
    }

    fn host<'a>(&self, world: &'a World) -> &'a Host {
        &world.hosts[self.host]
    }

    fn clock(&self, world: &World) -> Reading {
        self.host(world).read(world.now())
    }

    fn heartbeat(&self) -> i64 {
        nanoseconds(self.terms.heartbeat())
    }

    /// The terms by which others are waited for.
    fn waits(&self, world: &World) -> Terms {
        if world.without == Without::Margin {
            // the terms whose W is our L
            let shorter = self.terms.lease().saturating_sub(Duration::from_millis(250)) * 5 / 6;
            return Terms::of(shorter).unwrap_or(self.terms);
        }
        self.terms
    }

    /// When a call that begins now is given up.
    fn deadline(&self, world: &World) -> Moment {
        world.now() + self.host(world).really(2 * self.heartbeat())
    }
}

/// `Membership::begin` and `Driver::run`.
async fn run(world: Rc<World>, node: Rc<Node>) {
    node.driver.set(world.this_task());
    while begin(&world, &node).await.is_err() {
        world.sleep(100 * MILLISECOND).await;
    }
    node.listens.set(true);
    let mut failing = false;
    while !node.leaving.get() {
        let time = if failing { node.heartbeat() / 4 } else { node.heartbeat() };
        let next = world.now() + node.host(&world).really(time);
        world.until_or(next, || node.rung.get() || node.leaving.get()).await;
        node.rung.set(false);
        failing = keep(&world, &node).await.is_err();
    }
    let mut lease = node.lease.get();
    lease.give_back();
    node.lease.set(lease);
    node.held.show(&lease);
    if let Some(id) = node.id.take() {
        let unregister = move |database: &mut super::Database| database.rows.remove(&id);
        if ask(&world, &node, node.deadline(&world), Statement::Write, unregister).await.is_some() {
            node.host(&world).file.set(None);
        }
    }
    node.kill();
}

async fn begin(world: &Rc<World>, node: &Node) -> Result<(), Unavailable> {
    let deadline = node.deadline(world);
    node.applied.set(ask(world, node, deadline, Statement::Read, |database| database.revision()).await.ok_or(Unavailable)?);
    // the lock on the data folder proves the last process dead
    if let Some(old) = node.host(world).file.get() {
        ask(world, node, deadline, Statement::Write, move |database| database.rows.remove(&old)).await.ok_or(Unavailable)?;
        node.host(world).file.set(None);
    }
    keep(world, node).await
}

/// One heartbeat.
async fn keep(world: &Rc<World>, node: &Node) -> Result<(), Unavailable> {
    let deadline = node.deadline(world);
    if node.id.get().is_none() {
        join(world, node, deadline).await?;
    }
    if renew(world, node, deadline).await? == Write::RowGone {
        world.tally.borrow_mut().rows_gone += 1;
        node.id.set(None);
        join(world, node, deadline).await?;
        renew(world, node, deadline).await?;
    }
    look(world, node).await.map(|_| ())
}

async fn join(world: &Rc<World>, node: &Node, deadline: Moment) -> Result<(), Unavailable> {
    let (id, row) = (world.fresh(), Row { acked: node.applied.get(), beat: 0 });
    node.host(world).file.set(Some(id));
    ask(world, node, deadline, Statement::Write, move |database| database.rows.insert(id, row)).await.ok_or(Unavailable)?;
    node.id.set(Some(id));
    Ok(())
}

async fn renew(world: &Rc<World>, node: &Node, deadline: Moment) -> Result<Write, Unavailable> {
    let Some(id) = node.id.get() else { return Err(Unavailable) };
    let began = node.clock(world);
    let primary = catch_up(world, node, deadline).await?;
    let acked = node.applied.get();
    // one transaction on one server
    let acknowledge = move |database: &mut super::Database| (database.primary == primary).then(|| database.acknowledge(id, acked));
    let is_met = ask(world, node, deadline, Statement::Write, acknowledge).await.flatten().ok_or(Unavailable)?;
    let began = if world.without == Without::LeaseFromTheRequest { node.clock(world) } else { began };
    let write = if is_met { Write::Met } else { Write::RowGone };
    let mut lease = node.lease.get();
    lease.end(Attempt::begin(began), write);
    node.lease.set(lease);
    node.held.show(&lease);
    Ok(write)
}

/// `Index::catch_up`; says which primary answered.
async fn catch_up(world: &Rc<World>, node: &Node, deadline: Moment) -> Result<u64, Unavailable> {
    while node.round.replace(true) {
        world.sleep(100 * MICROSECOND).await;
    }
    let applied = node.applied.get();
    let read = move |database: &mut super::Database| (database.primary, database.revision(), database.log_after(applied));
    let read = ask(world, node, deadline, Statement::Read, read).await;
    if let Some((_, revision, changed)) = &read {
        if world.without == Without::PublishingFirst {
            evict(world, node, changed).await;
            node.applied.set(*revision);
        } else {
            node.applied.set(*revision);
            evict(world, node, changed).await;
        }
    }
    node.round.set(false);
    read.map(|(primary, ..)| primary).ok_or(Unavailable)
}

async fn evict(world: &World, node: &Node, changed: &[usize]) {
    for credential in changed {
        let_others_run(world).await;
        node.kept.borrow_mut().remove(credential);
    }
    let_others_run(world).await;
}

/// A thread may be stopped anywhere, for longer than it takes a message to come.
async fn let_others_run(world: &World) {
    let most = if world.one_in(5) { 10 * MILLISECOND } else { 50 * MICROSECOND };
    world.sleep(world.between(0, most)).await;
}

/// `Cluster::look`.
async fn look(world: &Rc<World>, node: &Node) -> Result<Sight, Unavailable> {
    let leases = ask(world, node, node.deadline(world), Statement::Read, |database| database.leases()).await.ok_or(Unavailable)?;
    let now = node.clock(world);
    let others: Vec<_> = leases.rows.iter().filter(|(id, _)| Some(*id) != node.id.get()).collect();
    let watched = if world.without == Without::WatchPerPrimary { 0 } else { leases.primary };
    let beats: Vec<_> = others.iter().map(|(id, row)| ((watched, *id), row.beat)).collect();
    let mut silent = node.watch.borrow_mut().observe(now, node.waits(world), beats.clone());
    if world.without == Without::PatientReaper {
        silent = beats;
    }
    for ((_, id), beat) in silent {
        let reaped = ask(world, node, node.deadline(world), Statement::Write, move |database| database.reap(id, beat)).await;
        world.tally.borrow_mut().reaped += u32::from(reaped.ok_or(Unavailable)?);
    }
    if !leases.settled && node.primary.borrow_mut().observe(now, node.waits(world), leases.primary) {
        let settle = move |database: &mut super::Database| {
            if database.primary == leases.primary {
                database.settled = leases.primary;
            }
        };
        ask(world, node, node.deadline(world), Statement::Write, settle).await.ok_or(Unavailable)?;
    }
    let lowest = others.iter().map(|(_, row)| row.acked).min();
    Ok(Sight { settled: leases.settled || world.without == Without::SettledPrimary, lowest })
}

/// `App::commit` and `Cluster::settle`: returns when the change is true on every node.
pub(crate) async fn change(world: &Rc<World>, node: &Node, credential: usize, value: i64) -> Result<Decision, Unavailable> {
    let deadline = node.deadline(world);
    let commit = move |database: &mut super::Database| database.change(credential, value);
    if !ask(world, node, deadline, Statement::WriteRevision, commit).await.ok_or(Unavailable)? {
        world.tally.borrow_mut().repeated += 1;
    }
    let committed = node.clock(world);
    catch_up(world, node, deadline).await?;
    let barrier = Barrier::new(node.applied.get(), committed);
    let mut pause = MILLISECOND;
    loop {
        let sight = look(world, node).await.ok();
        let decision = barrier.decide(node.clock(world), node.waits(world), sight);
        if decision != Decision::Wait || world.without == Without::Barrier {
            return Ok(decision);
        }
        world.sleep(node.host(world).really(pause)).await;
        pause = (pause * 2).min(20 * MILLISECOND);
    }
}

/// `Index::credential`; None when it cannot say.
pub(crate) async fn verify(world: &Rc<World>, node: &Node, credential: usize) -> Option<i64> {
    if !node.may_serve(world) {
        return None;
    }
    let_others_run(world).await;
    if let Some(value) = node.kept.borrow().get(&credential) {
        return Some(*value);
    }
    let read = move |database: &mut super::Database| (database.values[credential], database.revision());
    let (value, revision) = ask(world, node, node.deadline(world), Statement::Read, read).await?;
    if revision >= node.applied.get() || world.without == Without::CheckedFills {
        node.kept.borrow_mut().insert(credential, value);
    } else {
        world.tally.borrow_mut().late_fills += 1;
    }
    Some(value)
}

/// Of a length that terms have.
pub(crate) fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).expect("seconds")
}
