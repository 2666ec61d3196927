//! The buckets of rate limits that are exact over several nodes: they give what they hold, whoever asks, and how many ask at once.
use std::collections::HashMap;

use claviger_store::rate::Taken;
use claviger_testkit::{
    postgres::{Fsync, Signal},
    soon::{DEADLINE, assert_soon_async},
};

use super::*;

/// Nothing flows in while a test runs.
const HOUR: i64 = 3_600_000_000_000;

fn id() -> CredentialId {
    CredentialId::new(at(0), &Counting)
}

async fn take(store: &Store, wanted: &[(CredentialId, u32)], interval: i64, burst: u32) -> HashMap<CredentialId, Taken> {
    store.take_from_buckets(&wanted.iter().copied().collect(), interval, burst, DEADLINE).await.expect("taken")
}

#[tokio::test]
async fn a_bucket_on_postgres_gives_its_burst_and_no_more_and_no_other_feels_it() {
    let place = Place::postgres();
    let store = place.open().await;
    let (one, other) = (id(), id());
    let mut left = 5;
    for (wanted, granted) in [(1, 1), (3, 3), (3, 1), (1, 0), (7, 0)] {
        let taken = take(&store, &[(one, wanted)], HOUR, 5).await[&one];
        left -= granted;
        assert_eq!(taken.granted, granted, "{wanted} wanted");
        let full_in = HOUR * i64::from(5 - left);
        assert!(taken.full_in <= full_in && taken.full_in > full_in - HOUR / 2, "{taken:?}: {left} are left");
    }
    let both = take(&store, &[(one, 2), (other, 9)], HOUR, 5).await;
    assert_eq!((both[&one].granted, both[&other].granted), (0, 5), "more than a bucket holds nobody gets");
    assert_eq!(take(&store, &[], HOUR, 5).await, HashMap::new());
}

#[tokio::test]
async fn what_flows_into_a_bucket_on_postgres_can_be_taken() {
    let place = Place::postgres();
    let store = place.open().await;
    let one = id();
    assert_eq!(take(&store, &[(one, 4)], HOUR, 4).await[&one].granted, 4);
    // as if an hour and a half had passed; then as long as the bucket needs to be full, and longer
    for (passed, granted) in [(HOUR / 2 * 3, 1), (HOUR * 100, 4)] {
        place.batch(&format!("UPDATE rate_bucket SET full_at = full_at - {passed}")).await;
        assert_eq!(take(&store, &[(one, 9)], HOUR, 4).await[&one].granted, granted, "{passed} ns later");
    }
    // a smaller limit, or a clock that was set back: what is missing is more than the bucket holds
    assert_eq!(take(&store, &[(one, 1)], HOUR, 2).await[&one].granted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_postgres_at_once_in_any_order_get_the_burst_together() {
    const EACH: usize = 40;
    let place = Place::postgres();
    let nodes = [place.open().await, place.open().await];
    let ids = [id(), id(), id()];
    let asking: Vec<_> = (0..2 * EACH)
        .map(|at| {
            let store = nodes[at % 2].clone();
            let mut wanted: Vec<_> = ids.iter().map(|id| (*id, 1 + u32::try_from(at % 3).expect("small"))).collect();
            wanted.rotate_left(at % 3);
            tokio::spawn(async move { take(&store, &wanted, HOUR, 100).await })
        })
        .collect();
    let mut granted = HashMap::<CredentialId, u32>::new();
    for one in asking {
        for (id, taken) in one.await.expect("no panic") {
            *granted.entry(id).or_default() += taken.granted;
        }
    }
    for id in ids {
        assert_eq!(granted[&id], 100, "{granted:?}");
    }
}

#[tokio::test]
async fn only_buckets_that_are_full_are_forgotten_on_postgres() {
    let place = Place::postgres();
    let store = place.open().await;
    let (one, other) = (id(), id());
    take(&store, &[(one, 1), (other, 2)], HOUR, 5).await;
    assert_eq!(store.forget_full_buckets().await.expect("swept"), 0);
    place.batch(&format!("UPDATE rate_bucket SET full_at = full_at - {HOUR}")).await;
    assert_eq!(store.forget_full_buckets().await.expect("swept"), 1);
    assert_eq!(place.rows("SELECT credential_id FROM rate_bucket").await, [other.to_string()]);
}

#[tokio::test]
async fn taking_from_a_bucket_on_postgres_waits_for_no_disk() {
    let place = Place::postgres();
    let store = place.open().await;
    assert_eq!(place.rows("SELECT relpersistence FROM pg_class WHERE relname = 'rate_bucket'").await, ["u"]);
    take(&store, &[(id(), 1)], HOUR, 5).await;
    // what is set for one statement is not left on the connection, which commits changes too
    assert_eq!(store.reader().await.expect("a reader").about().await.expect("asked").waits_for, "on");
}

/// A standby that a COMMIT waits for is silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taking_from_a_bucket_and_forgetting_it_wait_for_no_standby_of_postgres() {
    let primary = Cluster::start_with(Fsync::Off);
    let database = primary.fresh_database();
    let standby = primary.standby();
    let store = Store::open_postgres(database.url()).await.expect("opened");
    primary.commit_waits_for_standby(true);
    store.confirm().await.expect("the standby confirms");
    standby.signal_all(Signal::STOP);
    let one = id();
    assert_eq!(take(&store, &[(one, 1)], 1_000, 5).await[&one].granted, 1);
    assert_soon_async("it is full, and forgotten", async || store.forget_full_buckets().await.expect("swept") == 1).await;
    standby.signal_all(Signal::CONT);
}

#[tokio::test]
async fn a_lone_node_has_no_such_buckets() {
    let place = Place::sqlite();
    let store = place.open().await;
    store.take_from_buckets(&HashMap::from([(id(), 1)]), HOUR, 5, DEADLINE).await.expect_err("its memory is exact");
}
