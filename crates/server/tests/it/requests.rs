//! API requests that gateways report: who finds them in the audit log, what of them, and for how long.
use axum::{body::Body, http::Request};
use claviger_domain::kind::Kinds;
use claviger_server::config::Partial;
use serde_json::{Value, json};

use crate::common::{Answer, World, on_both_engines};

const SECRET: &str = "hunter2";

/// A tenant with an admin key, and the key's verification as a gateway hears it.
struct Tenant {
    id: String,
    key: String,
    public_id: String,
    principal: Value,
    request_id: String,
}

impl Tenant {
    async fn of(world: &World) -> Self {
        let id = world.account("tenant", "Acme").await;
        let made = world.operator().post(&format!("/v1/accounts/{id}/credentials"), json!({ "email": "ann@example.com", "roles": ["admin"] })).await;
        let key = made.json()["secret"].as_str().expect("a key").to_owned();
        let verdict = world.ask(json!({ "method": "GET", "path": "/", "headers": { "x-api-key": key } })).await.json();
        let (principal, request_id) = (verdict["principal"].clone(), verdict["request_id"].as_str().expect("an id").to_owned());
        Self { id, public_id: principal["public_id"].as_str().expect("a public part").to_owned(), key, principal, request_id }
    }

    /// A report of a request with everything that must not be kept.
    fn report(&self) -> Value {
        json!({
            "credential_id": self.principal["credential_id"],
            "acting_account_id": self.principal["acting_account_id"],
            "request_id": self.request_id,
            "client_ip": "192.0.2.7",
            "method": "POST",
            "url": format!("/orders?page=2&token={SECRET}&q={}", self.key),
            "status": 201,
            "duration_seconds": 0.25,
            "headers": { "Authorization": format!("Bearer {}", self.key), "X-API-Key": self.key, "Cookie": SECRET, "User-Agent": "curl/8.5", "Content-Type": "application/json" },
            "request_body": format!("{{\"name\":\"Ann\",\"password\":\"{SECRET}\"}}"),
            "response_body": format!("<a><secret>{SECRET}</secret></a>"),
            "response_content_type": "text/xml",
        })
    }

