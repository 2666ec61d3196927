//! Simulated time: tasks that wait for a moment or for an answer, and nothing else. One seed, one history.
use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use super::{Tally, Without, database::Database, host::Host, node::Node};

pub(crate) const MICROSECOND: i64 = 1_000;
pub(crate) const MILLISECOND: i64 = 1_000_000;
pub(crate) const SECOND: i64 = 1_000_000_000;

/// True time, in nanoseconds since the beginning. No node sees it.
pub(crate) type Moment = i64;

pub(crate) struct World {
    now: Cell<Moment>,
    due: RefCell<BinaryHeap<Reverse<(Moment, u64, u64)>>>,
    counter: Cell<u64>,
    tasks: RefCell<HashMap<u64, Task>>,
    current: Cell<u64>,
    chance: Cell<u64>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) database: RefCell<Database>,
    /// For each credential the highest value that a change which returned has promised.
    pub(crate) promised: RefCell<Vec<i64>>,
    pub(crate) without: Without,
    pub(crate) tally: RefCell<Tally>,
    pub(crate) wrong: RefCell<Option<String>>,
}

/// What runs on a node stops with it, and waits while it is paused. What runs on none is the network, the database, or a client.
struct Task {
    node: Option<Rc<Node>>,
    work: Pin<Box<dyn Future<Output = ()>>>,
}

/// Where an answer will be.
pub(crate) struct Slot<T> {
    value: RefCell<Option<T>>,
    waiter: Cell<u64>,
}

impl World {
    pub(crate) fn new(seed: u64, without: Without, hosts: usize, credentials: usize) -> Rc<Self> {
        let mut world = Self {
            now: Cell::new(0),
            due: RefCell::default(),
            counter: Cell::new(1),
            tasks: RefCell::default(),
            current: Cell::new(0),
            chance: Cell::new(seed),
            hosts: Vec::new(),
            database: RefCell::new(Database::new(credentials)),
            promised: RefCell::new(vec![0; credentials]),
            without,
            tally: RefCell::default(),
            wrong: RefCell::default(),
        };
        world.hosts = (0..hosts).map(|_| Host::new(&world)).collect();
        Rc::new(world)
    }

    pub(crate) fn now(&self) -> Moment {
        self.now.get()
    }

    /// A number from `low` up to but without `high` (`SplitMix64`).
    pub(crate) fn between(&self, low: i64, high: i64) -> i64 {
        let state = self.chance.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.chance.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = (mixed ^ (mixed >> 31)) >> 1;
        low + (number % (high - low).unsigned_abs()).cast_signed()
    }

    pub(crate) fn one_in(&self, times: i64) -> bool {
        self.between(0, times) == 0
    }

    pub(crate) fn below(&self, bound: usize) -> usize {
        usize::try_from(self.between(0, i64::try_from(bound).expect("small"))).expect("not negative")
    }

    /// A number that was never given before.
    pub(crate) fn fresh(&self) -> u64 {
        let number = self.counter.get();
        self.counter.set(number + 1);
        number
    }

    pub(crate) fn spawn(&self, node: Option<&Rc<Node>>, work: impl Future<Output = ()> + 'static) {
        let id = self.fresh();
        self.tasks.borrow_mut().insert(id, Task { node: node.cloned(), work: Box::pin(work) });
        self.wake(self.now(), id);
    }

    fn wake(&self, at: Moment, task: u64) {
        let turn = self.fresh();
        self.due.borrow_mut().push(Reverse((at, turn, task)));
    }

    pub(crate) async fn sleep(&self, time: i64) {
        self.until(self.now() + time).await;
    }

    pub(crate) async fn until(&self, at: Moment) {
        self.until_or(at, || false).await;
    }

    /// Until a moment, or until it was woken and something is so.
    pub(crate) async fn until_or(&self, at: Moment, so: impl Fn() -> bool) {
        let mut asleep = false;
        poll_fn(|_| {
            if self.now() >= at || so() {
                return Poll::Ready(());
            }
            if !asleep {
                asleep = true;
                self.wake(at, self.current.get());
            }
            Poll::Pending
        })
        .await;
    }

    /// The task that runs now.
    pub(crate) fn this_task(&self) -> u64 {
        self.current.get()
    }

    pub(crate) fn wake_now(&self, task: u64) {
        self.wake(self.now(), task);
    }

    /// Runs until `end`, or until something went wrong.
    pub(crate) fn run(&self, end: Moment) {
        while self.wrong.borrow().is_none() {
            let Some(Reverse((at, _, id))) = self.due.borrow_mut().pop() else { break };
            if at >= end {
                break;
            }
            self.now.set(at);
            let Some(mut task) = self.tasks.borrow_mut().remove(&id) else { continue };
            if let Some(node) = &task.node {
                if node.is_dead() {
                    continue;
                }
                let resumes = self.hosts[node.host].paused_until.get();
                if resumes > at {
                    self.tasks.borrow_mut().insert(id, task);
                    // who comes first after a pause is anyone's guess
                    self.wake(resumes + self.between(0, 2 * MILLISECOND), id);
                    continue;
                }
            }
            self.current.set(id);
            if task.work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                self.tasks.borrow_mut().insert(id, task);
            }
        }
        self.now.set(end);
    }

    /// Drops what still runs: tasks hold the world they run in.
    pub(crate) fn end(&self) {
        let left = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(left);
        self.hosts.iter().for_each(|host| drop(host.node.take()));
    }
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { value: RefCell::new(None), waiter: Cell::new(0) })
    }

    pub(crate) fn put(&self, world: &World, value: T) {
        *self.value.borrow_mut() = Some(value);
        world.wake_now(self.waiter.get());
    }

    /// None when nothing came in time.
    pub(crate) async fn take(&self, world: &World, deadline: Moment) -> Option<T> {
        self.waiter.set(world.this_task());
        world.until_or(deadline, || self.value.borrow().is_some()).await;
        self.value.borrow_mut().take()
    }
}
