//! Leases as rows: who may serve, what they acknowledged, and who takes them away.
use claviger_store::{
    credential::Filter,
    lease::{Agreement, Node},
    page::PageRequest,
    revision::Position,
};

use super::*;

fn node(id: &str, acked: i64) -> Node {
    Node { id: id.into(), acked, beat: 0, address: "127.0.0.1:8081".into(), version: "test".into(), began_at: at(0), agreement: Default::default() }
}

async fn acknowledge(store: &Store, id: &str, acked: i64) -> bool {
    let mut tx = store.begin_renewal().await.expect("begun");
    let log = tx.log_after(Position { epoch: 1, rev: 0, timeline: 0 }).await.expect("read");
    assert!(acked <= log.position.rev);
    let met = tx.renew(id, acked).await.expect("written");
    tx.commit_housekeeping().await.expect("committed");
    met.is_some()
}

on_both_engines! {
    async fn a_node_registers_acknowledges_and_leaves(place) {
        let store = place.open().await;
        make_account(&store, "Acme").await;
        let look = async || store.reader().await.expect("a reader").cluster().await.expect("a look");
        let empty = look().await;
        assert!(empty.settled && empty.nodes.is_empty() && empty.lease_ms == 10_000 && empty.position.rev == 1, "{empty:?}");
        store.register(&node("a", 0), 10_000).await.expect("registered");
        store.register(&node("b", 1), 10_000).await.expect("registered");
        assert_eq!(look().await.nodes, [node("a", 0), node("b", 1)]);
        assert!(acknowledge(&store, "a", 1).await);
        assert_eq!(look().await.nodes[0], Node { beat: 1, ..node("a", 1) });
        assert!(store.unregister("a", None).await.expect("left"));
        assert!(!acknowledge(&store, "a", 1).await, "a row that is gone was written");
        assert_eq!(look().await.nodes, [node("b", 1)]);
    }

    async fn each_node_is_told_how_many_there_are_and_who_comes_whether_they_are_alone(place) {
        let store = place.open().await;
        let counts = async |id: &str| {
            let mut tx = store.begin_renewal().await.expect("begun");
            let counted = (tx.renew(id, 0).await.expect("written"), tx.acknowledge(id, 0).await.expect("written"));
            tx.commit_housekeeping().await.expect("committed");
            counted
        };
        assert!(store.register(&node("a", 0), 10_000).await.expect("registered"), "nobody else is there");
        assert_eq!(counts("a").await, (Some(1), Some(1)));
        assert!(!store.register(&node("b", 0), 10_000).await.expect("registered"), "a is there");
        assert_eq!((counts("a").await, counts("b").await), ((Some(2), Some(2)), (Some(2), Some(2))));
        store.unregister("a", None).await.expect("left");
        assert_eq!((counts("a").await, counts("b").await), ((None, None), (Some(1), Some(1))));
        store.unregister("b", None).await.expect("left");
        place.batch("UPDATE cluster SET settled = 'another server'").await;
        assert!(!store.register(&node("c", 0), 10_000).await.expect("registered"), "another's row may have been lost");
    }

    async fn only_a_row_whose_beat_has_not_moved_is_reaped(place) {
        let store = place.open().await;
        make_account(&store, "Acme").await;
        store.register(&node("a", 0), 10_000).await.expect("registered");
        assert!(acknowledge(&store, "a", 1).await);
        assert!(!store.unregister("a", Some(0)).await.expect("looked"), "it has beaten since");
        assert!(store.unregister("a", Some(1)).await.expect("looked"));
        assert!(!store.unregister("a", Some(1)).await.expect("looked"));
    }

    async fn every_node_has_the_same_terms_or_does_not_join(place) {
        let store = place.open().await;
        assert_eq!(store.agree_on_lease(None).await.expect("agreed"), 10_000);
        assert_eq!(store.agree_on_lease(Some(3_000)).await.expect("nobody is there"), 3_000);
        store.register(&node("a", 0), 3_000).await.expect("registered");
        assert_eq!(store.agree_on_lease(None).await.expect("agreed"), 3_000);
        let refused = store.agree_on_lease(Some(60_000)).await.expect_err("a node has a lease of 3 s");
        assert!(matches!(&refused, StoreError::Unusable(why) if why.contains("3 s")), "{refused}");
        store.register(&node("b", 0), 60_000).await.expect_err("it would serve longer than anybody waits");
        store.unregister("a", None).await.expect("left");
        assert_eq!(store.agree_on_lease(Some(60_000)).await.expect("agreed"), 60_000);
        store.register(&node("c", 0), 3_000).await.expect_err("it would return earlier than leases are over");
    }

    async fn who_is_set_otherwise_than_another_does_not_join(place) {
        let store = place.open().await;
        let set = |id: &str, must: &str| Node { agreement: Agreement { must: must.into(), should: "rate=1".into() }, ..node(id, 0) };
        store.register(&set("a", "prefix=1 kinds=1"), 10_000).await.expect("registered");
        assert_eq!(store.reader().await.expect("a reader").cluster().await.expect("a look").nodes, [set("a", "prefix=1 kinds=1")]);
        let refused = store.register(&set("b", "prefix=1 kinds=2"), 10_000).await.expect_err("it would contradict the other");
        assert!(matches!(&refused, StoreError::Unusable(why) if why.contains("another kinds")), "{refused}");
        store.register(&node("c", 0), 10_000).await.expect("of a version that tells nothing");
        store.unregister("a", None).await.expect("left");
        store.register(&set("b", "prefix=1 kinds=2"), 10_000).await.expect("nobody is set otherwise");
    }

    async fn a_later_version_that_wants_the_database_for_itself_ends_every_lease_of_this_one(place) {
        let store = place.open().await;
        store.register(&node("a", 0), 10_000).await.expect("registered");
        place.batch("INSERT INTO migration VALUES (98, '0098_more', 'x')").await;
        assert!(acknowledge(&store, "a", 0).await, "the two may run side by side");
        place.batch("INSERT INTO migration VALUES (99, '0099_other_rules_alone', 'x')").await;
        assert!(!acknowledge(&store, "a", 0).await, "its lease goes on");
        let refused = store.register(&node("b", 0), 10_000).await.expect_err("it joined");
        assert!(matches!(&refused, StoreError::Unusable(why) if why.contains("later")), "{refused}");
    }

    async fn what_was_outlasted_is_remembered_and_never_goes_back(place) {
        let store = place.open().await;
        for name in ["one", "two", "three"] {
            make_account(&store, name).await;
        }
        let remembered = async || store.reader().await.expect("a reader").cluster().await.expect("a look").safe_rev;
        let here = store.reader().await.expect("a reader").position().await.expect("a position").timeline;
        for (epoch, rev, timeline, then) in [(1, 2, here, 2), (1, 1, here, 2), (2, 3, here, 2), (1, 3, here + 1, 2), (1, 4, here, 2), (1, 3, here, 3)] {
            let safe = Position { epoch, rev, timeline };
            store.remember_safe(safe).await.expect("tried");
            assert_eq!(remembered().await, then, "{safe:?}: of another history, or one that is not there yet");
        }
    }

    async fn a_loss_is_remembered_until_another_epoch_begins(place) {
        let store = place.open().await;
        let has_lost = async || store.reader().await.expect("a reader").cluster().await.expect("a look").has_lost;
        assert!(!has_lost().await);
        store.remember_loss(1).await.expect("written");
        assert!(has_lost().await);
        place.batch("UPDATE revision SET epoch = epoch + 1").await;
        assert!(!has_lost().await);
        store.remember_loss(1).await.expect("tried");
        place.batch("UPDATE revision SET epoch = 1").await;
        assert!(has_lost().await, "it was said of that epoch");
        place.batch("UPDATE revision SET epoch = 2").await;
        store.remember_loss(3).await.expect("tried");
        place.batch("UPDATE revision SET epoch = 3").await;
        assert!(!has_lost().await, "said of an epoch that was not the database's");
    }

    async fn what_was_deleted_is_listed_until_that_is_safe(place) {
        let store = place.open().await;
        let acme = make_account(&store, "Acme").await;
        let mut credential = make_credential(&store, acme.id, "clv_client_one").await;
        let before = store.reader().await.expect("a reader").position().await.expect("a position").rev;
        credential.state = State::Deleted;
        let mut tx = store.begin().await.expect("begun");
        tx.update_credential(&credential).await.expect("written");
        tx.commit_housekeeping().await.expect("committed");
        let mut reader = store.reader().await.expect("a reader");
        let all = PageRequest { after: None, limit: 10 };
        for (safe, unsettled) in [(before, Some(Some(before + 1))), (before + 1, None)] {
            let found = reader.find_credential(acme.id, credential.id, safe).await.expect("answered");
            assert_eq!(found.map(|listed| listed.unsettled), unsettled, "find at {safe}");
            let page = reader.list_credentials(acme.id, &Filter::default(), &all, safe).await.expect("a page");
            assert_eq!(page.items.into_iter().map(|listed| listed.unsettled).next(), unsettled, "list at {safe}");
            let page = reader.list_credentials_below(acme.id, &Filter::default(), &all, safe).await.expect("a page");
            assert_eq!(page.items.into_iter().map(|listed| listed.unsettled).next(), unsettled, "list below at {safe}");
        }
    }

    async fn another_primary_is_not_settled_until_someone_settles_it(place) {
        let store = place.open().await;
        place.batch("UPDATE cluster SET settled = 'another server'").await;
        let look = async || store.reader().await.expect("a reader").cluster().await.expect("a look");
        let before = look().await;
        assert!(!before.settled);
        store.settle("a third one").await.expect("tried");
        assert!(!look().await.settled, "settled in another's name");
        store.settle(&before.primary).await.expect("settled");
        assert!(look().await.settled);
    }
}

