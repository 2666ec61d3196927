//! Every route there is, read from the source of the routers: so that no test forgets one that was added.
use std::collections::BTreeSet;

use axum::http::Method;

const ROUTER: &str = include_str!("../../src/router.rs");

/// A route: method and path template.
pub(crate) type Route = (Method, String);

/// The console's routes.
pub(crate) fn console() -> BTreeSet<(String, String)> {
    let (fixed, pages) = include_str!("../../src/console/mod.rs").split_once("fn credential_pages()").expect("it is there");
    let mut all = parse(fixed);
    for base in ["/account/{page}", "/account/below/{account}/{page}"] {
        all.extend(parse(pages).into_iter().map(|(method, path)| (method, format!("{base}{}", path.trim_end_matches('/')))));
    }
    all
}

/// The routes of both listeners that are not in the OpenAPI document.
pub(crate) fn undocumented() -> BTreeSet<(String, String)> {
    parse(ROUTER)
}

/// The operations of the OpenAPI document.
pub(crate) fn documented() -> BTreeSet<(String, String)> {
    let document = serde_json::to_value(claviger_server::openapi()).expect("JSON");
    let mut all = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys().filter(|key| ["get", "put", "post", "delete", "patch"].contains(&key.as_str())) {
            all.insert((method.to_uppercase(), path.clone()));
        }
    }
    all
}

pub(crate) fn route((method, path): &(String, String)) -> Route {
    (method.parse().expect("a method"), path.clone())
}

/// What stands in `.route("path", get(…).post(…))`.
fn parse(source: &str) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for call in source.split(".route(").skip(1) {
        let call = call.trim_start();
        let Some((path, rest)) = call.strip_prefix('"').and_then(|call| call.split_once('"')) else { panic!("not a path: {call}") };
        // the call ends where its parentheses close
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let handlers = &rest[..end.expect("it closes")];
        for method in ["get", "post", "put", "patch", "delete"] {
            // what takes any method is asked by one
            if handlers.contains(&format!("{method}(")) || method == "post" && handlers.contains("any(") {
                all.insert((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    all
}

#[test]
fn the_source_is_read_right() {
    assert!(console().len() > 30 && console().contains(&("POST".into(), "/account/{page}".into())), "{:?}", console());
    assert!(undocumented().contains(&("GET".into(), "/verify/nginx".into())), "{:?}", undocumented());
    assert!(documented().contains(&("DELETE".into(), "/v1/accounts/{id}/credentials/{credential_id}".into())));
}
