//! What the experiment saw, and what that shows and does not show.
use std::time::Duration;

use claviger_server::app::cluster::percentiles;

use super::place::{Place, Said};
use crate::print;

pub(super) struct Report {
    places: Vec<Seen>,
    took: Vec<Duration>,
    /// Why it ended before its time.
    broke_off: Option<String>,
}

/// What was seen at a place.
#[derive(Default)]
struct Seen {
    name: String,
    is_gateway: bool,
    /// Whether it ever accepted a living credential.
    accepted_before: bool,
    /// Whether it refused a deleted one that it had accepted.
    shown: bool,
    /// To what was sent after the deletion had returned: by then all should be refusals.
    refused: u64,
    cannot_say: u64,
    no_answer: u64,
    accepted_late: u64,
}

impl Seen {
    fn asked(&self) -> u64 {
        self.refused + self.cannot_say + self.no_answer + self.accepted_late
    }
}

impl Report {
    pub(super) fn of(places: &[Place]) -> Self {
        let seen = |place: &Place| Seen { name: place.name.clone(), is_gateway: place.is_gateway(), ..Seen::default() };
        Self { places: places.iter().map(seen).collect(), took: Vec::new(), broke_off: None }
    }

    /// One credential: who accepted it while it was alive, and what was said of it once its deletion had returned.
    pub(super) fn round(&mut self, accepting: &[bool], said: &[(usize, Said)]) {
        for (seen, accepts) in self.places.iter_mut().zip(accepting) {
            seen.accepted_before |= accepts;
        }
        for (place, said) in said {
            self.places[*place].shown |= accepting[*place] && *said == Said::Refused;
            self.afterwards(*place, *said);
        }
    }

    /// What was said of a deleted credential.
    pub(super) fn afterwards(&mut self, place: usize, said: Said) {
        let seen = &mut self.places[place];
        *match said {
            Said::Accepted => &mut seen.accepted_late,
            Said::Refused => &mut seen.refused,
            Said::CannotSay => &mut seen.cannot_say,
            Said::NoAnswer => &mut seen.no_answer,
        } += 1;
    }

    pub(super) fn deleted(&mut self, took: Duration) {
        self.took.push(took);
    }

    pub(super) fn broke_off(&mut self, error: &anyhow::Error) {
        self.broke_off = Some(format!("{error:#}"));
    }

    pub(super) fn is_broken(&self) -> bool {
        self.places.iter().any(|seen| seen.accepted_late > 0)
    }

    pub(super) fn shows_something(&self) -> bool {
        self.places.iter().any(|seen| seen.shown && !seen.is_gateway)
    }

    /// Whether it went through to the end, and every place refused what it had accepted.
    pub(super) fn shows_all(&self) -> bool {
        self.broke_off.is_none() && self.shows_something() && self.places.iter().all(|seen| seen.shown)
    }

    pub(super) fn print(&self) {
        for seen in &self.places {
            print::line(&format!(
                "{}: asked {} times after a deletion had returned: refused {}, could not say {}, no answer {}, ACCEPTED {}",
                seen.name,
                seen.asked(),
                seen.refused,
                seen.cannot_say,
                seen.no_answer,
                seen.accepted_late
            ));
        }
        let (half, most) = percentiles(self.took.iter().copied()).unwrap_or_default();
        let [half, most] = [half, most].map(|took| took.as_secs_f64() * 1000.0);
        print::line(&format!("deletions: {} returned, half of them within {half:.1} ms, 99 in 100 within {most:.1} ms", self.took.len()));
        for line in self.verdict() {
            print::line(&line);
        }
    }

