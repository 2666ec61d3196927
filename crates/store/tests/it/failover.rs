//! Two primaries at once, and commits that a standby does not confirm. On PostgreSQL alone.
use claviger_testkit::{
    postgres::{Fsync, Signal},
    soon::DEADLINE,
};

use super::*;

/// The old primary runs on and its connections stand, but whoever has met its successor reads nothing there any more: it would be untrue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_a_former_primary_are_given_up_once_its_successor_was_met_postgres() {
    let old = Cluster::start_with(Fsync::Off);
    let database = old.fresh_database();
    let new = old.standby();
    old.commit_waits_for_standby(true);
    // the standby comes first in the URL, and is passed over while it is one
    let both = database.url().replace(&old.address(), &format!("{},{}", new.address(), old.address()));
    let store = Store::open_postgres(&both).await.expect("the second host is a primary");
    let primary = async || store.reader().await.expect("a reader").cluster().await.expect("a look").primary;
    let first = primary().await;
    let several = [store.reader().await, store.reader().await, store.reader().await].map(|reader| reader.expect("a reader"));
    drop(several);
    let before = store.reader().await.expect("a reader").position().await.expect("a position");
    new.promote();
    assert_eq!(primary().await, first, "a connection to the old primary is still there, and nothing else is known");
    let mut answers = Vec::new();
    let four = [store.reader().await, store.reader().await, store.reader().await, store.reader().await];
    for reader in four {
        answers.push(reader.expect("a reader").position().await);
    }
    // three had been lent before the fourth met the new one
    let refused = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Unavailable(why)) if why.contains("former primary")));
    assert_eq!(refused.count(), 3, "{answers:?}");
    let log = store.reader().await.expect("a reader").log_after(before).await.expect("a log");
    assert_ne!(log.position.timeline, before.timeline);
    assert!(log.replaces_memory && !log.replaces_history && !log.has_lost, "revisions may have been counted anew, but none is missing: {log:?}");
    let second = primary().await;
    assert_ne!(first, second, "the new primary was met");
    for _ in 0..8 {
        assert_eq!(primary().await, second);
    }
    let alone = Store::open_postgres(database.url()).await.expect("the old one runs");
    assert_eq!(alone.reader().await.expect("a reader").cluster().await.expect("a look").primary, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_not_taken_for_a_primary_postgres() {
    let primary = Cluster::start_with(Fsync::Off);
    let database = primary.fresh_database();
    let standby = primary.standby();
    let refused = Store::open_postgres(&database.url().replace(&primary.address(), &standby.address())).await.expect_err("it is a standby");
    assert!(refused.to_string().contains("standby"), "{refused}");
}

/// It can still be read from, and nobody there need know that another has taken over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_primary_cannot_show_that_it_is_one_where_a_commit_waits_for_a_standby_postgres() {
    let old = Cluster::start_with(Fsync::Off);
    let database = old.fresh_database();
    let new = old.standby();
    let store = Store::open_postgres(database.url()).await.expect("opened");
    let assured = async || store.prompt_reader().await.expect("a reader").assure_primary().await;
    assured().await.expect("no commit waits for anyone: nothing can be shown");
    old.commit_waits_for_standby(true);
    assured().await.expect("its standby follows");
    new.promote();
    store.reader().await.expect("a reader").position().await.expect("it can be read from");
    let refused = assured().await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    old.commit_waits_for_standby(false);
    assured().await.expect("the control: it commits by itself");
}

/// The server calls such a COMMIT a success, with a warning. A failover would lose it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_wait_for_the_standby_is_broken_off_has_an_unknown_outcome_postgres() {
    let primary = Cluster::start_with(Fsync::Off);
    let database = primary.fresh_database();
    let standby = primary.standby();
    primary.commit_waits_for_standby(true);
    let store = Store::open_postgres(database.url()).await.expect("opened");
    store.confirm().await.expect("the standby confirms");
    standby.signal_all(Signal::STOP);
    for committing in ["a change", "the confirmation of one"] {
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { if committing == "a change" { store.agree_on_lease(Some(3_000)).await.map(|_| ()) } else { store.confirm().await } }
        });
        tokio::task::spawn_blocking({
            let break_off = "DO $$ BEGIN FOR attempt IN 1..3000 LOOP PERFORM pg_stat_clear_snapshot(); \
                 PERFORM pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'; \
                 IF FOUND THEN RETURN; END IF; PERFORM pg_sleep(0.02); END LOOP; RAISE 'nobody waits'; END $$";
            let url = format!("{}?options=-c%20synchronous_commit%3Dlocal", primary.administrator_url());
            move || claviger_testkit::postgres::run_sql(&url, break_off)
        })
        .await
        .expect("it ends")
        .expect("someone waits");
        let outcome = tokio::time::timeout(DEADLINE, waiting).await.expect("it ends").expect("it does not panic");
        assert!(matches!(outcome, Err(StoreError::Unknown(_))), "{committing}: {outcome:?}");
    }
    standby.signal_all(Signal::CONT);
    store.confirm().await.expect("the standby confirms again");
}
