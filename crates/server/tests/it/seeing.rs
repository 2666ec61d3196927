//! Seeing is believing: no node says that a credential has ended before that is true on every node.
use claviger_domain::time::Timestamp;
use claviger_server::config::{Partial, Wait};
use claviger_store::lease::Node;
use claviger_testkit::soon::assert_soon_async;
use serde_json::json;

use crate::common::{World, on_both_engines};

/// W is 12.25 seconds then, in which a test looks at what is under way. It is silence after 4.
fn short_leases() -> Partial {
    Partial { lease: Some(10), ..Partial::default() }
}

/// A node that has a lease for all anybody knows, and says nothing.
async fn add_silent_node(world: &World) {
    let silent = Node {
        id: "silent".into(),
        acked: 0,
        beat: 1,
        address: "192.0.2.1:8081".into(),
        version: "0".into(),
        began_at: Timestamp::from_micros(0),
        agreement: Default::default(),
    };
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_bounded_wait_a_silent_node_makes_it_202_with_a_deadline_and_revoking_until_then() {
    let settings = Partial { revocation_wait: Some(Wait::Bounded), ..short_leases() };
    let world = World::with(settings, Some(claviger_testkit::postgres::Cluster::shared().fresh_database()), kinds()).await;
    let (acme, firm) = (world.account("corporate", "Acme").await, world.account("business", "Firm").await);
    let (first, second, third) = (world.credential(&acme).await, world.credential(&acme).await, world.credential(&acme).await);
    let wish = json!({ "kind": "client", "name": "Shop", "access": { "level": "full" } });
    let paused = world.operator().post(&format!("/v1/accounts/{firm}/credentials"), wish).await;
    assert_eq!(paused.status, 201, "nobody is silent: {paused:?}");
    let paused = format!("/v1/accounts/{firm}/credentials/{}", paused.json()["id"].as_str().expect("an id"));
    let studio = world.account("organisation", "Studio").await;
    let wish = json!({ "email": "dev@example.com", "access": { "level": "full" } });
    let rotated = world.operator().post(&format!("/v1/accounts/{studio}/credentials"), wish).await.json();
    let rotation = format!("/v1/accounts/{studio}/credentials/{}/rotate", rotated["id"].as_str().expect("an id"));
    let rotate = async || world.operator().with("idempotency-key", "one").post(&rotation, json!({})).await;
    let path = |made: &crate::common::Made| format!("/v1/accounts/{}/credentials/{}", made.account, made.id);
    let token = world.token(&third).await;
    let (person, staff) = (world.new_member(&acme, "owner").await, world.operator_person().await);
    add_silent_node(&world).await;
    // had it waited for the lease, it would be complete
    let deleted = world.operator().delete(&path(&first)).await;
    assert_eq!((deleted.status, deleted.header("revocation-complete"), deleted.bytes.len()), (202, "false", 0), "{deleted:?}");
    let deadline: Timestamp = deleted.header("effective-at").parse().expect("a time");
    assert!(deadline > world.app.clock.now(), "the deadline is ahead");
    let shown = world.operator().get(&path(&first)).await.json();
    assert_eq!(shown["state"], "revoking", "{shown}");
    // a body says no more than is true
    let (again, pausing) = tokio::join!(async { world.operator().delete(&path(&second)).await }, async {
        world.operator().post(&format!("{paused}/pause"), json!({})).await
    });
    assert_eq!((again.status, pausing.status, &pausing.json()["state"]), (202, 202, &json!("pausing")), "{again:?} {pausing:?}");
    // nor does an answer that is remembered
    let (first_told, told_again) = (rotate().await, rotate().await);
    assert_eq!((first_told.status, first_told.header("revocation-complete")), (201, "false"), "{first_told:?}");
    assert_eq!((told_again.status, &told_again.bytes, told_again.header("revocation-complete")), (201, &first_told.bytes, "false"), "{told_again:?}");
    let page = person.get("/account/api-keys").await.text();
    assert!(page.contains("Revoking…"), "{page}");
    let page = person.get(&format!("/account/api-keys/{}", first.id)).await.text();
    assert!(page.contains("Some node may still accept it, for"), "{page}");
    let cluster = async || world.operator().get("/v1/cluster").await.json();
    assert_soon_async("it is known who is silent", async || {
        let shown = cluster().await;
        let silent = shown["nodes"].as_array().and_then(|nodes| nodes.iter().find(|node| node["id"] == "silent")).cloned();
        silent.unwrap_or_else(|| panic!("its row is gone: {shown}"))["state"] == "silent"
    })
    .await;
    let page = staff.get("/operator/cluster").await.text();
    assert!(page.contains("192.0.2.1:8081") && page.contains("Silent") && page.contains("this node"), "{page}");
    let shown = cluster().await;
    assert!(shown["safe_revision"].as_i64() < shown["revision"].as_i64(), "{shown}");
    // what cannot say "later" waits
    let form = [("token", token.as_str()), ("client_id", &third.public_id), ("client_secret", &third.secret)];
    let revoked = world.anyone().form("/oauth2/revoke", &form).await;
    assert_eq!((revoked.status, revoked.headers.get("revocation-complete")), (200, None), "{revoked:?}");
    assert!(revoked.header("effective-after-ms").parse::<u64>().is_ok_and(|took| took > 100), "it waited: {revoked:?}");
    // the silent node's lease ends, by nobody's doing
    let gone = async |path: &str| {
        assert_soon_async("it is gone", async || world.operator().get(path).await.status == 404).await;
    };
    gone(&path(&first)).await;
    gone(&path(&second)).await;
    let done = world.operator().delete(&path(&first)).await;
    assert_eq!((done.status, done.headers.get("revocation-complete")), (204, None), "again, and nobody is silent now: {done:?}");
    assert_eq!(world.operator().get(&paused).await.json()["state"], "paused");
    let told = rotate().await;
    assert_eq!((told.bytes == first_told.bytes, told.headers.get("revocation-complete"), told.header("effective-nodes")), (true, None, "1"));
    // its row went before any of these had waited for as long as they would have
    let shown = cluster().await;
    let outlasted = shown["changes"].as_array().map(|changes| changes.iter().filter(|change| change["outlasted_a_lease"] == true).count());
    assert!(outlasted >= Some(4), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_shown_as_suspending_on_every_node_until_it_is_suspended_on_all() {
    let one = World::with(short_leases(), Some(claviger_testkit::postgres::Cluster::shared().fresh_database()), kinds()).await;
    let other = one.beside(Partial { revocation_wait: Some(Wait::Bounded), ..Partial::default() }).await;
    let (acme, firm) = (one.account("partner", "Acme").await, one.account("corporate", "Firm").await);
    let client = one.account_under("corporate", "Client", Some(&acme)).await;
    let (path, list, page) = (format!("/v1/accounts/{acme}"), "/v1/accounts", format!("/operator/accounts/{acme}"));
    let (staff, below) = (other.operator_person().await, other.new_member(&client, "owner").await);
    add_silent_node(&one).await;
    let suspend = async {
        let changed = one.operator().patch(&path, json!({ "status": "suspended" })).await;
        assert_eq!((changed.status, changed.json()["status"].as_str()), (200, Some("suspended")), "it returns when it is true: {changed:?}");
    };
    let look = async {
        let shown = loop {
            let shown = other.operator().get(&path).await.json();
            assert_ne!(shown["status"], "suspended", "before it is true");
            if shown["status"] == "suspending" {
                break shown;
            }
        };
        assert!(shown["settles_by"].is_string(), "{shown}");
        let listed = other.operator().get(list).await.json();
        let of = |id: &str| listed["items"].as_array().and_then(|items| items.iter().find(|item| item["id"] == id)).cloned().expect("listed");
        assert_eq!((&of(&acme)["status"], of(&acme)["settles_by"].is_string()), (&json!("suspending"), true), "{listed}");
        assert_eq!((&of(&firm)["status"], of(&firm).get("settles_by")), (&json!("active"), None), "{listed}");
        let text = staff.get(&page).await.text();
        assert!(text.contains("Suspending… Some node may still accept its credentials, for ") && !text.contains(">Suspended<"), "{text}");
        let text = staff.get("/operator").await.text();
        assert!(text.contains("Suspending…") && !text.contains("Suspended"), "{text}");
        let text = below.get("/account").await.text();
        assert!(text.contains("Suspending…") && !text.contains(">Suspended<"), "to its people it is what the one above it is: {text}");
        // whoever cannot wait is told the same by the answer itself
        let later = other.operator().patch(&format!("/v1/accounts/{firm}"), json!({ "status": "suspended" })).await;
        let body = later.json();
        assert_eq!((later.status, &body["status"], &body["settles_by"]), (202, &json!("suspending"), &json!(later.header("effective-at"))));
    };
    tokio::join!(suspend, look);
    for node in [&one, &other] {
        let shown = node.operator().get(&path).await.json();
        assert_eq!((&shown["status"], shown.get("settles_by")), (&json!("suspended"), None), "{shown}");
    }
    assert!(staff.get(&page).await.text().contains("Suspended"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_says_on_how_many_nodes_a_change_is_true_and_on_one_nothing_of_nodes() {
    // one that waits for its disk: else the promise is weakened
    let cluster = claviger_testkit::postgres::Cluster::start();
    let world = World::with(Partial::default(), Some(cluster.fresh_database()), kinds()).await;
    let acme = world.account("corporate", "Acme").await;
    let (first, second) = (world.credential(&acme).await, world.credential(&acme).await);
    let person = world.new_member(&acme, "owner").await;
    let alone = person.form(&format!("/account/api-keys/{}/delete", first.id), &[]).await;
    assert_eq!((alone.status, alone.header("location")), (303, "/account/api-keys?done=deleted"));
    let _other = world.beside(Partial::default()).await;
    let both = person.form(&format!("/account/api-keys/{}/delete", second.id), &[]).await;
    assert!(both.header("location").starts_with("/account/api-keys?done=deleted~2~"), "{both:?}");
    let page = person.get(both.header("location")).await.text();
    assert!(page.contains("Deleted. Integrations that used it are refused from now on. True on both nodes after "), "{page}");
    let staff = world.operator_person().await;
    let page = staff.get("/operator/cluster").await.text();
    assert!(page.contains("Kept: nothing that is known weakens it") && page.contains("this node"), "{page}");
}

/// What nobody remembers is shown as under way after a failover, and by a process that starts during one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_remembers_now_and_then_how_far_everything_is_true_postgres() {
    let world = World::postgres().await;
    let look = async || world.app.store.reader().await.expect("a reader").cluster().await.expect("a look");
    assert_eq!(look().await.safe_rev, 0, "not for every change");
    world.database.as_ref().expect("PostgreSQL").run("UPDATE revision SET rev = rev + 2000; NOTIFY claviger_rev");
    let is_remembered = async || {
        let seen = look().await;
        seen.safe_rev == seen.position.rev
    };
    assert_soon_async("a heartbeat remembers it", is_remembered).await;
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
