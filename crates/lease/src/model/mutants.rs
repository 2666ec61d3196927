//! What is done wrong on purpose, one rule at a time. Each must have a counterexample: they keep the model honest.
use super::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// The deletion returns right after COMMIT.
    NoBarrier,
    /// Revisions from a sequence: taken when the change is made, committed in any order.
    RevisionFromSequence,
    /// The lease begins when the reply arrives.
    LeaseFromReply,
    /// A fill lands whatever was applied meanwhile.
    UncheckedFill,
    /// The row is registered with what the database has, not with what was loaded, and the lease begins with it.
    RegisteredWithoutDelta,
    /// The load is taken for the first renewal.
    ServeBeforeRenewal,
    /// Acknowledged, then evicted.
    AcknowledgeBeforeEviction,
    /// Evicted, then published: a fill lands in between.
    EvictBeforePublication,
    /// Something is awaited between publication and eviction, and fails; the next renewal begins at what was published.
    FailBetweenPublicationAndEviction,
    /// Deleting what is deleted returns at once.
    RetrySkipsBarrier,
    /// The writer waits for one lease by its own clock.
    NoMarginInBarrier,
    /// Rows are reaped after one lease by the reaper's clock.
    NoMarginInReaper,
    /// The reaper does not look whether the beat moved.
    ReapWhoeverIsOld,
    /// After a failover the writer returns early at once.
    FailoverUnfenced,
    /// A new primary is settled by who sees it first.
    SettledAtOnce,
    /// The reading succeeded; that the row was gone is not looked at.
    ExtendWithoutRow,
    /// A new process takes over the row of one that still runs.
    RowUsedAgain,
    /// The writer's wait begins before its COMMIT.
    WaitFromBeforeCommit,
    /// The row goes first, the lease later.
    StopRowFirst,
    /// The writer does not wait for its own row, nor apply the change itself.
    OwnRowUnapplied,
    /// A lease that is over still serves what is in memory.
    LeaseUnchecked,
    /// An acknowledgement between heartbeats extends the lease.
    LeaseByAcknowledgement,
}

impl Mutant {
    pub(super) const ALL: [Self; 22] = [
        Self::NoBarrier,
        Self::RevisionFromSequence,
        Self::LeaseFromReply,
        Self::UncheckedFill,
        Self::RegisteredWithoutDelta,
        Self::ServeBeforeRenewal,
        Self::AcknowledgeBeforeEviction,
        Self::EvictBeforePublication,
        Self::FailBetweenPublicationAndEviction,
        Self::RetrySkipsBarrier,
        Self::NoMarginInBarrier,
        Self::NoMarginInReaper,
        Self::ReapWhoeverIsOld,
        Self::FailoverUnfenced,
        Self::SettledAtOnce,
        Self::ExtendWithoutRow,
        Self::RowUsedAgain,
        Self::WaitFromBeforeCommit,
        Self::StopRowFirst,
        Self::OwnRowUnapplied,
        Self::LeaseUnchecked,
        Self::LeaseByAcknowledgement,
    ];

    /// The smallest world that shows it.
    pub(super) fn world(self) -> World {
        World {
            mutant: Some(self),
            alone: false,
            others: false,
            fills: matches!(self, Self::UncheckedFill | Self::EvictBeforePublication),
            failover: matches!(self, Self::FailoverUnfenced | Self::SettledAtOnce),
            crashes: self == Self::LeaseByAcknowledgement,
            at_home: self == Self::OwnRowUnapplied,
            stops: self == Self::StopRowFirst,
        }
    }
}
