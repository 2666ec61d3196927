//! `POST /v1/verify:batch`.
use axum::{body::Body, http::Request};
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

#[tokio::test]
async fn a_batch_has_1_to_100_questions_and_nothing_else() {
    let world = World::sqlite().await;
    let none = json!({ "method": "GET", "path": "/", "headers": {} });
    for (count, status) in [(0, 422), (1, 200), (100, 200), (101, 422)] {
        assert_eq!(ask(&world, json!({ "questions": vec![none.clone(); count] }).to_string()).await.status, status, "{count}");
    }
    ask(&world, "{".into()).await.assert_problem(400, "json_malformed");
    ask(&world, json!({ "questions": [], "more": 1 }).to_string()).await.assert_problem(422, "invalid");
    ask(&world, format!("{{\"questions\": [\"{}\"]}}", "x".repeat(1024 * 1024))).await.assert_problem(413, "body_too_large");
}
