//! Rate limits of several nodes on one database: each gives its share, or all together the whole.
use claviger_server::{
    cluster::Mode,
    config::{Counting, Partial},
};
use claviger_testkit::{postgres::Cluster, soon::assert_soon_async};

use crate::common::{Answer, World};

fn settings(counting: Counting) -> Partial {
    Partial { rate_limit: Some("1/m burst 10".parse().expect("a limit")), rate_limit_counting: Some(counting), ..Partial::default() }
}

async fn world(settings: Partial) -> World {
    World::with(settings, Some(Cluster::shared().fresh_database()), claviger_domain::kind::Kinds::built_in().expect("sound")).await
}

/// A credential's token, and its account.
struct Key {
    token: String,
    account: String,
}

impl Key {
    async fn of(world: &World) -> Self {
        let account = world.account("corporate", "Acme").await;
        let made = world.credential(&account).await;
        Self { token: world.token(&made).await, account }
    }

    async fn used_at(&self, node: &World) -> Answer {
        node.use_token(&self.token, &self.account).await
    }

    /// How many of so many requests are allowed; each of the others is one too many, and nothing else.
    async fn allowed_at(&self, node: &World, times: usize) -> usize {
        let mut allowed = 0;
        for _ in 0..times {
            let answer = self.used_at(node).await;
            assert!(answer.status == 200 || (answer.status, answer.header("x-claviger-status")) == (403, "429"), "{answer:?}");
            allowed += usize::from(answer.status == 200);
        }
        allowed
    }

    async fn policy_at(&self, node: &World) -> String {
        self.used_at(node).await.header("ratelimit-policy").to_owned()
    }
}

/// How many verifications the database did not count in time.
async fn fallbacks(node: &World) -> usize {
    let metrics = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).expect("a request");
    let text = node.at_gateway(metrics).await.text();
    let line = text.lines().find_map(|line| line.strip_prefix("claviger_rate_limit_fallbacks_total ")).expect("a metric");
    line.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_on_postgres_give_a_half_each_and_one_that_is_left_the_whole() {
    let first = world(settings(Counting::Share)).await;
    let key = Key::of(&first).await;
    assert_eq!(key.allowed_at(&first, 2).await, 2);
    assert_eq!(key.policy_at(&first).await, r#""credential";q=10;w=600"#);
    let mut second = first.beside(settings(Counting::Share)).await;
    // seven are left at the first, of which it may give five; the second may have no more than what flows in
    assert_eq!((key.allowed_at(&first, 9).await, key.allowed_at(&second, 9).await), (5, 0));
    for node in [&first, &second] {
        assert_eq!(key.policy_at(node).await, r#""credential";q=5;w=600"#);
        node.advance(240);
        assert_eq!(key.allowed_at(node, 9).await, 2, "a half of one each minute");
    }
    second.leave().await;
    assert_soon_async("the first has all of it", async || key.policy_at(&first).await == r#""credential";q=10;w=600"#).await;
    assert_eq!(key.allowed_at(&first, 9).await, 0, "what another had is not there at once");
    first.advance(240);
    assert_eq!(key.allowed_at(&first, 9).await, 4, "one each minute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_for_which_postgres_counts_give_the_burst_together() {
    let direct = || Partial { revocation: Some(Mode::Direct), ..settings(Counting::Share) };
    for (what, both) in [("exact", (settings(Counting::Exact), settings(Counting::Exact))), ("where no row tells who is there", (direct(), direct()))]
    {
        let first = world(both.0).await;
        let second = first.beside(both.1).await;
        let key = Key::of(&first).await;
        assert_eq!(key.policy_at(&second).await, r#""credential";q=10;w=600"#, "{what}");
        let asking = [&first, &second, &first, &second].map(|node| key.allowed_at(node, 6));
        let [a, b, c, d] = asking;
        let counts = tokio::join!(a, b, c, d);
        let allowed = 1 + counts.0 + counts.1 + counts.2 + counts.3;
        // on a machine that is too busy for the database to answer in time it is the limit and a burst
        match fallbacks(&first).await + fallbacks(&second).await {
            0 => assert_eq!(allowed, 10, "{what}: {counts:?}"),
            some => assert!(allowed <= 10 + some, "{what}: {counts:?}, {some}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgres_does_not_count_a_node_counts_by_its_share_and_makes_up_for_it() {
    let node = world(settings(Counting::Exact)).await;
    let key = Key::of(&node).await;
    let before = key.allowed_at(&node, 3).await;
    assert_eq!(before, 3);
    let (client, connection) = tokio_postgres::connect(node.database.as_ref().expect("PostgreSQL").url(), tokio_postgres::NoTls).await.expect("up");
    tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE rate_bucket IN ACCESS EXCLUSIVE MODE").await.expect("nobody counts");
    let earlier = fallbacks(&node).await;
    // never "cannot say", and not any number: a burst of its own
    assert_eq!(key.allowed_at(&node, 15).await, 10 - earlier);
    assert_eq!(fallbacks(&node).await, earlier + 15);
    client.batch_execute("COMMIT").await.expect("on");
    let count = async || {
        let earlier = fallbacks(&node).await;
        let answer = key.used_at(&node).await;
        assert_ne!(answer.status, 200, "seven were left there, and ten are owed: {answer:?}");
        fallbacks(&node).await == earlier
    };
    assert_soon_async("the database counts again", count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_on_postgres_that_are_full_are_swept() {
    let node = world(settings(Counting::Exact)).await;
    let key = Key::of(&node).await;
    assert_eq!(key.allowed_at(&node, 1).await, 1);
    let database = node.database.clone().expect("PostgreSQL");
    let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.expect("up");
    tokio::spawn(connection);
    let rows = async || {
        claviger_server::app::sign_in::sweep(&node.app).await.expect("swept");
        client.query("SELECT credential_id FROM rate_bucket", &[]).await.expect("answered").len()
    };
    assert_eq!(rows().await, 1, "it is not full");
    database.run("UPDATE rate_bucket SET full_at = 0");
    assert_eq!(rows().await, 0);
}