    fn verdict(&self) -> Vec<String> {
        let nodes = || self.places.iter().filter(|seen| !seen.is_gateway);
        let gateways = || self.places.iter().filter(|seen| seen.is_gateway);
        let mut said: Vec<String> = self.broke_off.iter().map(|why| format!("It broke off: {why}")).collect();
        let late = |seen: &&Seen| seen.accepted_late > 0;
        if nodes().any(|seen| late(&seen)) {
            said.push("BROKEN. A node accepted a credential in a request that was sent after its deletion had returned.".to_owned());
            said.push("That must never be. See docs/revocation.md for what the promise rests on, and `claviger doctor`.".to_owned());
        } else if self.shows_something() {
            let shown = nodes().filter(|seen| seen.shown).count();
            let answered: u64 = nodes().map(|seen| seen.refused + seen.cannot_say).sum();
            said.push(format!(
                "HELD. None of {answered} answers to requests sent after a deletion had returned was an acceptance, on {shown} of {} nodes.",
                nodes().count()
            ));
        } else {
            said.push("NOTHING WAS SHOWN. No node both accepted a credential before its deletion and refused it afterwards.".to_owned());
        }
        for seen in self.places.iter().filter(|seen| !seen.shown && seen.accepted_late == 0) {
            let why =
                if seen.accepted_before { "it never refused a credential that it had accepted" } else { "it never accepted a living credential" };
            said.push(format!("NOT SHOWN: {}: {why}.", seen.name));
        }
        if gateways().any(|seen| late(&seen)) {
            said.push("BROKEN BY A GATEWAY that remembers answers: it let through what every node refuses. Switch its cache off.".to_owned());
        } else if gateways().next().is_none() {
            said.push("Not shown: that your gateway does not remember answers; --through asks it.".to_owned());
        }
        said.push("Not shown: what happens while a node is cut off or stopped, or the database fails over; nothing was disturbed here.".to_owned());
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each place whether it accepted the living credential, how often it refused the deleted one, and how often it accepted that.
    fn report(seen: &[(bool, usize, usize)]) -> Report {
        let place = |_: &_| Seen { name: "node x".to_owned(), ..Seen::default() };
        let mut report = Report { places: seen.iter().map(place).collect(), took: vec![Duration::from_millis(4)], broke_off: None };
        let accepting: Vec<bool> = seen.iter().map(|(accepts, ..)| *accepts).collect();
        let said = seen.iter().enumerate().flat_map(|(at, (_, refused, late))| {
            std::iter::repeat_n((at, Said::Refused), *refused).chain(std::iter::repeat_n((at, Said::Accepted), *late))
        });
        report.round(&accepting, &said.collect::<Vec<_>>());
        report
    }

    #[test]
    fn a_refusal_shows_something_only_of_what_was_accepted_before_and_one_late_acceptance_breaks_it_all() {
        for (seen, broken, shows_all, word) in [
            (&[(true, 5, 0), (true, 5, 0)][..], false, true, "HELD. None of 10 answers"),
            (&[(true, 5, 0), (false, 5, 0)], false, false, "on 1 of 2 nodes"),
            (&[(true, 5, 0), (true, 0, 0)], false, false, "NOT SHOWN: node x: it never refused"),
            (&[(false, 5, 0)], false, false, "NOTHING WAS SHOWN"),
            (&[(true, 0, 0)], false, false, "NOTHING WAS SHOWN"),
            (&[], false, false, "NOTHING WAS SHOWN"),
            (&[(true, 500, 1)], true, true, "BROKEN."),
            (&[(false, 0, 1)], true, false, "BROKEN."),
        ] {
            let report = report(seen);
            let said = report.verdict().join("\n");
            assert!((report.is_broken(), report.shows_all()) == (broken, shows_all) && said.contains(word), "{seen:?}: {said}");
        }
    }

    #[test]
    fn what_broke_off_does_not_show_all_that_was_asked_for_and_silence_is_no_answer() {
        let mut report = report(&[(true, 5, 0)]);
        report.afterwards(0, Said::NoAnswer);
        assert!(report.shows_all() && report.verdict().join("\n").contains("None of 5 answers"), "{:?}", report.verdict());
        report.broke_off(&anyhow::anyhow!("the node went away"));
        assert!(!report.is_broken() && report.shows_something() && !report.shows_all());
    }

    #[test]
    fn a_gateway_that_lets_through_late_is_told_apart_from_a_node() {
        let mut report = report(&[(true, 5, 0), (true, 0, 3)]);
        report.places[1].is_gateway = true;
        let said = report.verdict().join("\n");
        assert!(report.is_broken() && said.contains("HELD.") && said.contains("BROKEN BY A GATEWAY"), "{said}");
    }
}