    async fn history(&self, world: &World, query: &str) -> Vec<Value> {
        let answer = world.anyone().with("x-api-key", &self.key).get(&format!("/v1/audit-log/history?limit=200{query}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.text().contains(SECRET) && !answer.text().contains(&self.key), "{answer:?}");
        answer.json()["items"].as_array().expect("items").iter().filter(|item| item["action"] == "api.request").cloned().collect()
    }
}

async fn report(world: &World, requests: Value) -> Answer {
    let request = Request::post("/v1/api-requests").header("content-type", "application/json");
    let answer = world.at_gateway(request.body(Body::from(json!({ "requests": requests }).to_string())).expect("a request")).await;
    world.app.flush_requests().await.expect("written");
    answer
}

on_both_engines! {
    async fn a_reported_request_is_in_its_accounts_audit_log_and_in_no_other(world) {
        world.tick();
        let (acme, other) = (Tenant::of(&world).await, Tenant::of(&world).await);
        let accepted = report(&world, json!([acme.report()])).await;
        assert_eq!((accepted.status, &accepted.json()["accepted"]), (202, &json!(1)), "{accepted:?}");
        let all = acme.history(&world, "").await;
        assert_eq!(all.len(), 1);
        let event = &all[0];
        for (field, value) in [
            ("account_id", json!(acme.id)),
            ("actor", json!(format!("key:{}", acme.public_id))),
            ("target", json!(acme.public_id)),
            ("request_id", json!(acme.request_id)),
            ("source", json!("192.0.2.7")),
            ("detail", json!({})),
        ] {
            assert_eq!(event[field], value, "{field}");
        }
        let request = &event["request"];
        assert_eq!((&request["method"], &request["status"], &request["duration_seconds"]), (&json!("POST"), &json!(201), &json!(0.25)));
        assert_eq!(request["url"], format!("/orders?page=2&token=***&q={}***", acme.key.split_at(8).0));
        assert_eq!(request["headers"], json!({ "authorization": ["***"], "x-api-key": ["***"], "cookie": ["***"], "user-agent": ["curl/8.5"], "content-type": ["application/json"] }));
        assert!(request.get("request_body").is_none() && request.get("response_body").is_none(), "bodies are kept only where that is switched on");
        assert!(other.history(&world, "").await.is_empty());
    }

    async fn requests_are_found_by_the_same_filters_and_pages_as_other_events(world) {
        world.tick();
        let acme = Tenant::of(&world).await;
        let unit = world.account_under("business_unit", "North", Some(&acme.id)).await;
        for _ in 0..3 {
            world.advance(10);
            report(&world, json!([acme.report(), acme.report()])).await;
        }
        let found = async |query: String| acme.history(&world, &query).await.len();
        assert_eq!(found(String::new()).await, 6);
        assert_eq!(found(format!("&credential={}", acme.public_id)).await, 6);
        assert_eq!(found(format!("&actor=key:{}", acme.public_id)).await, 6);
        assert_eq!(found("&actor=operator:tests".to_owned()).await, 0);
        assert_eq!(found(format!("&business_unit={unit}")).await, 0);
        assert_eq!(found(format!("&business_unit={}", acme.id)).await, 6);
        assert_eq!(found(format!("&from={}", world.app.clock.now() - std::time::Duration::from_secs(5))).await, 2);
        assert_eq!(found(format!("&to={}", world.app.clock.now() - std::time::Duration::from_secs(5))).await, 4);
        let (mut cursor, mut ids) = (String::new(), Vec::new());
        loop {
            let page = world.anyone().with("x-api-key", &acme.key).get(&format!("/v1/audit-log/history?limit=2{cursor}")).await.json();
            ids.extend(page["items"].as_array().expect("items").iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let mut sorted = ids.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        sorted.dedup();
        assert_eq!(ids, sorted, "every line once, newest first");
        assert!(ids.len() > 6, "management events are among them");
    }

    async fn requests_leave_the_log_after_their_days_and_other_events_do_not(world) {
        let acme = Tenant::of(&world).await;
        report(&world, json!([acme.report()])).await;
        world.advance(29 * 86_400);
        report(&world, json!([acme.report()])).await;
        world.app.drop_old_requests().await.expect("dropped");
        assert_eq!(acme.history(&world, "").await.len(), 2);
        world.advance(2 * 86_400);
        world.app.drop_old_requests().await.expect("dropped");
        assert_eq!(acme.history(&world, "").await.len(), 1);
        assert!(world.actions(&acme.id).await.contains(&"account.created".to_owned()));
    }
}

#[tokio::test]
async fn bodies_are_kept_where_that_is_switched_on_and_redacted_by_their_type() {
    let settings = Partial { api_request_bodies: Some(true), ..Partial::default() };
    let world = World::with(settings, None, Kinds::built_in().expect("sound")).await;
    let acme = Tenant::of(&world).await;
    report(&world, json!([acme.report()])).await;
    let kept = acme.history(&world, "").await[0]["request"].clone();
    assert_eq!(kept["request_body"], r#"{"name":"Ann","password":"***"}"#);
    assert_eq!(kept["response_body"], "<a><secret>***</secret></a>");
    let mut picture = acme.report();
    picture["response_content_type"] = json!("image/png");
    report(&world, json!([picture])).await;
    assert_eq!(acme.history(&world, "").await.iter().filter(|item| item["request"]["response_body"] == "(31 bytes, not kept)").count(), 1);
}

#[tokio::test]
async fn as_csv_a_request_has_its_own_columns() {
    let world = World::sqlite().await;
    let acme = Tenant::of(&world).await;
    report(&world, json!([acme.report()])).await;
    let csv = world.anyone().with("x-api-key", &acme.key).with("accept", "text/csv").get("/v1/audit-log/history").await.text();
    assert!(csv.lines().next().is_some_and(|line| line.ends_with("source,method,url,status,duration_seconds,headers")), "{csv}");
    let line = csv.lines().find(|line| line.contains("api.request")).expect("it is there");
    assert!(line.contains(r#","POST","/orders?page=2&token=***&q=clv_key_***","201","0.25","{""authorization"":[""***""]"#), "{line}");
    assert!(csv.lines().any(|line| line.contains("account.created") && line.ends_with(r#","","","","","""#)), "{csv}");
    assert!(!csv.contains(SECRET) && !csv.contains(&acme.key));
}

#[tokio::test]
async fn what_names_no_credential_of_ours_is_nobodys_and_what_is_malformed_is_refused() {
    let world = World::sqlite().await;
    let acme = Tenant::of(&world).await;
    for credential in [Value::Null, json!(""), json!("-"), json!("nonsense")] {
        let mut one = acme.report();
        one["credential_id"] = credential;
        assert_eq!(report(&world, json!([one])).await.json()["accepted"], 0);
    }
    let mut unknown = acme.report();
    unknown["credential_id"] = json!("01890000-0000-7000-8000-000000000001");
    assert_eq!(report(&world, json!([unknown])).await.json()["accepted"], 1, "whether it exists is not told");
    report(&world, json!([])).await.assert_invalid("#/requests", "requests_count");
    report(&world, json!([{ "method": "GET" }])).await.assert_invalid("#/requests/0/url", "field_required");
    assert!(acme.history(&world, "").await.is_empty());
    let metrics = world.at_gateway(Request::get("/metrics").body(Body::empty()).expect("a request")).await.text();
    assert!(metrics.contains("claviger_api_requests_total{outcome=\"unknown\"} 1"), "{metrics}");
}

// reading twenty thousand reports takes a while, and a lease is renewed meanwhile
#[tokio::test(flavor = "multi_thread")]
async fn more_than_can_be_written_is_dropped_counted_and_said() {
    let world = World::sqlite().await;
    let acme = Tenant::of(&world).await;
    let many = json!({ "requests": vec![acme.report(); 1_000] }).to_string();
    assert!(many.len() < 1024 * 1024, "{}", many.len());
    let mut last = 202;
    for _ in 0..21 {
        let request = Request::post("/v1/api-requests").header("content-type", "application/json");
        last = world.at_gateway(request.body(Body::from(many.clone())).expect("a request")).await.status;
    }
    assert_eq!(last, 503);
    let metrics = world.at_gateway(Request::get("/metrics").body(Body::empty()).expect("a request")).await.text();
    assert!(metrics.contains("claviger_api_requests_total{outcome=\"dropped\"} 1000"), "{metrics}");
    assert_eq!(world.ask(json!({ "method": "GET", "path": "/", "headers": { "x-api-key": acme.key } })).await.json()["verdict"], "allowed");
}
