//! Which operation a target is: a tree of segments, and every reading of it that a server could have.
use std::cmp::Ordering;

use super::{
    CatalogueError, Method, Operation, Segment,
    target::{Target, decoded},
};

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match<'c> {
    /// This operation, whoever reads it.
    Operation(&'c Operation),
    /// None in the catalogue.
    Unknown,
    /// Two servers could read different operations in it.
    Ambiguous,
}

/// The same, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Operation(usize),
    Unknown,
    Ambiguous,
}

/// All templates as one tree. The first node is the root.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Vec<Node>);

#[derive(Clone, Debug, Default)]
struct Node {
    /// By name in lower case, which no two of them share.
    fixed: Vec<Fixed>,
    parameter: Option<usize>,
    leaf: Option<Leaf>,
}

#[derive(Clone, Debug)]
struct Fixed {
    lower: Box<str>,
    name: Box<str>,
    node: usize,
}

#[derive(Clone, Debug)]
struct Leaf {
    trailing_slash: bool,
    operations: [Option<usize>; Method::ALL.len()],
}

impl Leaf {
    fn find(&self, method: Method) -> Option<usize> {
        self.operations.get(method as usize).copied().flatten()
    }

    /// The operation that answers, and whether it is defined for this very method.
    fn answer(&self, method: Method) -> Option<(usize, bool)> {
        let own = self.find(method).map(|index| (index, true));
        own.or_else(|| if method == Method::Head { self.find(Method::Get).map(|index| (index, false)) } else { None })
    }
}

impl Table {
    /// Puts every operation in its place.
    ///
    /// # Errors
    /// When two are the same request: same method and shape, or paths that differ only in the case of a fixed segment or in a
    /// slash at the end, which many servers take for the same.
    pub(super) fn prepare(operations: &[Operation]) -> Result<Self, CatalogueError> {
        let mut table = Self(vec![Node::default()]);
        for (index, operation) in operations.iter().enumerate() {
            table.place(index, operation, operations).map_err(|problem| CatalogueError::refused(operation.to_string(), problem))?;
        }
        Ok(table)
    }

