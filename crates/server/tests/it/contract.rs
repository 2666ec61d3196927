//! What others build on, as snapshots: a change here is a change of the contract, and shows in a review.
use std::{collections::BTreeSet, path::Path};

use claviger_domain::judge::Refusal;
use claviger_server::problem::Code;
use serde_json::Value;

use crate::common::World;

#[test]
fn the_openapi_document() {
    let document = claviger_server::openapi().to_pretty_json().expect("JSON");
    insta::assert_snapshot!("openapi", document);
}

#[tokio::test]
async fn the_openapi_document_is_served_and_is_3_1_with_every_operation_named_and_described() {
    let world = World::sqlite().await;
    let served = world.anyone().get("/openapi.json").await;
    assert_eq!((served.status, served.header("content-type")), (200, "application/json"));
    let document = served.json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    let again = world.anyone().get("/openapi.json").await;
    assert_eq!(again.bytes.as_ptr(), served.bytes.as_ptr(), "it is written once, and not for every stranger");
    let gateway = ["/v1/verify", "/v1/verify:batch", "/v1/api-requests"];
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let place = format!("{method} {path}");
            let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{place} has no name"));
            assert!(names.insert(name.to_owned()), "{place}: {name} is the name of two operations");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{place} has no summary");
            for parameter in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                let declared =
                    operation["parameters"].as_array().is_some_and(|all| all.iter().any(|given| given["name"] == parameter && given["in"] == "path"));
                assert!(declared, "{place} does not declare {parameter}");
            }
            let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
            let different: BTreeSet<String> = parameters.iter().map(|given| format!("{} {}", given["in"], given["name"])).collect();
            assert_eq!(different.len(), parameters.len(), "{place} declares a parameter twice: {parameters:?}");
            let answers = operation["responses"].as_object().expect("answers");
            for (status, answer) in answers {
                assert!(answer["description"].as_str().is_some_and(|text| !text.is_empty()), "{place} {status} has no description");
                let is_refusal = status.starts_with(['4', '5']) || status == "default";
                assert!(!is_refusal || answer["content"].is_object(), "{place} {status} has no body");
            }
            assert!(answers.contains_key("default"), "{place}");
            let is_secured = operation.get("security").is_some();
            assert!(is_secured || !path.starts_with("/v1/") || gateway.contains(&path.as_str()), "{place} asks for no credential");
            assert_eq!(is_secured || path == "/auth/token", operation["responses"].get("401").is_some(), "{place} and 401");
        }
    }
    assert_all_references_lead_somewhere(&document, &document);
    let audit_log = &document["paths"]["/v1/audit-log/history"]["get"]["responses"]["200"]["content"];
    assert!(audit_log["application/json"].is_object() && audit_log["text/csv"].is_object(), "{audit_log}");
}

#[test]
fn no_two_types_share_a_name_in_the_openapi_document() {
    let mut names = BTreeSet::new();
    for source in sources("server") {
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            if !(line.trim_start().starts_with("#[derive(") && line.contains("ToSchema")) {
                continue;
            }
            // from here to the type itself: its own name counts, unless an attribute gives it another
            let mut name = None;
            for line in lines.by_ref() {
                let given = line.trim_start().strip_prefix("#[schema(as = ").and_then(|rest| rest.split([',', ')']).next());
                name = name.or(given);
                let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
                if let Some(at) =
                    words.iter().position(|word| ["struct", "enum"].contains(word)).filter(|_| !line.trim_start().starts_with(['#', '/']))
                {
                    name = name.or(words.get(at + 1).copied());
                    break;
                }
            }
            let name = name.expect("a type");
            assert!(names.insert(name.to_owned()), "{name} is the name of two types: one of them would be shown in the other's place");
        }
    }
    assert!(names.len() > 40 && names.contains("NewAccount"), "{names:?}");
}

/// Every source file of a crate.
fn sources(name: &str) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(std::fs::read_to_string(&path).expect("text"));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"), &mut found);
    found
}

/// The string literals that stand as argument number `at` of every call of `function`.
fn literals(source: &str, function: &str, at: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for call in source.split(function).skip(1) {
        let (mut depth, mut in_text, mut number, mut argument) = (0, false, 0, String::new());
        for c in call.chars() {
            match c {
                '"' => in_text = !in_text,
                '(' if !in_text => depth += 1,
                ')' if !in_text && depth == 0 => break,
                ')' if !in_text => depth -= 1,
                ',' if !in_text && depth == 0 => {
                    number += 1;
                    continue;
                }
                _ => {}
            }
            if number == at {
                argument.push(c);
            }
        }
        found.extend(argument.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(str::to_owned));
    }
    found
}

