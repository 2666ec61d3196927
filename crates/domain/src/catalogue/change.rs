//! What a new catalogue changes, and for whom: decided over requests, not over lines of the document.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Catalogue, Match, Method, Operation, Requirement, RoleRules, Segment, Template, judging::may};
use crate::access::{Access, Level, Scope};

/// The most kinds of path that are compared. Beyond it we cannot say, and count as widening.
const MOST_SHAPES: usize = 100_000;
/// The most of one list that is printed.
const SHOWN: usize = 20;

/// What changes, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Operations that were not there.
    pub added: Vec<Operation>,
    /// Operations that are no longer there.
    pub removed: Vec<Operation>,
    /// Operations that demand something else.
    pub changed: Vec<Changed>,
    /// For whom: those with the same access stand together.
    pub affected: Vec<Affected>,
    /// Whether there were too many paths that overlap to compare them all.
    pub incomplete: bool,
}

/// An operation that demands something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// It, such as `GET /v1/orders/{id}`.
    pub operation: String,
    /// What it demanded.
    pub before: Terms,
    /// What it will demand.
    pub after: Terms,
}

/// What an operation demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Its scopes.
    pub requirement: Requirement,
    /// Whether it touches user information.
    pub user_information: bool,
}

/// Credentials with the same access, which gain or lose the same requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// Their names, as given.
    pub holders: Vec<String>,
    /// Their level of access.
    pub level: Level,
    /// What they could not call and now can, such as `GET /v1/users/export`.
    pub may_now: Vec<String>,
    /// What they could call and now cannot.
    pub may_no_longer: Vec<String>,
}

impl Catalogue {
    /// What changes when `new` takes the place of `old`, and for which of `holders`: credentials by name, with their access and the
    /// role rules of their account's kind.
    ///
    /// Requests are compared, not operations: where `/users/export` leaves the document, those who may call `/users/{id}` gain
    /// `/users/export`. Every template of either document is tried, and every path that several of them share.
    pub fn compare<'h, N: Into<String>>(old: &Self, new: &Self, holders: impl IntoIterator<Item = (N, &'h Access, &'h RoleRules)>) -> Changes {
        let (shapes, incomplete) = shapes(old, new);
        let mut changes = Changes { incomplete, ..listed(old, new) };
        let probes = probes(old, new, &shapes);
        // many credentials have the same access: each is judged once
        let mut groups: BTreeMap<Key<'h>, Affected> = BTreeMap::new();
        for (name, access, rules) in holders {
            let group = groups.entry(Key::of(access, rules)).or_insert_with(|| affected(access, rules, &probes));
            if !group.may_now.is_empty() || !group.may_no_longer.is_empty() {
                group.holders.push(name.into());
            }
        }
        changes.affected = groups.into_values().filter(|group| !group.holders.is_empty()).collect();
        changes
    }
}

/// What decides what a credential may do.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'h> {
    Full,
    FineGrained(&'h BTreeSet<Scope>),
    Roles(&'h BTreeSet<String>, &'h RoleRules),
}

impl<'h> Key<'h> {
    const fn of(access: &'h Access, rules: &'h RoleRules) -> Self {
        match access {
            Access::Full => Self::Full,
            Access::FineGrained(scopes) => Self::FineGrained(scopes),
            Access::Roles(roles) => Self::Roles(roles, rules),
        }
    }
}

