//! Many credentials end in one transaction, beside others that write what hangs on them.
use claviger_domain::credential::End;
use claviger_store::{credential::SecretUse, ending::Ended};
use claviger_testkit::soon::assert_soon_async;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_forgets_secrets_and_a_flush_of_their_uses_wait_for_each_other_and_never_both_on_postgres() {
    let place = Place::postgres();
    let store = place.open().await;
    let acme = make_account(&store, "Acme").await;
    let mut made = [credential(acme.id, "clv_client_1"), credential(acme.id, "clv_client_2")];
    // a flush goes by the order of the secrets
    made.sort_by_key(|(_, secret)| secret.view.id.to_string());
    let mut tx = store.begin().await.expect("begun");
    for (credential, secret) in &made {
        tx.insert_credential(credential, secret, "operator:test").await.expect("inserted");
    }
    let [first, second] = [0, 1].map(|at| made[at].1.view.id);
    // of the first there is a use already, of the second none
    tx.record_secret_use(first, &SecretUse { at: at(0), source: None }).await.expect("noted");
    tx.commit_housekeeping().await.expect("committed");
    let mut flush = store.begin().await.expect("begun");
    flush.record_secret_use(first, &SecretUse { at: at(1), source: None }).await.expect("noted");
    let batch = tokio::spawn({
        let (store, wanted) = (store.clone(), made.clone().map(|(credential, _)| (acme.id, credential.id)));
        async move {
            let mut tx = store.begin().await?;
            let taken = tx.take_free_credentials(&wanted).await?;
            let end = |credential| {
                let end = Some(End { at: at(2), by: "operator:test".into(), reason: None, was_paused: false });
                Ended { credential: Credential { state: State::Deleted, end, ..credential }, forgets: true, event: event(Some(acme.id)) }
            };
            let recorded = tx.end_credentials(&taken.into_iter().map(end).collect::<Vec<_>>()).await?;
            tx.commit(recorded).await
        }
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    assert_soon_async("the batch waits for the flush", async || place.number(waiting).await > 0).await;
    flush.record_secret_use(second, &SecretUse { at: at(1), source: None }).await.expect("a first use");
    flush.commit_housekeeping().await.expect("committed");
    batch.await.expect("no panic").expect("ended");
    assert_eq!(place.number("SELECT (SELECT count(*) FROM credential_secret) + (SELECT count(*) FROM secret_use)").await, 0);
    assert_eq!(place.number("SELECT count(*) FROM credential WHERE state = 'deleted'").await, 2);
}