#[test]
fn every_code_of_a_field_stands_in_the_document_and_no_other() {
    /// Of settings: no client ever sees them.
    const NOT_TOLD: [&str; 2] = ["out_of_range", "prefix_invalid"];
    let all = [sources("server"), sources("domain")].concat();
    let of = |function, at| -> BTreeSet<String> { all.iter().flat_map(|source| literals(source, function, at)).collect() };
    let mut used = of("Invalid::new(", 1);
    used.extend(of("FieldError::new(", 1));
    used.retain(|code| !NOT_TOLD.contains(&code.as_str()));
    let document = include_str!("../../../../docs/errors.md");
    let (_, fields) = document.split_once("## Fields").expect("a section");
    let (fields, oauth) = fields.split_once("\n## ").expect("another section");
    let listed: BTreeSet<String> = fields
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .filter_map(|line| line.strip_prefix("| `")?.split_once('|'))
        .flat_map(|(codes, _)| codes.split('`').map(|code| code.trim_matches([',', ' '])))
        .filter(|code| !code.is_empty())
        .map(str::to_owned)
        .collect();
    assert!(used.len() > 40, "{used:?}");
    assert_eq!(used.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "docs/errors.md does not have these");
    assert_eq!(listed.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "docs/errors.md has these, which nothing sends");
    for code in of("OauthError::bad(", 0) {
        assert!(oauth.contains(&format!("| `{code}` |")), "docs/errors.md does not have {code}");
    }
    for code in Code::ALL.iter().map(|code| code.as_str()).chain(Refusal::ALL.map(Refusal::code)) {
        assert!(document.contains(&format!("| `{code}` |")), "docs/errors.md does not have {code}");
    }
}

fn assert_all_references_lead_somewhere(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                let pointer = reference.strip_prefix('#').expect("within the document");
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            members.values().for_each(|member| assert_all_references_lead_somewhere(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| assert_all_references_lead_somewhere(document, item)),
        _ => {}
    }
}

#[test]
fn the_problem_codes() {
    let mut table = format!("{:<8}{:<28}{}\n", "status", "code", "title or detail");
    for code in Code::ALL {
        table += &format!("{:<8}{:<28}{}\n", code.status(), code.as_str(), code.title());
    }
    table += "\nverification:\n";
    for refusal in Refusal::ALL {
        table += &format!("{:<8}{:<28}{}\n", refusal.status(), refusal.code(), refusal.detail());
    }
    insta::assert_snapshot!("problem_codes", table);
}

#[tokio::test]
async fn the_metrics() {
    let world = World::sqlite().await;
    let request = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).expect("a request");
    let text = world.at_gateway(request).await.text();
    // a sample is `name{labels} value`; its value is of the moment, and so is the order of one metric's samples
    let mut stripped: Vec<&str> =
        text.lines().map(|line| if line.starts_with('#') { line } else { line.rsplit_once(' ').map_or(line, |(name, _)| name) }).collect();
    stripped.chunk_by_mut(|a, b| !a.starts_with('#') && !b.starts_with('#')).for_each(<[&str]>::sort_unstable);
    insta::assert_snapshot!("metrics", stripped.join("\n"));
}

#[tokio::test]
async fn verifications_are_counted_by_verdict_and_reason() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let token = world.token(&made).await;
    for _ in 0..3 {
        world.use_token(&token, &acme).await;
    }
    world.nginx(&[]).await;
    world.use_token("junk", &acme).await;
    let request = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).expect("a request");
    let text = world.at_gateway(request).await.text();
    for (verdict, reason, kind, count) in [
        ("allowed", "", "client", 3),
        ("allowed", "", "hmac", 0),
        ("refused", "credential_required", "", 1),
        ("refused", "credential_invalid", "", 1),
        ("cannot_say", "", "", 0),
    ] {
        let line = format!("claviger_verifications_total{{verdict=\"{verdict}\",reason=\"{reason}\",kind=\"{kind}\"}} {count}");
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(!text.contains(&made.public_id) && !text.contains(&acme), "no label is a credential or an account");
}