fn affected(access: &Access, rules: &RoleRules, probes: &[Probe<'_>]) -> Affected {
    let mut affected = Affected { holders: Vec::new(), level: access.level(), may_now: Vec::new(), may_no_longer: Vec::new() };
    for probe in probes {
        match (may(access, rules, &probe.before), may(access, rules, &probe.after)) {
            (false, true) => affected.may_now.push(probe.name.clone()),
            (true, false) => affected.may_no_longer.push(probe.name.clone()),
            _ => {}
        }
    }
    affected
}

impl Changes {
    /// Whether nothing changes, for nobody.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty() && self.affected.is_empty() && !self.incomplete
    }

    /// Whether a fine-grained credential could call what it could not before: such access never grows by itself.
    #[must_use]
    pub fn widens_fine_grained(&self) -> bool {
        self.incomplete || self.affected.iter().any(|group| group.level == Level::FineGrained && !group.may_now.is_empty())
    }

    /// What changes for the credential called `name`.
    pub fn of(&self, name: &str) -> impl Iterator<Item = &Affected> {
        self.affected.iter().filter(move |group| group.holders.iter().any(|holder| holder == name))
    }
}

/// Added, removed and changed operations. Parameters' names do not count: no request shows them.
fn listed(old: &Catalogue, new: &Catalogue) -> Changes {
    fn key(operation: &Operation) -> (Vec<Option<&str>>, bool, Method) {
        let shape = Shape::of(&operation.path);
        (shape.segments, shape.trailing_slash, operation.method)
    }
    let terms = |operation: &Operation| Terms { requirement: operation.requirement.clone(), user_information: operation.user_information };
    let mut before: BTreeMap<_, _> = old.operations().iter().map(|operation| (key(operation), operation)).collect();
    let mut changes = Changes::default();
    for operation in new.operations() {
        match before.remove(&key(operation)) {
            None => changes.added.push(operation.clone()),
            Some(known) if terms(known) != terms(operation) => {
                changes.changed.push(Changed { operation: operation.to_string(), before: terms(known), after: terms(operation) });
            }
            Some(_) => {}
        }
    }
    changes.removed = before.into_values().cloned().collect();
    changes
}

/// A set of paths: fixed segments, and `None` for any other text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape<'c> {
    segments: Vec<Option<&'c str>>,
    trailing_slash: bool,
}

impl<'c> Shape<'c> {
    fn of(template: &'c Template) -> Self {
        let fixed = |segment: &'c Segment| match segment {
            Segment::Fixed(text) => Some(text.as_str()),
            Segment::Parameter(_) => None,
        };
        Self { segments: template.segments().iter().map(fixed).collect(), trailing_slash: template.trailing_slash() }
    }

    /// The paths that are of both shapes, with the slash at the end of this one.
    fn meet(&self, other: &Self) -> Option<Self> {
        let both = |pair: (&Option<&'c str>, &Option<&'c str>)| match pair {
            (Some(a), Some(b)) if a != b => None,
            (a, b) => Some(a.or(*b)),
        };
        let segments = self.segments.iter().zip(&other.segments).map(both).collect::<Option<Vec<_>>>()?;
        Some(Self { segments, trailing_slash: self.trailing_slash })
    }

    /// A path of this shape, and of no other that does not contain it: `other` is the text of every parameter.
    fn path(&self, other: &str) -> String {
        let segments: String = self.segments.iter().map(|segment| format!("/{}", segment.unwrap_or(other))).collect();
        format!("{segments}{}", if self.trailing_slash { "/" } else { "" })
    }
}

/// The shapes of all templates and of whatever several share, and whether there were too many to go on.
fn shapes<'c>(old: &'c Catalogue, new: &'c Catalogue) -> (BTreeSet<Shape<'c>>, bool) {
    let templates: BTreeSet<_> = old.operations().iter().chain(new.operations()).map(|operation| Shape::of(&operation.path)).collect();
    let mut by_length: BTreeMap<usize, Vec<&Shape<'c>>> = BTreeMap::new();
    for shape in &templates {
        by_length.entry(shape.segments.len()).or_default().push(shape);
    }
    let mut all = templates.clone();
    let mut fresh: Vec<_> = templates.iter().cloned().collect();
    while let Some(shape) = fresh.pop() {
        for template in by_length.get(&shape.segments.len()).into_iter().flatten() {
            for meet in [shape.meet(template), template.meet(&shape)].into_iter().flatten() {
                if all.len() >= MOST_SHAPES {
                    return (all, true);
                }
                if !all.contains(&meet) {
                    all.insert(meet.clone());
                    fresh.push(meet);
                }
            }
        }
    }
    (all, false)
}

