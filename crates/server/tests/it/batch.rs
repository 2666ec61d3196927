//! `POST /v1/verify:batch`.
use axum::{body::Body, http::Request};
use claviger_server::config::Partial;
use serde_json::{Value, json};

use crate::common::{Answer, World};

async fn ask(world: &World, body: String) -> Answer {
    let request = Request::post("/v1/verify:batch").header("content-type", "application/json").header("x-request-id", "fixed");
    world.at_gateway(request.body(Body::from(body)).expect("a request")).await
}

#[tokio::test]
async fn each_question_has_its_own_answer_and_a_bad_one_spoils_no_other() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let bearer = format!("Bearer {}", world.token(&made).await);
    let good = json!({ "method": "GET", "path": "/", "headers": { "authorization": bearer, "accountid": acme } });
    let none = json!({ "method": "GET", "path": "/", "headers": {} });
    let questions = [
        good.clone(),
        json!("nonsense"),
        none,
        json!({ "method": "GET" }),
        json!({ "method": "GET", "path": "/", "headers": {}, "body": "%" }),
        good,
    ];
    let answer = ask(&world, json!({ "questions": questions }).to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answers = answer.json()["answers"].as_array().expect("answers").clone();
    assert_eq!(answers.len(), 6);
    for (at, answer) in answers.iter().enumerate() {
        let (verdict, status, id): (&Value, i64, &Value) = match answer.get("problem") {
            Some(problem) => (&Value::Null, problem["status"].as_i64().expect("a status"), &problem["request_id"]),
            None => (&answer["verdict"], answer["status"].as_i64().expect("a status"), &answer["request_id"]),
        };
        let expected =
            [(json!("allowed"), 200), (Value::Null, 422), (json!("refused"), 401), (Value::Null, 422), (Value::Null, 422), (json!("allowed"), 200)];
        assert_eq!((verdict, status), (&expected[at].0, expected[at].1), "{answer}");
        assert_eq!(id, &json!(format!("fixed.{at}")));
    }
    assert_eq!(answers[0]["principal"]["account_id"], json!(acme));
}

/// As gateways are told by header fields.
#[tokio::test]
async fn what_a_client_is_told_besides_the_status_is_in_the_answer() {
    let settings = Partial { rate_limit: Some("1/m burst 2".parse().expect("a limit")), ..Partial::default() };
    let world = World::with(settings, None, claviger_domain::kind::Kinds::built_in().expect("sound")).await;
    let acme = world.account("business", "Acme").await;
    let wish = json!({ "kind": "api_key", "name": "x", "access": { "level": "fine_grained", "scopes": ["orders:read"] } });
    let made = world.operator().post(&format!("/v1/accounts/{acme}/credentials"), wish).await.json();
    let with = |key: &Value, scope: &str| json!({ "method": "GET", "path": "/", "headers": { "x-api-key": key }, "require": [scope] });
    let good = with(&made["secret"], "orders:read");
    let none = json!({ "method": "GET", "path": "/", "headers": {} });
    let questions = [good.clone(), good.clone(), good.clone(), none, with(&json!("junk"), "orders:read"), with(&made["secret"], "orders:write")];
    let metadata = "resource_metadata=\"http://claviger.test/.well-known/oauth-protected-resource\"";
    let challenge = |what: &str| json!(format!("Bearer realm=\"claviger\"{what}, {metadata}"));
    let left = |remaining: u32, reset: u32| json!({ "policy": "credential", "quota": 2, "window": 120, "remaining": remaining, "reset": reset });
    let answers = ask(&world, json!({ "questions": questions }).to_string()).await.json()["answers"].clone();
    for (at, (status, retry_after, rate_limit, www_authenticate)) in [
        (200, Value::Null, left(1, 60), Value::Null),
        (200, Value::Null, left(0, 60), Value::Null),
        (429, json!(60), left(0, 60), Value::Null),
        (401, Value::Null, Value::Null, challenge("")),
        (401, Value::Null, Value::Null, challenge(", error=\"invalid_token\"")),
        (403, Value::Null, Value::Null, challenge(", error=\"insufficient_scope\", scope=\"orders:write\"")),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = &answers[at];
        let told = (&answer["status"], &answer["retry_after"], &answer["rate_limit"], &answer["www_authenticate"]);
        assert_eq!(told, (&json!(status), &retry_after, &rate_limit, &www_authenticate), "{at}: {answer}");
    }
    // one question alone, and what nginx is told of the same credential
    world.advance(30);
    assert_eq!(world.ask(good).await.json()["retry_after"], 30);
    let key = made["secret"].as_str().expect("a key").as_bytes();
    let nginx = world.nginx(&[("x-api-key", key), ("x-claviger-require", b"orders:read")]).await;
    assert_eq!(
        (nginx.header("retry-after"), nginx.header("ratelimit"), nginx.header("ratelimit-policy")),
        ("30", "\"credential\";r=0;t=30", "\"credential\";q=2;w=120")
    );
}

#[tokio::test]
async fn a_batch_has_1_to_100_questions_and_nothing_else() {
    let world = World::sqlite().await;
    let none = json!({ "method": "GET", "path": "/", "headers": {} });
    for (count, status) in [(0, 422), (1, 200), (100, 200), (101, 422)] {
        assert_eq!(ask(&world, json!({ "questions": vec![none.clone(); count] }).to_string()).await.status, status, "{count}");
    }
    ask(&world, "{".into()).await.assert_problem(400, "json_malformed");
    ask(&world, json!({ "questions": [], "more": 1 }).to_string()).await.assert_problem(422, "invalid");
    ask(&world, format!("{{\"questions\": [\"{}\"]}}", "x".repeat(2 * 1024 * 1024))).await.assert_problem(413, "body_too_large");
    // as much of a body as gateways hand over can be asked about, alone too
    let with_body = json!({ "method": "POST", "path": "/", "headers": {}, "body": data_encoding::BASE64.encode(&vec![7; 1024 * 1024]) });
    assert_eq!(world.ask(with_body.clone()).await.status, 200);
    assert_eq!(ask(&world, json!({ "questions": [with_body] }).to_string()).await.status, 200);
    world.ask_in_text(" ".repeat(2 * 1024 * 1024 + 1)).await.assert_problem(413, "body_too_large");
}
