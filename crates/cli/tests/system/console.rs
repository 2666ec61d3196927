//! The console's journeys in Debian's Chromium. Screenshots are kept among the artefacts.
use claviger_testkit::{browser::run_journey, process::Server, repository};
use serde_json::json;

use crate::back_office::BackOffice;

#[test]
fn administrators_create_and_delete_keys_and_nobody_else_sees_that_there_are_any() {
    let server = Server::start(&[]);
    let office = BackOffice::of(&server);
    let corporate = office.corporate("Northwind Traders");
    let partner = office.account(&json!({ "kind": "partner", "name": "Harbour Payments" }));
    let client = office.account(&json!({ "kind": "corporate", "name": "Bluebird Books", "parent_id": partner }));
    let mut links = serde_json::Map::new();
    for (account, role) in [
        (&corporate, "owner"),
        (&corporate, "admin"),
        (&corporate, "executor"),
        (&corporate, "preparer"),
        (&corporate, "viewer"),
        (&partner, "partner_admin"),
        (&partner, "onboarding_agent"),
    ] {
        let email = format!("{role}@example.com");
        office.member(account, &email, role);
        links.insert(role.into(), office.sign_in_link(account, &email).into());
    }
    links.insert("operator".into(), server.sign_in_link().into());
    for at in 0..2 {
        office.member(&corporate, &format!("second-{at}@example.com"), "admin");
        links.insert(format!("admin-{at}"), office.sign_in_link(&corporate, &format!("second-{at}@example.com")).into());
    }
    let world = json!({
        "public": server.public(""),
        "gateway": server.gateway(""),
        "operatorKey": office.key,
        "corporate": corporate,
        "partner": partner,
        "client": client,
        "links": links,
    });
    run_journey(&repository().join("tests/console/first-journey.mjs"), &[("WORLD", &world.to_string())]);
}

#[test]
fn every_account_kind_has_its_own_flow() {
    run_in_a_world_of_its_own("kinds.mjs");
}

#[test]
fn credentials_live_on_after_the_first_day() {
    run_in_a_world_of_its_own("life-cycle.mjs");
}

/// Runs a journey that makes its accounts and members itself.
fn run_in_a_world_of_its_own(script: &str) {
    let server = Server::start(&[]);
    let office = BackOffice::of(&server);
    let world = json!({
        "public": server.public(""),
        "gateway": server.gateway(""),
        "operatorKey": office.key,
        "links": { "operator": server.sign_in_link() },
    });
    run_journey(&repository().join("tests/console").join(script), &[("WORLD", &world.to_string())]);
}