/// One request before and after.
struct Probe<'c> {
    name: String,
    before: Match<'c>,
    after: Match<'c>,
}

/// A request for every shape and method, where its terms are not the same before and after.
fn probes<'c>(old: &'c Catalogue, new: &'c Catalogue, shapes: &BTreeSet<Shape<'_>>) -> Vec<Probe<'c>> {
    let fixed: BTreeSet<String> = shapes.iter().flat_map(|shape| &shape.segments).flatten().map(|text| text.to_ascii_lowercase()).collect();
    let other = (0..=fixed.len()).map(|n| format!("any{n}")).find(|text| !fixed.contains(text)).unwrap_or_default();
    let methods: BTreeSet<Method> = old.operations().iter().chain(new.operations()).map(|operation| operation.method).collect();
    let mut probes = Vec::new();
    for shape in shapes {
        let path = shape.path(&other);
        for method in &methods {
            let (before, after) = (old.find(method.as_str(), &path), new.find(method.as_str(), &path));
            if !same_terms(&before, &after) {
                let name = match (&before, &after) {
                    (Match::Operation(operation), _) | (_, Match::Operation(operation)) if Shape::of(&operation.path) == *shape => {
                        operation.to_string()
                    }
                    _ => format!("{method} {}", shape.path("{…}")),
                };
                probes.push(Probe { name, before, after });
            }
        }
    }
    probes
}

fn same_terms(before: &Match<'_>, after: &Match<'_>) -> bool {
    match (before, after) {
        (Match::Operation(a), Match::Operation(b)) => {
            a.requirement.any_of() == b.requirement.any_of() && a.user_information == b.user_information && a.reads() == b.reads()
        }
        (Match::Operation(_), _) | (_, Match::Operation(_)) => false,
        _ => true,
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.requirement, if self.user_information { ", user information" } else { "" })
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("Nothing changes.\n");
        }
        writeln!(f, "Operations: {} added, {} removed, {} changed.", self.added.len(), self.removed.len(), self.changed.len())?;
        let line = |sign: char, operation: &Operation| {
            let mark = if operation.user_information { ", user information" } else { "" };
            format!("{sign} {operation}  {}{mark}", operation.requirement)
        };
        list(f, "  ", self.added.iter().map(|operation| line('+', operation)))?;
        list(f, "  ", self.removed.iter().map(|operation| line('-', operation)))?;
        list(f, "  ", self.changed.iter().map(|change| format!("~ {}  {} -> {}", change.operation, change.before, change.after)))?;
        if self.affected.is_empty() {
            writeln!(f, "No credential is affected.")?;
        }
        for group in &self.affected {
            let level = match group.level {
                Level::Full => "full access",
                Level::FineGrained => "fine-grained",
                Level::Roles => "roles",
            };
            let rest = group.holders.len().saturating_sub(SHOWN);
            let names = group.holders.iter().take(SHOWN).map(|name| super::operation::one_line(name)).collect::<Vec<_>>().join(", ");
            let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
            writeln!(f, "{names}{more} ({level}):")?;
            list(f, "  may now call ", group.may_now.iter())?;
            list(f, "  may no longer call ", group.may_no_longer.iter())?;
        }
        if self.incomplete {
            writeln!(f, "Too many paths overlap to compare them all: this may widen more than is listed.")?;
        }
        Ok(())
    }
}

fn list(f: &mut fmt::Formatter<'_>, before: &str, lines: impl ExactSizeIterator<Item: fmt::Display>) -> fmt::Result {
    let rest = lines.len().saturating_sub(SHOWN);
    for line in lines.take(SHOWN) {
        writeln!(f, "{before}{line}")?;
    }
    if rest > 0 { writeln!(f, "{before}{rest} more") } else { Ok(()) }
}
