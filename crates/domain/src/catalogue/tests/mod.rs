//! The catalogue's tests, by question.
use super::*;

mod changes;
mod documents;
mod judging;
mod wire;

pub(super) const YAML: &str = include_str!("../samples/shop.yaml");
pub(super) const JSON: &str = include_str!("../samples/shop.json");

/// A catalogue from lines such as `GET /orders/{id} orders:read users`; the last word marks user information.
pub(super) fn catalogue(lines: &str) -> Catalogue {
    try_catalogue(lines).expect("a sound catalogue")
}

pub(super) fn try_catalogue(lines: &str) -> Result<Catalogue, CatalogueError> {
    let mut operations = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.split(' ').collect();
        let method = Method::find(words[0]).expect("a method");
        let path = Template::parse(words[1]).expect("a template");
        let requirement = match words.get(2) {
            Some(text) if text.contains(':') => {
                let sets = text.split('|').map(|set| scopes(&set.replace('+', " "))).collect();
                Requirement::any_of_these(sets).expect("scopes")
            }
            _ => Requirement::derived(method, &path).expect("a scope"),
        };
        operations.push(Operation { method, path, requirement, user_information: line.ends_with(" users"), summary: String::new() });
    }
    Catalogue::build(operations, &BTreeMap::new())
}

pub(super) fn scopes(text: &str) -> BTreeSet<Scope> {
    text.split(' ').map(|scope| scope.parse().expect("a scope")).collect()
}

/// The operation a request is, as text, or which of the other two it is.
pub(super) fn found(catalogue: &Catalogue, method: &str, target: impl AsRef<[u8]>) -> String {
    match catalogue.find(method, target) {
        Match::Operation(operation) => operation.to_string(),
        Match::Unknown => "unknown".to_owned(),
        Match::Ambiguous => "ambiguous".to_owned(),
    }
}