#[tokio::test]
async fn postgres_rings_for_a_revision_and_after_a_lost_connection() {
    let database = Cluster::shared().fresh_database();
    let store = Store::open_postgres(database.url()).await.expect("it opens");
    let mut bell = store.doorbell();
    let mut rings = async |why: &str| {
        tokio::time::timeout(claviger_testkit::soon::DEADLINE, bell.rings()).await.unwrap_or_else(|_| panic!("no ring {why}"));
    };
    rings("when it is connected").await;
    make_account(&store, "Acme").await;
    rings("for a revision").await;
    database.cut_connections();
    rings("when it is connected again").await;
    let fresh = Store::open_postgres(database.url()).await.expect("it opens");
    make_account(&fresh, "Other").await;
    rings("for a revision after that").await;
}

#[tokio::test]
async fn a_commit_on_postgres_is_never_left_to_luck() {
    let database = Cluster::shared().fresh_database();
    let role = format!("{}?options=-c%20synchronous_commit%3Doff", database.url());
    let store = Store::open_postgres(&role).await.expect("it opens");
    // seen from beside: the store has no way to ask
    make_account(&store, "Acme").await;
    let mut reader = store.reader().await.expect("a reader");
    assert_eq!(reader.about().await.expect("asked").waits_for, "on");
}

#[tokio::test]
async fn postgres_tells_a_machine_how_it_sees_it() {
    let place = Place::postgres();
    assert_eq!(place.open().await.own_address().await.expect("PostgreSQL"), Some(std::net::Ipv4Addr::LOCALHOST.into()));
    let embedded = Place::sqlite();
    assert_eq!(embedded.open().await.own_address().await.expect("SQLite"), None);
}

#[tokio::test]
async fn nothing_is_read_from_a_standby() {
    let mut cluster = Cluster::start_with(claviger_testkit::postgres::Fsync::Off);
    let database = cluster.fresh_database();
    let store = Store::open_postgres(database.url()).await.expect("it opens");
    make_account(&store, "Acme").await;
    cluster.become_standby();
    let refused = Store::open_postgres(database.url()).await.expect_err("a standby");
    assert!(refused.to_string().contains("primary"), "{refused}");
    // nor by a process that was there before: its connections are lost, and no new one is made
    for _ in 0..20 {
        if let Ok(mut reader) = store.reader().await {
            reader.position().await.expect_err("a standby answered");
        }
    }
}
