//! What was asked and answered, on one clock, and whether the promise was kept: no verification that was sent after a deletion's reply had
//! been received is accepted.
use std::{
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

/// A credential of the experiment.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) account: String,
    pub(crate) id: String,
    pub(crate) token: String,
    /// When the reply to its deletion had been received.
    pub(crate) deleted: OnceLock<Instant>,
    /// What the first deletion that returned said of itself.
    pub(crate) settled: OnceLock<Settled>,
}

/// How a deletion became true everywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    /// How many nodes confirmed it.
    pub(crate) nodes: usize,
    /// How long it waited after it was committed.
    pub(crate) after: Duration,
}

/// A verification.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) key: usize,
    pub(crate) node: usize,
    pub(crate) sent: Instant,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Refused,
    CannotSay,
}

#[derive(Default)]
pub(crate) struct History {
    asked: Mutex<Vec<Asked>>,
}

/// What a history shows.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) deleted: usize,
    pub(crate) allowed: usize,
    pub(crate) refused: usize,
    pub(crate) cannot_say: usize,
    /// Accepted, though sent after the deletion had returned: the node and by how much.
    pub(crate) violations: Vec<String>,
}

impl History {
    pub(crate) fn note(&self, asked: Vec<Asked>) {
        self.asked.lock().expect("no panic").extend(asked);
    }

    pub(crate) fn check(&self, keys: &[Key]) -> Findings {
        let mut findings = Findings { deleted: keys.iter().filter(|key| key.deleted.get().is_some()).count(), ..Findings::default() };
        for asked in self.asked.lock().expect("no panic").iter() {
            match asked.verdict {
                Verdict::Refused => findings.refused += 1,
                Verdict::CannotSay => findings.cannot_say += 1,
                Verdict::Allowed => {
                    findings.allowed += 1;
                    if let Some(deleted) = keys[asked.key].deleted.get().filter(|deleted| **deleted < asked.sent) {
                        let late = asked.sent.duration_since(*deleted);
                        findings.violations.push(format!("node {} accepted key {} {late:?} after its deletion had returned", asked.node, asked.key));
                    }
                }
            }
        }
        findings
    }
}
