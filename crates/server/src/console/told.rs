//! What a notice says of the nodes: on how many a change is true, and after how long; or for how long it may not be. It goes from the form's
//! answer to the next page in the word that chooses the notice: `deleted~3~7`, three nodes, seven milliseconds.
use std::time::Duration;

use axum::{
    http::{HeaderValue, header},
    response::Response,
};

use crate::cluster::{self, Settled};

/// The notices of what takes something away: of these it matters since when they are true.
const NARROWING: [&str; 11] = [
    "revoked",
    "deleted",
    "saved",
    "password-changed",
    "paused",
    "settled",
    "member-removed",
    "withdrawn",
    "suspended",
    "regenerated",
    "created-before",
];

/// What was said of the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nodes {
    /// How many confirmed it, after how long.
    Confirmed(u32, Duration),
    /// Not all confirmed it, or nobody could say that they were all: it had to be waited out.
    Outlasted(Duration),
    /// Some may not know of it, for so long at most.
    Later(Duration),
}

/// The word for a notice of what this very request changed.
pub(super) fn word(word: &str) -> String {
    cluster::told().map_or_else(|| word.to_owned(), |settled| write(word, &settled))
}

/// Adds it to where a form's answer leads, when that has a word.
pub(super) fn pass_on(mut response: Response) -> Response {
    let Some(settled) = response.extensions().get::<Settled>().copied() else { return response };
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    if let Some((before, said)) = location.and_then(|location| location.rsplit_once("?done="))
        && !said.contains(['&', '#', '~'])
        && let Ok(value) = HeaderValue::from_str(&format!("{before}?done={}", write(said, &settled)))
    {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// On one node there is nothing to tell, unless something is waited for.
fn write(word: &str, settled: &Settled) -> String {
    let took = settled.took.as_millis();
    match settled {
        Settled { complete: false, .. } => format!("{word}~later~{}", settled.rest.as_millis()),
        Settled { outlasted: true, .. } => format!("{word}~outlasted~{took}"),
        Settled { nodes: 0..=1, .. } => word.to_owned(),
        Settled { nodes, .. } => format!("{word}~{nodes}~{took}"),
    }
}

/// A word as it stands in an address, and what it says of the nodes.
pub(super) fn read(written: &str) -> (&str, Option<Nodes>) {
    let mut parts = written.split('~');
    let word = parts.next().unwrap_or_default();
    let (Some(what), Some(Ok(millis)), None) = (parts.next(), parts.next().map(str::parse::<u32>), parts.next()) else { return (word, None) };
    let time = Duration::from_millis(millis.into());
    let nodes = match what {
        "later" => Some(Nodes::Later(time)),
        "outlasted" => Some(Nodes::Outlasted(time)),
        count => count.parse().ok().map(|count| Nodes::Confirmed(count, time)),
    };
    (word, nodes)
}

/// The notice's text with what is to be said of the nodes.
pub(super) fn sentence(word: &str, text: &str, nodes: Option<Nodes>) -> String {
    match nodes.filter(|_| NARROWING.contains(&word)) {
        None => text.to_owned(),
        Some(Nodes::Confirmed(2, took)) => format!("{text} True on both nodes after {}.", seconds(took)),
        Some(Nodes::Confirmed(count, took)) => format!("{text} True on all {count} nodes after {}.", seconds(took)),
        Some(Nodes::Outlasted(took)) => format!("{text} True on every node after {}: it had to be waited out.", seconds(took)),
        // the rest of the sentence says "from now on", which is not so yet
        Some(Nodes::Later(rest)) => {
            let done = text.split_inclusive(". ").next().unwrap_or(text).trim_end();
            format!("{done} Some node may not know of it yet, for {} at most.", at_most(rest))
        }
    }
}

/// As [`seconds`], for what is a bound: in whole seconds, and never less than it is.
pub(super) fn at_most(time: Duration) -> String {
    seconds(Duration::from_secs(time.as_secs() + 1))
}

/// "7 ms", "0.4 s", "72 s", "12 min".
pub(super) fn seconds(time: Duration) -> String {
    match time.as_millis() {
        0 => "less than 1 ms".to_owned(),
        millis @ 1..=99 => format!("{millis} ms"),
        // the longest wait for the longest lease is 72 s, and is told as that
        100..=599_999 => {
            let text = format!("{:.1}", time.as_secs_f64());
            format!("{} s", text.strip_suffix(".0").unwrap_or(&text))
        }
        millis => format!("{} min", millis / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_says_on_how_many_nodes_it_is_true_and_on_one_nothing_of_nodes() {
        let text = "Deleted. Integrations that used it are refused from now on.";
        for (written, said) in [
            ("deleted", text.to_owned()),
            ("deleted~3~7", format!("{text} True on all 3 nodes after 7 ms.")),
            ("deleted~2~1250", format!("{text} True on both nodes after 1.2 s.")),
            ("deleted~outlasted~12250", format!("{text} True on every node after 12.2 s: it had to be waited out.")),
            ("deleted~later~11000", "Deleted. Some node may not know of it yet, for 12 s at most.".to_owned()),
            ("deleted~later~72250", "Deleted. Some node may not know of it yet, for 73 s at most.".to_owned()),
            ("deleted~3~seven", text.to_owned()),
            ("deleted~3~7~9", text.to_owned()),
        ] {
            let (word, nodes) = read(written);
            assert_eq!(sentence(word, text, nodes), said, "{written}");
        }
        assert_eq!(sentence("asked", "Asked.", read("asked~3~7").1), "Asked.", "it takes nothing away");
    }
}
