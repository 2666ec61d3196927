//! What an OpenAPI document means as a catalogue. Where the specification leaves a choice, the one that allows less is taken.
use std::collections::{BTreeMap, BTreeSet};

use super::{
    CatalogueError, Method, Operation, Requirement, Template,
    document::{self, Document, Names, PathItem, Server, Spec},
    operation::{one_line, scope},
};
use crate::access::Scope;

type Security = Vec<Names<Vec<String>>>;

/// What was read.
pub(super) struct Read {
    pub(super) operations: Vec<Operation>,
    /// What the document itself says about its scopes.
    pub(super) sentences: BTreeMap<Scope, String>,
}

pub(super) fn read(text: &str) -> Result<Read, CatalogueError> {
    let document = document::parse(text)?;
    let reader = Reader { scoped_schemes_only: is_3_0(&document)?, document: &document };
    let mut operations = Vec::new();
    for (path, item) in document.paths.iter().flat_map(|paths| &paths.0) {
        let item = reader.resolve(path, item)?;
        for (method, spec) in operations_of(item) {
            operations.push(reader.operation(path, item, method, spec)?);
        }
    }
    Ok(Read { operations, sentences: reader.sentences() })
}

struct Reader<'d> {
    document: &'d Document,
    /// Whether only OAuth 2 and OpenID Connect have scopes (3.0); in 3.1 every scheme does.
    scoped_schemes_only: bool,
}

impl<'d> Reader<'d> {
    /// The path item itself, or the one of this document it refers to.
    fn resolve(&self, path: &str, item: &'d PathItem) -> Result<&'d PathItem, CatalogueError> {
        let Some(reference) = &item.reference else { return Ok(item) };
        if operations_of(item).next().is_some() || item.mark.is_some() || item.servers.is_some() {
            return Err(CatalogueError::refused(path, "it has a $ref and something beside it; which counts, OpenAPI does not say"));
        }
        let name = reference.strip_prefix("#/components/pathItems/").map(|name| name.replace("~1", "/").replace("~0", "~"));
        let items = self.document.components.as_ref().and_then(|components| components.path_items.as_ref());
        let found = name.as_deref().zip(items).and_then(|(name, items)| items.find(name));
        match found {
            Some(found) if found.reference.is_none() => Ok(found),
            _ => Err(CatalogueError::refused(
                path,
                "its $ref is not a path item under #/components/pathItems; write the operations here, or bundle the document first",
            )),
        }
    }

    fn operation(&self, path: &str, item: &PathItem, method: Method, spec: &Spec) -> Result<Operation, CatalogueError> {
        let place = format!("{method} {}", one_line(path));
        let servers = spec.servers.as_ref().or(item.servers.as_ref()).or(self.document.servers.as_ref());
        let base = servers.and_then(|servers| servers.first()).map_or(Ok(String::new()), base_path);
        let base = base.map_err(|problem| CatalogueError::refused(&place, problem))?;
        if !path.starts_with('/') {
            return Err(CatalogueError::refused(&place, "a path begins with a slash"));
        }
        let path = Template::parse(&format!("{base}{path}")).map_err(|problem| CatalogueError::refused(&place, problem))?;
        let security = spec.security.as_ref().or(self.document.security.as_ref());
        let named = Requirement::any_of_these(self.sets(security, &place)?);
        let requirement = named.or_else(|| Requirement::derived(method, &path));
        let requirement =
            requirement.ok_or_else(|| CatalogueError::refused(&place, "no scope can be made from its path: name one under security"))?;
        let user_information = spec.mark.or(item.mark).or(self.document.mark).unwrap_or(false);
        let summary = one_line(spec.summary.as_ref().and_then(Option::as_deref).unwrap_or_default());
        Ok(Operation { method, path, requirement, user_information, summary })
    }

    /// The scopes of each requirement that names any.
    fn sets(&self, security: Option<&Security>, place: &str) -> Result<Vec<BTreeSet<Scope>>, CatalogueError> {
        let mut sets = Vec::new();
        for alternative in security.into_iter().flatten() {
            let mut set = BTreeSet::new();
            for (scheme, scopes) in &alternative.0 {
                let schemes = self.document.components.as_ref().and_then(|components| components.schemes.as_ref());
                let known = schemes.and_then(|schemes| schemes.find(scheme));
                let known = known.ok_or_else(|| CatalogueError::refused(place, format!("the security scheme {scheme:?} is not under components")))?;
                let scoped = matches!(known.r#type.as_deref(), Some("oauth2" | "openIdConnect"));
                if self.scoped_schemes_only && !scoped && !scopes.is_empty() {
                    let problem =
                        format!("in OpenAPI 3.0 only oauth2 and openIdConnect have scopes, and {scheme:?} is neither; make the document 3.1");
                    return Err(CatalogueError::refused(place, problem));
                }
                for text in scopes {
                    set.insert(scope(text, place)?);
                }
            }
            if !set.is_empty() {
                sets.push(set);
            }
        }
        Ok(sets)
    }

    /// What the flows of all schemes say about their scopes. Names that are not scopes of ours (`openid`) are nobody's to pick.
    fn sentences(&self) -> BTreeMap<Scope, String> {
        let schemes = self.document.components.as_ref().and_then(|components| components.schemes.as_ref());
        let flows = schemes.into_iter().flat_map(|schemes| &schemes.0).filter_map(|(_, scheme)| scheme.flows.as_ref()).flat_map(|flows| &flows.0);
        let mut sentences = BTreeMap::new();
        for (name, text) in flows.filter_map(|(_, flow)| flow.scopes.as_ref()).flat_map(|scopes| &scopes.0) {
            let text = one_line(text.as_deref().unwrap_or_default());
            if let (Ok(scope), false) = (name.parse::<Scope>(), text.is_empty()) {
                let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
                sentences.entry(scope).or_insert_with(|| format!("{text}{end}"));
            }
        }
        sentences
    }
}

fn is_3_0(document: &Document) -> Result<bool, CatalogueError> {
    let version = document.openapi.as_deref().unwrap_or("it has no \"openapi\" version");
    match version.split('.').take(2).collect::<Vec<_>>()[..] {
        ["3", "0"] => Ok(true),
        ["3", "1"] => Ok(false),
        _ => Err(CatalogueError::Version(one_line(version))),
    }
}

fn operations_of(item: &PathItem) -> impl Iterator<Item = (Method, &Spec)> {
    let specs = [&item.get, &item.head, &item.options, &item.post, &item.put, &item.patch, &item.delete, &item.trace];
    Method::ALL.into_iter().zip(specs).filter_map(|(method, spec)| Some((method, spec.as_ref()?)))
}

/// The path of a server's URL without the slash at its end; variables have their default.
fn base_path(server: &Server) -> Result<String, String> {
    let mut url = server.url.clone().unwrap_or_default();
    for (name, variable) in server.variables.iter().flat_map(|variables| &variables.0) {
        let default = variable.default.as_deref().ok_or_else(|| format!("the server variable {name:?} has no default"))?;
        url = url.replace(&format!("{{{name}}}"), default);
    }
    if url.contains(['{', '}', '?', '#']) {
        return Err(format!("the server URL {url:?} has a variable that is not described, a query or a fragment"));
    }
    let path = match url.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        _ => url.as_str(),
    };
    match path.strip_suffix('/').unwrap_or(path) {
        "" => Ok(String::new()),
        path if path.starts_with('/') => Ok(path.to_owned()),
        _ => Err(format!("the server URL {url:?} is relative to where the document lies; write it from the root, such as /v1")),
    }
}
