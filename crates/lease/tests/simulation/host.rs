//! A machine: its clocks, its link to the database, and the process that runs on it. What can go wrong with them.
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use claviger_lease::Reading;

use super::{
    node::Node,
    world::{MICROSECOND, MILLISECOND, Moment, SECOND, World},
};

pub(crate) struct Host {
    clock: Cell<Clock>,
    /// Whether it is a virtual machine whose time since boot stands still while it is paused. Its wall clock is then never set: of two clocks
    /// one must be right.
    freezes: bool,
    pub(crate) paused_until: Cell<Moment>,
    pub(crate) link: Cell<Link>,
    /// Until when replies may take seconds.
    pub(crate) slow_until: Cell<Moment>,
    /// The process that serves.
    pub(crate) node: RefCell<Option<Rc<Node>>>,
    /// What the file in the data folder says: the row of the last process.
    pub(crate) file: Cell<Option<u64>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Up,
    Cut,
    /// What is sent arrives, and no reply comes.
    RepliesLost,
}

/// `boot` and `real` at the moment `since`; from then on both run at `rate` millionths of true time.
#[derive(Clone, Copy)]
struct Clock {
    since: Moment,
    boot: i64,
    real: i64,
    rate: i64,
}

impl Clock {
    fn at(self, now: Moment) -> Self {
        let passed = (now - self.since) * self.rate / 1_000_000;
        Self { since: now, boot: self.boot + passed, real: self.real + passed, rate: self.rate }
    }
}

impl Host {
    pub(crate) fn new(world: &World) -> Self {
        let clock = Clock { since: 0, boot: world.between(0, 1_000 * SECOND), real: world.between(0, 1_000_000 * SECOND), rate: rate(world) };
        Self {
            clock: Cell::new(clock),
            freezes: world.one_in(2),
            paused_until: Cell::new(0),
            link: Cell::new(Link::Up),
            slow_until: Cell::new(0),
            node: RefCell::default(),
            file: Cell::new(None),
        }
    }

    pub(crate) fn read(&self, now: Moment) -> Reading {
        let Clock { boot, real, .. } = self.clock.get().at(now);
        Reading { boot, real }
    }

    /// How long a timer of this machine really takes.
    pub(crate) fn really(&self, time: i64) -> i64 {
        time * 1_000_000 / self.clock.get().rate
    }

    pub(crate) fn pause(&self, now: Moment, time: i64) {
        self.paused_until.set(now + time);
        if self.freezes {
            let mut clock = self.clock.get().at(now);
            clock.boot -= time * clock.rate / 1_000_000;
            self.clock.set(clock);
        }
    }

    pub(crate) fn change_rate(&self, world: &World) {
        self.clock.set(Clock { rate: rate(world), ..self.clock.get().at(world.now()) });
    }

    /// Sets the wall clock, by up to an hour.
    pub(crate) fn set_wall_clock(&self, world: &World) {
        if self.freezes {
            return;
        }
        let most = [SECOND, 10 * SECOND, 3_600 * SECOND][world.below(3)];
        let mut clock = self.clock.get().at(world.now());
        clock.real += world.between(-most, most);
        self.clock.set(clock);
    }

    /// How long a message takes, one way.
    pub(crate) fn delay(&self, world: &World) -> i64 {
        if world.now() < self.slow_until.get() && world.one_in(2) {
            return world.between(0, 4 * SECOND);
        }
        let most = match world.below(50) {
            0 => 200,
            1..6 => 20,
            _ => 3,
        };
        world.between(100 * MICROSECOND, most * MILLISECOND)
    }
}

/// Within 8.3 % of true time, often at the edge.
fn rate(world: &World) -> i64 {
    match world.below(4) {
        0 => 1_000_000 - 83_000,
        1 => 1_000_000 + 83_000,
        _ => world.between(1_000_000 - 83_000, 1_000_000 + 83_000),
    }
}