    fn place(&mut self, index: usize, operation: &Operation, all: &[Operation]) -> Result<(), String> {
        let mut at = 0;
        for segment in operation.path.segments() {
            at = self.descend(at, segment)?;
        }
        let Some(node) = self.0.get_mut(at) else { return Ok(()) };
        let trailing_slash = operation.path.trailing_slash();
        let leaf = node.leaf.get_or_insert(Leaf { trailing_slash, operations: [None; Method::ALL.len()] });
        if leaf.trailing_slash != trailing_slash {
            return Err("there is the same path with and without a slash at its end; many servers take both for one".to_owned());
        }
        match leaf.operations.get_mut(operation.method as usize) {
            Some(Some(other)) => {
                let other = all.get(*other).map(Operation::to_string).unwrap_or_default();
                Err(format!("no request could tell it from {other}"))
            }
            Some(place) => {
                *place = Some(index);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The node under `at` for `segment`, made when there is none.
    fn descend(&mut self, at: usize, segment: &Segment) -> Result<usize, String> {
        let next = self.0.len();
        let Some(node) = self.0.get_mut(at) else { return Ok(at) };
        let found = match segment {
            Segment::Parameter(_) => *node.parameter.get_or_insert(next),
            Segment::Fixed(name) => {
                let lower = name.to_ascii_lowercase();
                match node.fixed.binary_search_by(|fixed| (*fixed.lower).cmp(&lower)) {
                    Ok(known) => match node.fixed.get(known) {
                        Some(fixed) if *fixed.name == **name => fixed.node,
                        _ => return Err(format!("another path differs from it only in the case of {name:?}; many servers take both for one")),
                    },
                    Err(place) => {
                        node.fixed.insert(place, Fixed { lower: lower.into(), name: name.as_str().into(), node: next });
                        next
                    }
                }
            }
        };
        if found == next {
            self.0.push(Node::default());
        }
        Ok(found)
    }

    pub(super) fn find(&self, method: &str, target: &[u8]) -> Found {
        let Some(target) = Target::read(target) else { return Found::Ambiguous };
        match Method::find(method) {
            Some(method) if !target.too_deep => {
                let mut walk = Walk { table: self, target: &target, method, best: None, rival: false, other: None };
                walk.step(0, Reading { depth: 0, fixed: 0, loose: false });
                walk.conclude()
            }
            _ => Found::Unknown,
        }
    }
}

/// One way to read the target so far.
#[derive(Clone, Copy)]
struct Reading {
    depth: usize,
    /// A bit for each segment read as a fixed one.
    fixed: u64,
    /// Whether only a lenient server reads it so: another case, an encoding undone, an extension cut off, a slash more or less.
    loose: bool,
}

/// All readings of one target. The first to arrive has its fixed segments furthest in front, so if any reading beats all
/// others in every segment, it is the first.
struct Walk<'w> {
    table: &'w Table,
    target: &'w Target<'w>,
    method: Method,
    best: Option<(&'w Leaf, Reading)>,
    /// A reading the best one does not beat.
    rival: bool,
    /// What a beaten reading would answer, and whether it is defined for this very method.
    other: Option<bool>,
}

impl<'w> Walk<'w> {
    fn step(&mut self, at: usize, reading: Reading) {
        let table = self.table;
        let Some(node) = table.0.get(at) else { return };
        let target = self.target;
        let segments = target.segments();
        let Some(segment) = segments.get(reading.depth) else {
            if let Some(leaf) = &node.leaf {
                self.arrive(leaf, reading);
            }
            return;
        };
        let deeper = Reading { depth: reading.depth + 1, ..reading };
        let as_fixed = Reading { fixed: reading.fixed | 1 << reading.depth, ..deeper };
        // nearly every segment is plain, and then there is nothing to decode
        let like = if segment.contains(&b'%') { node.find(decoded(segment)) } else { node.find(segment.iter().copied()) };
        if let Some(fixed) = like {
            self.step(fixed.node, Reading { loose: reading.loose || fixed.name.as_bytes() != *segment, ..as_fixed });
        }
        let exact = like.is_some_and(|fixed| fixed.name.as_bytes() == *segment);
        if !exact && deeper.depth == segments.len() {
            // `/users/export.json` is `/users/export` to servers that cut a format off, `export.` and `export ` to others
            for (length, _) in decoded(segment).enumerate().filter(|(_, byte)| matches!(byte, b'.' | b' ')) {
                if let Some(fixed) = node.find(decoded(segment).take(length)) {
                    self.step(fixed.node, Reading { loose: true, ..as_fixed });
                }
            }
        }
        if let Some(parameter) = node.parameter {
            self.step(parameter, deeper);
        }
    }

    fn arrive(&mut self, leaf: &'w Leaf, reading: Reading) {
        let reading = Reading { loose: reading.loose || leaf.trailing_slash != self.target.trailing_slash, ..reading };
        let Some((_, best)) = self.best else {
            self.best = Some((leaf, reading));
            return;
        };
        let beaten = reading.fixed & !best.fixed == 0 && reading.fixed != best.fixed;
        match leaf.answer(self.method) {
            _ if reading.loose => self.rival |= !beaten,
            Some(_) if !beaten => self.rival = true,
            Some((_, own)) => self.other = Some(own || self.other == Some(true)),
            None => {}
        }
    }

    fn conclude(self) -> Found {
        let Some((leaf, reading)) = self.best else { return Found::Unknown };
        if reading.loose || self.rival {
            return Found::Ambiguous;
        }
        match (leaf.answer(self.method), self.other) {
            // the fixed path does not know the method, or only by way of GET, and a parameter's does: routers differ on who answers
            (None, Some(_)) | (Some((_, false)), Some(true)) => Found::Ambiguous,
            (None, None) => Found::Unknown,
            (Some((index, _)), _) => Found::Operation(index),
        }
    }
}

impl Node {
    /// The fixed segment that a server indifferent to case reads in `name`.
    fn find(&self, name: impl Iterator<Item = u8> + Clone) -> Option<&Fixed> {
        let compare = |fixed: &Fixed| -> Ordering { fixed.lower.bytes().cmp(name.clone().map(|byte| byte.to_ascii_lowercase())) };
        self.fixed.binary_search_by(compare).ok().and_then(|place| self.fixed.get(place))
    }
}
