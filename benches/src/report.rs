//! The numbers, for people on standard output and for programs in a file.
use std::{fs, io::Write, path::Path};

use serde::Serialize;

use crate::numbers::Pairs;

/// What was measured, beside its reference. `goal` is about `ratio`, where it does not name a unit; without one, `ok` says nothing.
#[derive(Clone, Serialize)]
pub(crate) struct Number {
    name: &'static str,
    value: f64,
    unit: &'static str,
    reference: f64,
    ratio: f64,
    goal: Option<String>,
    ok: Option<bool>,
    #[serde(skip)]
    spread: (f64, f64),
    #[serde(skip)]
    beside: &'static str,
}

/// What a ratio is to be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Not the ratio but the value itself, in its unit.
    Under(f64),
    /// None: the number is there to be known.
    Nothing,
}

impl Number {
    pub(crate) fn new(name: &'static str, unit: &'static str, beside: &'static str, pairs: &Pairs, goal: Goal) -> Self {
        let ratio = pairs.ratio();
        let (text, ok) = match goal {
            Goal::AtLeast(least) => (Some(format!("ratio >= {least:.2}")), Some(ratio >= least)),
            Goal::AtMost(most) => (Some(format!("ratio <= {most:.2}")), Some(ratio <= most)),
            Goal::Nothing => (None, None),
            Goal::Under(most) => (Some(format!("under {most:.0} {unit}")), Some(pairs.value() < most)),
        };
        Self { name, value: pairs.value(), unit, reference: pairs.reference(), ratio, goal: text, ok, spread: pairs.spread(), beside }
    }
}

/// Prints the table and writes the file.
pub(crate) fn write(to: &Path, numbers: &[Number]) -> anyhow::Result<()> {
    say(&format!("{:<34} {:>12} {:>12}  {:<12} {:>6}  {:<14} goal", "", "measured", "reference", "unit", "ratio", "quartiles"));
    for number in numbers {
        let spread = format!("{:.2} to {:.2}", number.spread.0, number.spread.1);
        let goal = match (&number.goal, number.ok) {
            (Some(goal), Some(true)) => format!("{goal}: reached"),
            (Some(goal), _) => format!("{goal}: NOT reached"),
            (None, _) => "-".to_owned(),
        };
        let (value, reference) = (number.value, number.reference);
        say(&format!(
            "{:<34} {value:>12.2} {reference:>12.2}  {:<12} {:>6.2}  {spread:<14} {goal}; beside {}",
            number.name, number.unit, number.ratio, number.beside
        ));
    }
    fs::write(to, serde_json::to_string_pretty(numbers)? + "\n")?;
    say(&format!("written to {}", to.display()));
    Ok(())
}

pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
