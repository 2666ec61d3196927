//! Transactions, and the rows that live for a while: links, sessions, remembered answers.
use std::{sync::Arc, time::Duration};

use claviger_domain::id::OperatorKeyId;
use claviger_store::operator_key::OperatorKey;

use super::*;

on_both_engines! {
    async fn a_dropped_transaction_leaves_nothing(place) {
        let store = place.open().await;
        let acme = make_account(&store, "Acme").await;
        let count = "SELECT (SELECT count(*) FROM account) + (SELECT count(*) FROM event) + (SELECT count(*) FROM credential) + (SELECT count(*) FROM member)";
        let before = place.number(count).await;
        let mut tx = store.begin().await.expect("begun");
        tx.insert_account(&account("Ghost")).await.expect("inserted");
        let (credential, secret) = credential(acme.id, "clv_client_ghost");
        tx.insert_credential(&credential, &secret, "operator:test").await.expect("inserted");
        tx.save_member(&member(acme.id, "ghost@example.com", "owner")).await.expect("saved");
        let _never_committed = recorded(&mut tx, Some(acme.id)).await;
        drop(tx);
        // the engine is free again at once, and nothing is there
        make_account(&store, "Next").await;
        assert_eq!(place.number(count).await, before + 2, "one account and one event of the next one");
        assert_eq!(place.number("SELECT count(*) FROM account WHERE name = 'Ghost'").await, 0);
    }

    async fn a_cancelled_writer_leaves_nothing_and_blocks_no_one(place) {
        let store = place.open().await;
        let (begun, waiting) = tokio::sync::oneshot::channel();
        let writer = tokio::spawn({
            let store = store.clone();
            async move {
                let mut tx = store.begin().await.expect("begun");
                tx.insert_account(&account("Ghost")).await.expect("inserted");
                let _ = begun.send(());
                std::future::pending::<()>().await;
            }
        });
        waiting.await.expect("begun");
        writer.abort();
        let _ = writer.await;
        make_account(&store, "Next").await;
        assert_eq!(place.rows("SELECT name FROM account").await, ["Next"]);
    }

    async fn a_second_row_with_a_unique_value_is_a_duplicate_and_leaves_nothing(place) {
        let store = place.open().await;
        let first = Account { external_id: Some("42".into()), ..account("First") };
        let second = Account { external_id: Some("42".into()), ..account("Second") };
        let mut tx = store.begin().await.expect("begun");
        tx.insert_account(&first).await.expect("inserted");
        let done = recorded(&mut tx, None).await;
        tx.commit(done).await.expect("committed");
        let mut tx = store.begin().await.expect("begun");
        assert!(matches!(tx.insert_account(&second).await, Err(StoreError::Duplicate)));
        drop(tx);
        make_credential(&store, first.id, "clv_client_1").await;
        let (again, secret) = credential(first.id, "clv_client_1");
        let mut tx = store.begin().await.expect("begun");
        assert!(matches!(tx.insert_credential(&again, &secret, "x").await, Err(StoreError::Duplicate)));
        drop(tx);
        assert_eq!(place.number("SELECT count(*) FROM credential").await, 1);
    }

    async fn a_row_that_names_nothing_there_is_not_called_a_duplicate(place) {
        let store = place.open().await;
        let (orphan, secret) = credential(AccountId::new(at(0), &Counting), "clv_client_orphan");
        let mut tx = store.begin().await.expect("begun");
        let error = tx.insert_credential(&orphan, &secret, "x").await.expect_err("no such account");
        assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    }

    async fn of_two_who_take_a_sign_in_link_at_once_exactly_one_gets_it(place) {
        let store = Arc::new(place.open().await);
        let acme = make_account(&store, "Acme").await;
        for round in 0..8 {
            let link = digest(&format!("link {round}"));
            let mut tx = store.begin().await.expect("begun");
            tx.insert_sign_in_link(&link, &person(Some(acme.id), "ann@example.com"), at(300)).await.expect("inserted");
            tx.commit_housekeeping().await.expect("committed");
            let start = Arc::new(tokio::sync::Barrier::new(2));
            let takers: Vec<_> = (0..2)
                .map(|_| {
                    let (store, start) = (store.clone(), start.clone());
                    tokio::spawn(async move {
                        start.wait().await;
                        let mut tx = store.begin().await.expect("begun");
                        let taken = tx.take_sign_in_link(&link, at(0)).await.expect("answered");
                        tx.commit_housekeeping().await.expect("committed");
                        taken
                    })
                })
                .collect();
            let mut got = 0;
            for taker in takers {
                got += usize::from(taker.await.expect("no panic").is_some());
            }
            assert_eq!(got, 1, "round {round}");
        }
    }

    async fn an_expired_link_signs_no_one_in_to_the_microsecond(place) {
        let store = place.open().await;
        for (now, taken) in [(at(300) - Duration::from_micros(1), true), (at(300), false), (at(301), false)] {
            let mut tx = store.begin().await.expect("begun");
            tx.insert_sign_in_link(&digest("l"), &person(None, "operator"), at(300)).await.expect("inserted");
            assert_eq!(tx.take_sign_in_link(&digest("l"), now).await.expect("answered").is_some(), taken, "{now}");
            tx.commit_housekeeping().await.expect("committed");
        }
    }

    async fn a_remembered_answer_is_found_until_its_time_and_replaced_after_it(place) {
        let store = place.open().await;
        let mut tx = store.begin().await.expect("begun");
        tx.remember(&digest("k"), &digest("r"), b"first".to_vec(), at(0), at(600)).await.expect("remembered");
        tx.commit_housekeeping().await.expect("committed");
        let mut reader = store.reader().await.expect("a reader");
        let found = reader.find_remembered(&digest("k"), at(599)).await.expect("answered").expect("found");
        assert_eq!((found.request.as_slice(), found.answer.as_slice()), (&digest("r").as_bytes()[..], &b"first"[..]));
        assert!(reader.find_remembered(&digest("k"), at(600)).await.expect("answered").is_none());
        assert!(reader.find_remembered(&digest("other"), at(0)).await.expect("answered").is_none());
        drop(reader);
        let mut tx = store.begin().await.expect("begun");
        let again = tx.remember(&digest("k"), &digest("r"), b"second".to_vec(), at(599), at(1200)).await;
        assert!(matches!(again, Err(StoreError::Duplicate)), "{again:?}");
        drop(tx);
        let mut tx = store.begin().await.expect("begun");
        tx.remember(&digest("k"), &digest("r"), b"second".to_vec(), at(600), at(1200)).await.expect("the first one is past its time");
        tx.commit_housekeeping().await.expect("committed");
        let found = store.reader().await.expect("a reader").find_remembered(&digest("k"), at(600)).await.expect("answered").expect("found");
        assert_eq!(found.answer, b"second");
    }

    async fn the_sweep_drops_what_is_past_its_time_and_nothing_else(place) {
        let store = place.open().await;
        let mut tx = store.begin().await.expect("begun");
        for (name, until) in [("old", at(10)), ("due", at(20)), ("young", at(21))] {
            tx.insert_sign_in_link(&digest(name), &person(None, name), until).await.expect("inserted");
            tx.remember(&digest(name), &digest("r"), vec![1], at(0), until).await.expect("remembered");
        }
        // begun before 5, or last seen before 15: over
        for (name, begun, seen) in [("too long", 4, 19), ("idle", 6, 14), ("alive", 6, 16)] {
            tx.insert_session(&digest(name), &person(None, name), &Origin::default(), at(begun)).await.expect("inserted");
            tx.touch_session(&digest(name), at(seen)).await.expect("touched");
        }
        tx.commit_housekeeping().await.expect("committed");
        let mut tx = store.begin().await.expect("begun");
        tx.sweep(at(20), at(5), at(15)).await.expect("swept");
        tx.commit_housekeeping().await.expect("committed");
        assert_eq!(place.rows("SELECT person FROM sign_in_link").await, ["young"]);
        assert_eq!(place.rows("SELECT person FROM session").await, ["alive"]);
        assert_eq!(place.number("SELECT count(*) FROM idempotency").await, 1);
    }

    async fn a_removed_member_takes_sessions_links_and_assignments_along(place) {
        let store = place.open().await;
        let (acme, other) = (make_account(&store, "Acme").await, make_account(&store, "Other").await);
        let mut tx = store.begin().await.expect("begun");
        for (account, token) in [(acme.id, "acme"), (other.id, "other")] {
            tx.save_member(&member(account, "Ann@example.com", "owner")).await.expect("saved");
            tx.assign_clients(account, "ann@example.com", &[other.id]).await.expect("assigned");
            tx.insert_session(&digest(token), &person(Some(account), "ann@example.com"), &Origin::default(), at(0)).await.expect("inserted");
            tx.insert_sign_in_link(&digest(token), &person(Some(account), "ann@example.com"), at(300)).await.expect("inserted");
        }
        tx.commit_housekeeping().await.expect("committed");
        let mut tx = store.begin().await.expect("begun");
        tx.delete_member(acme.id, "ann@example.com").await.expect("deleted");
        let done = recorded(&mut tx, Some(acme.id)).await;
        tx.commit(done).await.expect("committed");
        for table in ["member", "member_client", "sign_in_link", "session"] {
            let owners = place.rows(&format!("SELECT account_id FROM {table}")).await;
            assert_eq!(owners, [other.id.to_string()], "{table}");
        }
    }

    async fn a_revoked_operator_key_is_not_found_and_not_revoked_twice(place) {
        let store = place.open().await;
        let key = OperatorKey {
            id: OperatorKeyId::new(at(0), &Counting),
            public_id: "clv_operator_1".into(),
            name: "ci".into(),
            digest: digest("o"),
            hint: "…abcd".into(),
            created_at: at(0),
        };
        let mut tx = store.begin().await.expect("begun");
        tx.insert_operator_key(&key).await.expect("inserted");
        tx.commit_housekeeping().await.expect("committed");
        assert!(!store.reader().await.expect("a reader").find_operator_keys(&["clv_operator_1".into()]).await.expect("answered").is_empty());
        let mut tx = store.begin().await.expect("begun");
        assert_eq!(tx.revoke_operator_key(key.id, at(1)).await.expect("revoked").as_deref(), Some("ci"));
        assert_eq!(tx.revoke_operator_key(key.id, at(2)).await.expect("answered"), None);
        tx.commit_housekeeping().await.expect("committed");
        let mut reader = store.reader().await.expect("a reader");
        assert!(reader.find_operator_keys(&["clv_operator_1".into()]).await.expect("answered").is_empty());
        assert!(reader.list_operator_keys().await.expect("answered").is_empty());
    }

    async fn a_database_is_bound_to_the_first_key_ring_it_meets(place) {
        let store = place.open().await;
        assert_eq!(store.reader().await.expect("a reader").find_key_check().await.expect("answered"), None);
        for check in [b"first", b"other"] {
            let mut tx = store.begin().await.expect("begun");
            tx.bind_to_key_ring(check, at(0)).await.expect("bound");
            tx.commit_housekeeping().await.expect("committed");
        }
        assert_eq!(store.reader().await.expect("a reader").find_key_check().await.expect("answered").as_deref(), Some(&b"first"[..]));
    }
}
