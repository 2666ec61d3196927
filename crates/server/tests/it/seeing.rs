//! Seeing is believing: no node says that a credential has ended before that is true on every node.
use claviger_domain::time::Timestamp;
use claviger_server::config::Partial;
use claviger_store::lease::Node;
use serde_json::json;

use crate::common::{World, on_both_engines};

/// W is 2.65 seconds then.
pub(crate) fn short_leases() -> Partial {
    Partial { lease: Some(2), ..Partial::default() }
}

/// A node that has a lease for all anybody knows, and says nothing.
pub(crate) async fn add_silent_node(world: &World) {
    let silent =
        Node { id: "silent".into(), acked: 0, beat: 1, address: "192.0.2.1:8081".into(), version: "0".into(), began_at: Timestamp::from_micros(0) };
    let lease_ms = world.app.store.agree_on_lease(None).await.expect("agreed");
    world.app.store.register(&silent, lease_ms).await.expect("registered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_node_is_silent_another_says_revoking_and_afterwards_that_it_is_gone() {
    let one = World::with(short_leases(), Some(claviger_testkit::postgres::Cluster::shared().fresh_database()), kinds()).await;
    let other = one.beside(Partial::default()).await;
    let (acme, firm) = (one.account("corporate", "Acme").await, one.account("organisation", "Firm").await);
    let made = one.credential(&acme).await;
    let deleted = format!("/v1/accounts/{acme}/credentials/{}", made.id);
    let wish = json!({ "email": "dev@example.com", "access": { "level": "full" } });
    let made = one.operator().post(&format!("/v1/accounts/{firm}/credentials"), wish).await.json();
    let revoked = format!("/v1/accounts/{firm}/credentials/{}", made["id"].as_str().expect("an id"));
    let list = format!("/v1/accounts/{acme}/credentials");
    let person = other.new_member(&acme, "owner").await;
    add_silent_node(&one).await;
    let end = async {
        let (first, second) = tokio::join!(async { one.operator().delete(&deleted).await }, async {
            one.operator().post(&format!("{revoked}/revoke"), json!({})).await
        });
        assert_eq!((first.status, second.status), (204, 200), "{first:?} {second:?}");
        assert_eq!(second.json()["state"], "revoked", "it returns when it is true");
    };
    let look = async {
        let mut seen = Vec::new();
        while seen.len() < 2 {
            for made in [&deleted, &revoked] {
                let shown = other.operator().get(made).await;
                assert_eq!(shown.status, 200, "gone before it is true: {shown:?}");
                let shown = shown.json();
                assert_ne!(shown["state"], "revoked", "before it is true");
                if shown["state"] == "revoking" && !seen.contains(made) {
                    assert!(shown["settles_by"].is_string(), "{shown}");
                    seen.push(made.clone());
                }
            }
        }
        let listed = other.operator().get(&list).await.json();
        assert_eq!(listed["items"][0]["state"], "revoking", "{listed}");
        let page = person.get("/account/api-keys").await;
        assert!(page.status == 200 && page.text().contains("Revoking…"), "{page:?}");
    };
    tokio::join!(end, look);
    for node in [&one, &other] {
        assert_eq!(node.operator().get(&deleted).await.status, 404);
        assert_eq!(node.operator().get(&list).await.json()["items"], json!([]));
        let shown = node.operator().get(&revoked).await.json();
        assert_eq!((&shown["state"], shown.get("settles_by")), (&json!("revoked"), None), "{shown}");
    }
}

on_both_engines! {
    async fn on_one_node_what_returned_is_done_at_once(world) {
        let acme = world.account("corporate", "Acme").await;
        let made = world.credential(&acme).await;
        let path = format!("/v1/accounts/{acme}/credentials/{}", made.id);
        let shown = world.operator().get(&path).await.json();
        assert_eq!((&shown["state"], shown.get("settles_by")), (&json!("active"), None), "{shown}");
        world.delete(&made).await;
        assert_eq!(world.operator().get(&path).await.status, 404);
    }
}

fn kinds() -> claviger_domain::kind::Kinds {
    claviger_domain::kind::Kinds::built_in().expect("sound")
}
