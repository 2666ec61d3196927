//! A node and its lease: without one it cannot say, and every change tells since when it is true.
use serde_json::json;

use crate::common::World;

#[tokio::test]
async fn without_a_lease_a_node_cannot_say_and_is_not_ready() {
    let mut world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let bearer = format!("Bearer {}", world.token(&made).await);
    let question = json!({ "method": "GET", "path": "/", "headers": { "Authorization": bearer, "AccountId": [made.account] } });
    assert_eq!(world.ask(question.clone()).await.json()["verdict"], "allowed");
    world.leave().await;
    let answer = world.ask(question).await;
    assert_eq!(answer.status, 503, "memory answered without a lease: {answer:?}");
    let nginx = world.nginx(&[("authorization", bearer.as_bytes()), ("AccountId", made.account.as_bytes())]).await;
    assert_eq!(nginx.status, 503, "{nginx:?}");
}

#[tokio::test]
async fn every_change_tells_since_when_it_is_true_on_how_many_nodes() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let path = format!("/v1/accounts/{}/credentials/{}", made.account, made.id);
    let shown = world.operator().get(&path).await;
    assert_eq!(shown.headers.get("effective-at"), None, "nothing was changed");
    for time in ["once", "again"] {
        let deleted = world.operator().delete(&path).await;
        assert_eq!((deleted.status, deleted.header("effective-nodes")), (204, "1"), "{time}: {deleted:?}");
        assert!(!deleted.header("effective-at").is_empty() && deleted.header("effective-after-ms").parse::<u64>().is_ok(), "{time}: {deleted:?}");
    }
    let cluster = world.operator().get("/v1/cluster").await.json();
    assert_eq!((cluster["nodes"].as_array().map(Vec::len), &cluster["nodes"][0]["answering"]), (Some(1), &json!(true)), "{cluster}");
    assert_eq!(cluster["last_change"]["nodes"], 1, "{cluster}");
}
