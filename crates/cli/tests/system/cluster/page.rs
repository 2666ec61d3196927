//! What the operator and a customer see of the nodes, in a browser, while one of three is cut off.
use claviger_testkit::{browser::run_journey, postgres::Cluster, repository};
use serde_json::json;

use super::{link::Weather, nodes::Nodes};

/// In seconds: long enough to look at a node that is silent before its lease is over.
const LEASE: u32 = 30;

#[test]
fn the_console_shows_the_nodes_and_says_since_when_a_change_is_true() {
    let cluster = Cluster::start();
    let nodes = Nodes::start(&cluster, 3, LEASE, "lease", None);
    let account = nodes.keys(3)[0].account.clone();
    let member = "owner@example.com";
    nodes.request(0, "PUT", &format!("/v1/accounts/{account}/members/{member}")).json(&json!({ "role": "owner" })).send().expect(201);
    let link = nodes.request(0, "POST", &format!("/v1/accounts/{account}/sign-in-links")).json(&json!({ "email": member })).send().expect(201).json();
    let here = |url: &str| nodes.servers[0].public(url.strip_prefix("http://api.example.com").expect("the public URL"));
    let world = json!({
        "public": nodes.servers[0].public(""),
        "links": { "operator": here(&nodes.servers[0].sign_in_link()), "owner": here(link["url"].as_str().expect("a link")) },
    });
    let journey = |part: &str| {
        run_journey(&repository().join("tests/console/cluster.mjs"), &[("WORLD", &world.to_string()), ("PART", part)]);
    };
    journey("owner");
    nodes.links[2].set(Weather::CUT);
    journey("operator");
}
