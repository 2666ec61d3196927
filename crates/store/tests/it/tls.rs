//! The connection to PostgreSQL: encrypted to the server that was meant, or not at all.
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_to_postgres_is_encrypted_to_the_server_that_was_meant_or_refused() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let (known, stranger) = (folder.path().join("known.pem"), folder.path().join("stranger.pem"));
    std::fs::write(&known, made.cert.pem()).expect("written");
    std::fs::write(&stranger, other.cert.pem()).expect("written");
    let cluster = Cluster::start_with_certificate(&made.cert.pem(), &made.signing_key.serialize_pem());
    let database = cluster.fresh_database();
    let url = |host: &str, mode: &str, authorities: &std::path::Path| {
        format!("{}?sslmode={mode}&sslrootcert={}", database.url().replace("127.0.0.1", host), authorities.display())
    };
    for mode in ["verify-full", "require"] {
        let store = Store::open_postgres(&url("localhost", mode, &known)).await.expect("it is the one that was meant");
        assert!(store.reader().await.expect("a reader").about().await.expect("asked").encrypted, "{mode}");
        let mut bell = store.doorbell();
        bell.rings().await;
        for (why, host, authorities) in [("another authority", "localhost", &stranger), ("another name", "127.0.0.1", &known)] {
            let refused = Store::open_postgres(&url(host, mode, authorities)).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{mode}, {why}: {refused:?}");
        }
    }
    let open = Store::open_postgres(&url("localhost", "disable", &known)).await.expect("asked for");
    assert!(!open.reader().await.expect("a reader").about().await.expect("asked").encrypted);
    // a server that has no TLS is not spoken to without it
    let without = Cluster::shared().fresh_database();
    let refused = Store::open_postgres(&format!("{}?sslmode=verify-full&sslrootcert={}", without.url(), known.display())).await;
    assert!(refused.is_err(), "spoken to openly");
}
