//! The revision: every change to what verification reads takes one, in commit order, without gaps; nothing else does.
use claviger_domain::{credential::State, id::OperatorKeyId};
use claviger_store::{
    account::AccountChange,
    operator_key::OperatorKey,
    revision::{Changed, Position},
};

use claviger_domain::credential::End;

use super::*;

async fn position(store: &Store) -> Position {
    store.reader().await.expect("a reader").position().await.expect("a position")
}

async fn changes_after(store: &Store, rev: i64) -> Vec<Changed> {
    let mut changes = store.reader().await.expect("a reader").log_after(Position { rev, ..position(store).await }).await.expect("a log").changed;
    changes.dedup();
    changes
}

on_both_engines! {
    async fn every_change_to_accounts_credentials_and_secrets_takes_a_revision_and_is_logged(place) {
        let store = place.open().await;
        let begun = position(&store).await;
        assert_eq!((begun.epoch, begun.rev), (1, 0));
        let acme = make_account(&store, "Acme").await;
        let (account_made, logged) = (position(&store).await, changes_after(&store, 0).await);
        assert!(account_made.rev > 0);
        assert_eq!(logged, [Changed::Account(acme.id)]);

        let credential = make_credential(&store, acme.id, "clv_client_1").await;
        let made = position(&store).await;
        assert!(made.rev > account_made.rev);
        assert_eq!(changes_after(&store, account_made.rev).await, [Changed::Credential("clv_client_1".into())]);

        for change in [
            AccountChange { name: Some("Acme Ltd".into()), ..AccountChange::default() },
            AccountChange { api_access: Some(false), ..AccountChange::default() },
            AccountChange { status: Some(Status::Suspended), ..AccountChange::default() },
        ] {
            let before = position(&store).await.rev;
            let mut tx = store.begin().await.expect("begun");
            tx.update_account(acme.id, &change).await.expect("updated");
            let done = recorded(&mut tx, Some(acme.id)).await;
            tx.commit(done).await.expect("committed");
            assert!(position(&store).await.rev > before, "{change:?}");
            assert_eq!(changes_after(&store, before).await, [Changed::Account(acme.id)], "{change:?}");
        }

        let before = position(&store).await.rev;
        let credential_id = credential.id;
        let mut tx = store.begin().await.expect("begun");
        let end = End { at: at(1), by: "operator:test".into(), reason: None, was_paused: false };
        tx.update_credential(&Credential { state: State::Deleted, end: Some(end), ..credential }).await.expect("ended");
        tx.delete_secrets(credential_id).await.expect("forgotten");
        let done = recorded(&mut tx, Some(acme.id)).await;
        tx.commit(done).await.expect("committed");
        assert_eq!(changes_after(&store, before).await, [Changed::Credential("clv_client_1".into())]);
        let (loaded, revision) = store.reader().await.expect("a reader").load_credential("clv_client_1").await.expect("loaded");
        let loaded = loaded.expect("it is kept for the audit trail");
        assert_eq!((loaded.credential.state, loaded.secrets.len(), revision), (State::Deleted, 0, position(&store).await.rev));
    }

    async fn events_sessions_members_links_answers_and_operator_keys_take_no_revision(place) {
        let store = place.open().await;
        let acme = make_account(&store, "Acme").await;
        let before = position(&store).await;
        let mut tx = store.begin().await.expect("begun");
        tx.save_member(&member(acme.id, "ann@example.com", "owner")).await.expect("saved");
        tx.assign_clients(acme.id, "ann@example.com", &[acme.id]).await.expect("assigned");
        tx.insert_session(&digest("s"), &person(Some(acme.id), "ann@example.com"), &Origin::default(), at(0)).await.expect("inserted");
        tx.touch_session(&digest("s"), at(1)).await.expect("touched");
        tx.insert_sign_in_link(&digest("l"), &person(None, "operator"), at(300)).await.expect("inserted");
        tx.remember(&digest("k"), &digest("r"), b"sealed".to_vec(), at(0), at(600)).await.expect("remembered");
        let key = OperatorKey {
            id: OperatorKeyId::new(at(0), &Counting),
            public_id: "clv_operator_1".into(),
            name: "ci".into(),
            digest: digest("o"),
            hint: "…abcd".into(),
            created_at: at(0),
        };
        tx.insert_operator_key(&key).await.expect("inserted");
        let done = recorded(&mut tx, Some(acme.id)).await;
        tx.commit(done).await.expect("committed");
        let mut tx = store.begin().await.expect("begun");
        tx.delete_member(acme.id, "ann@example.com").await.expect("deleted");
        let done = recorded(&mut tx, None).await;
        tx.commit(done).await.expect("committed");
        assert_eq!(position(&store).await, before);
    }

    async fn what_is_rolled_back_takes_no_revision(place) {
        let store = place.open().await;
        let acme = make_account(&store, "Acme").await;
        let before = position(&store).await;
        let mut tx = store.begin().await.expect("begun");
        tx.update_account(acme.id, &AccountChange { api_access: Some(false), ..AccountChange::default() }).await.expect("updated");
        drop(tx);
        make_account(&store, "Other").await;
        let logged = changes_after(&store, before.rev).await;
        assert!(logged.iter().all(|change| *change != Changed::Account(acme.id)), "{logged:?}");
        assert_eq!(place.number("SELECT count(*) FROM change").await, position(&store).await.rev);
    }

    async fn a_log_that_stands_before_what_was_read_has_lost_whichever_way_its_epoch_went(place) {
        let store = place.open().await;
        make_account(&store, "Acme").await;
        make_account(&store, "Other").await;
        place.batch("UPDATE revision SET epoch = 2").await;
        let now = position(&store).await;
        for (epoch, rev, has_lost, replaces) in [
            (2, now.rev, false, false),
            (2, now.rev - 1, false, false),
            (2, now.rev + 1, true, true),
            (1, now.rev + 1, false, true),
            (1, now.rev - 1, false, true),
            (3, now.rev, true, true),
            (3, now.rev - 1, true, true),
        ] {
            let log = store.reader().await.expect("a reader").log_after(Position { epoch, rev, ..now }).await.expect("a log");
            assert_eq!((log.has_lost, log.replaces_history, log.replaces_memory), (has_lost, replaces, replaces), "after {rev} of epoch {epoch}");
        }
    }

    async fn eight_writers_at_once_leave_no_gap_and_a_reader_never_misses_one(place) {
        let store = place.open().await;
        let acme = make_account(&store, "Acme").await;
        let begun = position(&store).await.rev;
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let store = store.clone();
                tokio::spawn(async move {
                    for at in 0..6 {
                        make_credential(&store, acme.id, &format!("clv_client_{writer}_{at}")).await;
                    }
                })
            })
            .collect();
        // a node that follows the log while others write: everything it is told once must in the end be everything
        let (mut applied, mut heard) = (begun, std::collections::BTreeSet::new());
        loop {
            let finished = writers.iter().all(tokio::task::JoinHandle::is_finished);
            let log = store.reader().await.expect("a reader").log_after(Position { rev: applied, ..position(&store).await }).await.expect("a log");
            let (now, changes) = (log.position, log.changed);
            assert!(now.rev >= applied, "the revision went back");
            heard.extend(changes.into_iter().map(|change| format!("{change:?}")));
            applied = now.rev;
            if finished {
                break;
            }
            tokio::task::yield_now().await;
        }
        for writer in writers {
            writer.await.expect("no panic");
        }
        assert_eq!(heard.len(), 48, "each of the 48 credentials was heard of");
        let revisions = place.rows("SELECT DISTINCT rev FROM change ORDER BY rev").await;
        let all: Vec<String> = (1..=position(&store).await.rev).map(|rev| rev.to_string()).collect();
        assert_eq!(revisions, all, "without gaps");
    }

    async fn a_change_made_past_the_store_takes_a_revision_too(place) {
        let store = place.open().await;
        let acme = make_account(&store, "Acme").await;
        make_credential(&store, acme.id, "clv_client_1").await;
        for (sql, logged) in [
            ("UPDATE account SET name = 'by hand'", Changed::Account(acme.id)),
            ("UPDATE credential SET state = 'deleted'", Changed::Credential("clv_client_1".into())),
            ("UPDATE credential_secret SET expires_at = 1", Changed::Credential("clv_client_1".into())),
            ("DELETE FROM credential_secret", Changed::Credential("clv_client_1".into())),
            ("DELETE FROM credential", Changed::Credential("clv_client_1".into())),
            ("DELETE FROM account", Changed::Account(acme.id)),
        ] {
            let before = position(&store).await.rev;
            place.batch(sql).await;
            assert!(position(&store).await.rev > before, "{sql}");
            assert_eq!(changes_after(&store, before).await, [logged], "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn truncate_is_refused_on_postgres() {
    let place = Place::postgres();
    let store = place.open().await;
    let acme = make_account(&store, "Acme").await;
    make_credential(&store, acme.id, "clv_client_1").await;
    for table in ["account", "credential", "credential_secret"] {
        let refused = place.try_batch(&format!("TRUNCATE {table} CASCADE")).await.expect_err(table);
        assert!(refused.contains("DELETE instead"), "{table}: {refused}");
    }
    assert_eq!(place.number("SELECT count(*) FROM credential").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_on_postgres_is_retryable_and_the_next_call_works() {
    let place = Place::postgres();
    let store = place.open().await;
    make_account(&store, "Acme").await;
    let Place::Postgres(database) = &place else { panic!("made so") };
    let mut tx = store.begin().await.expect("begun");
    tx.insert_account(&account("Lost")).await.expect("inserted");
    let done = recorded(&mut tx, None).await;
    database.cut_connections();
    let error = tx.commit(done).await.expect_err("the connection is gone");
    assert!(matches!(error, StoreError::Unknown(_)), "{error}");
    // the pool may still hold dead connections; what it hands out may fail, but only as retryable, and not for ever
    for attempt in 0.. {
        match store.reader().await {
            Ok(mut reader) => match reader.position().await {
                Ok(_) => break,
                Err(error) => assert!(error.is_retryable() && attempt < 20, "{error}"),
            },
            Err(error) => assert!(error.is_retryable() && attempt < 20, "{error}"),
        }
    }
    assert_eq!(place.number("SELECT count(*) FROM account WHERE name = 'Lost'").await, 0);
}
