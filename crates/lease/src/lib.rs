//! The lease protocol: when a node may answer from memory, and when a revocation is true everywhere.
//!
//! Pure: no I/O, no clock; time is an argument. What reads the database and the clock is `claviger-server`'s `cluster`.
//! `docs/revocation.md` tells the protocol as a story; `model` (tests only) explores every interleaving of this very code, and shows that
//! each rule here is needed.
//!
//! | rule | without it |
//! |---|---|
//! | a lease begins before its request was sent: [`Attempt`] | the reply may be late by any time, and the lease with it |
//! | a lease is extended only by a write that met its own row: [`Write`] | a node that was reaped goes on serving, unseen |
//! | an acknowledgement between heartbeats, which a crash may undo, extends nothing | a node whose beat does not move is reaped, and serves |
//! | what is applied is published, then evicted, then acknowledged: [`Attempt`]'s order | a fill slips in between, or the writer returns too soon |
//! | a deletion waits until all acknowledged, or the longest lease is over: [`Barrier`] | it is not true when it returns |
//! | a silent row goes only after [`Terms::wait`]: [`Watch`] | its node still serves |
//! | what is shown as done is what every node acknowledged, or what was there for as long as leases run: [`Horizon`] | who looks sees "revoked" where it is not yet |
//! | after a change of primary nobody returns early for as long: [`Primary`] | rows that were lost with the old one are not waited for |

mod barrier;
mod cell;
mod horizon;
mod lease;
#[cfg(all(test, not(loom)))]
mod model;
mod primary;
mod terms;
mod time;
mod watch;

pub use barrier::{Barrier, Decision, Sight};
pub use cell::Held;
pub use horizon::{History, Horizon, Stand};
pub use lease::{Attempt, Lease, Write};
pub use primary::Primary;
pub use terms::Terms;
pub use time::Reading;
pub use watch::Watch;
