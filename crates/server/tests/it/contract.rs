//! What others build on, as snapshots: a change here is a change of the contract, and shows in a review.
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
    let mut names = std::collections::BTreeSet::new();
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
        }
    }
    assert_all_references_lead_somewhere(&document, &document);
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
