//! The throw-away PostgreSQL gives each test a database of its own, as an installation would have it.

use claviger_testkit::postgres::{Cluster, Fsync};
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("it is up");
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn databases_are_separate_and_owned_by_an_ordinary_role() {
    let first = Cluster::shared().fresh_database();
    let second = Cluster::shared().fresh_database();
    let (first, second) = (connect(first.url()).await, connect(second.url()).await);
    first.batch_execute("CREATE TABLE t (n bigint); INSERT INTO t VALUES (1)").await.expect("the owner may");
    assert!(second.query("SELECT n FROM t", &[]).await.is_err());
    let superuser: &str = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    let row = first.query_one(superuser, &[]).await.expect("one role");
    assert!(!row.get::<_, bool>(0));
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let database = Cluster::shared().fresh_database();
    let (before, after) = database.url().split_once('@').expect("it has a password");
    let (role, _) = before.rsplit_once(':').expect("it has a password");
    let url = format!("{role}:wrong@{after}");
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
}

#[tokio::test]
async fn a_database_is_gone_when_dropped_even_while_somebody_is_connected() {
    let database = Cluster::shared().fresh_database();
    let url = database.url().to_owned();
    let _connected = connect(&url).await;
    drop(database);
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
}

#[tokio::test]
async fn connections_can_be_cut() {
    let database = Cluster::shared().fresh_database();
    let client = connect(database.url()).await;
    database.cut_connections();
    assert!(client.query("SELECT 1", &[]).await.is_err());
    connect(database.url()).await.query("SELECT 1", &[]).await.expect("a new connection works");
}

#[tokio::test]
async fn what_was_committed_survives_a_stop_and_is_found_under_the_same_url() {
    let mut cluster = Cluster::start_with(Fsync::Off);
    let database = cluster.fresh_database();
    let client = connect(database.url()).await;
    client.batch_execute("CREATE TABLE t (n bigint); INSERT INTO t VALUES (1)").await.expect("the owner may");
    cluster.stop();
    assert!(tokio_postgres::connect(database.url(), NoTls).await.is_err());
    cluster.resume();
    let client = connect(database.url()).await;
    let row = client.query_one("SELECT n FROM t", &[]).await.expect("it is there");
    assert_eq!(row.get::<_, i64>(0), 1);
}
