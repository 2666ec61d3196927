//! Verification's two contracts: nginx's `auth_request`, and the JSON one.
use claviger_domain::id::SecretId;
use claviger_testkit::{
    postgres::{Cluster, Fsync},
    soon::{DEADLINE, assert_soon_async},
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{Made, World, on_both_engines};

const IDENTITY: [&str; 6] =
    ["x-claviger-account", "x-claviger-acting-account", "x-claviger-credential", "x-claviger-kind", "x-claviger-scopes", "x-claviger-request-id"];

async fn made(world: &World) -> (Made, String) {
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let token = world.token(&made).await;
    (made, format!("Bearer {token}"))
}

on_both_engines! {
    async fn an_allowed_request_is_answered_with_every_identity_header(world) {
        let (made, bearer) = made(&world).await;
        let answer = world.nginx(&[("authorization", bearer.as_bytes()), ("AccountId", made.account.as_bytes()), ("x-request-id", b"fixed")]).await;
        assert_eq!((answer.status, answer.bytes.len(), answer.header("cache-control")), (200, 0, "no-store"));
        let values = IDENTITY.map(|name| answer.header(name).to_owned());
        assert_eq!(values, [made.account.as_str(), &made.account, &made.id, "client", "*", "fixed"]);
    }

    async fn a_question_in_json_is_answered_in_json(world) {
        let (made, bearer) = made(&world).await;
        let asked = world.ask(json!({ "method": "POST", "path": "/x?y=z", "headers": { "Authorization": bearer, "AccountId": [made.account] }, "body": "aGk=", "client_ip": "192.0.2.1" })).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        let principal = json!({
            "credential_id": made.id, "public_id": made.public_id, "account_id": made.account, "acting_account_id": made.account,
            "kind": "client", "scopes": ["*"], "label": "dev@example.com", "expires_at": null,
        });
        assert_eq!(asked.json(), json!({
            "verdict": "allowed", "status": 200, "reason": null, "principal": principal, "retry_after": null, "rate_limit": null,
            "www_authenticate": null, "request_id": "fixed",
        }));
        let refused = world.ask(json!({ "method": "GET", "path": "/", "headers": { "authorization": bearer } })).await;
        assert_eq!(refused.status, 200);
        assert_eq!(refused.json(), json!({
            "verdict": "refused", "status": 400, "reason": "account_required", "principal": null, "retry_after": null, "rate_limit": null,
            "www_authenticate": null, "request_id": "fixed",
        }));
    }
}

#[tokio::test]
async fn every_refusal_travels_in_the_form_nginx_passes_on() {
    let world = World::sqlite().await;
    let (made, bearer) = made(&world).await;
    let (bearer, account) = (bearer.as_bytes(), made.account.as_bytes());
    let stranger = world.account("corporate", "Stranger").await;
    let upper = made.account.to_uppercase();
    let padded = format!(" {} ", made.account);
    for (name, fields, status, true_status, code) in [
        ("nothing", vec![], 401, "401", "credential_required"),
        ("nothing about an account", vec![("accountid", account)], 401, "401", "credential_required"),
        ("junk", vec![("authorization", &b"junk"[..]), ("accountid", account)], 401, "401", "credential_invalid"),
        ("an unknown kind of key", vec![("x-api-key", &b"clv_key_x"[..]), ("accountid", account)], 401, "401", "credential_invalid"),
        ("two tokens", vec![("authorization", bearer), ("authorization", bearer), ("accountid", account)], 403, "400", "several_credentials"),
        ("a token and a key", vec![("authorization", bearer), ("x-api-key", &b"x"[..]), ("accountid", account)], 403, "400", "several_credentials"),
        ("two keys", vec![("x-api-key", &b"x"[..]), ("x-api-key", &b"x"[..])], 403, "400", "several_credentials"),
        ("no account", vec![("authorization", bearer)], 403, "400", "account_required"),
        ("an empty account", vec![("authorization", bearer), ("accountid", &b""[..])], 403, "400", "account_malformed"),
        ("no UUID", vec![("authorization", bearer), ("accountid", &b"acme"[..])], 403, "400", "account_malformed"),
        ("not UTF-8", vec![("authorization", bearer), ("accountid", &b"\xff"[..])], 403, "400", "account_malformed"),
        ("braces", vec![("authorization", bearer), ("accountid", &b"{01890000-0000-7000-8000-000000000001}"[..])], 403, "400", "account_malformed"),
        ("no hyphens", vec![("authorization", bearer), ("accountid", &b"01890000000070008000000000000001"[..])], 403, "400", "account_malformed"),
        ("two accounts", vec![("authorization", bearer), ("accountid", account), ("accountid", account)], 403, "400", "account_malformed"),
        ("two in one", vec![("authorization", bearer), ("accountid", &b"a,b"[..])], 403, "400", "account_malformed"),
        (
            "a target that is no text",
            vec![("authorization", bearer), ("accountid", account), ("x-original-uri", &b"/\xff"[..])],
            403,
            "400",
            "header_invalid",
        ),
        ("a demand of nothing", vec![("x-claviger-require", &b" ,"[..])], 403, "400", "header_invalid"),
        ("two demands", vec![("x-claviger-require", &b"a:b"[..]), ("x-claviger-require", &b""[..])], 403, "400", "header_invalid"),
        ("another's", vec![("authorization", bearer), ("accountid", stranger.as_bytes())], 403, "403", "account_forbidden"),
        ("nobody's", vec![("authorization", bearer), ("accountid", &b"01890000-0000-7000-8000-000000000001"[..])], 403, "403", "account_forbidden"),
    ] {
        let mut fields = fields;
        fields.push(("x-request-id", b"fixed"));
        let answer = world.nginx(&fields).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert_eq!((answer.header("x-claviger-status"), answer.header("cache-control"), answer.bytes.len()), (true_status, "no-store", 0), "{name}");
        let problem: Value = serde_json::from_str(answer.header("x-claviger-problem")).expect("JSON");
        assert_eq!(
            (&problem["code"], problem["status"].to_string().as_str(), &problem["request_id"]),
            (&json!(code), true_status, &json!("fixed")),
            "{name}"
        );
        assert_eq!(answer.headers.contains_key("www-authenticate"), true_status == "401", "{name}");
        for identity in &IDENTITY[..5] {
            assert!(!answer.headers.contains_key(*identity), "{name}: {identity}");
        }
    }
    for good in [upper.as_bytes(), padded.as_bytes()] {
        assert_eq!(world.nginx(&[("authorization", bearer), ("accountid", good)]).await.status, 200);
    }
    // what a client sends to pass for someone else changes nothing
    let spoofed = world
        .nginx(&[("authorization", bearer), ("accountid", account), ("x-claviger-account", stranger.as_bytes()), ("x-claviger-status", b"200")])
        .await;
    assert_eq!(spoofed.header("x-claviger-account"), made.account);
}

#[tokio::test]
async fn a_question_that_is_none_is_refused_as_bad_input() {
    let world = World::sqlite().await;
    let good = json!({ "method": "GET", "path": "/", "headers": {} });
    let with = |field: &str, value: Value| {
        let mut question = good.clone();
        question[field] = value;
        question
    };
    for question in [
        with("client_ip", json!("localhost")),
        with("headers", json!({ "authorization": 7 })),
        with("headers", json!({ "authorization": [7] })),
        with("headers", json!([])),
        with("body", json!("not base64!")),
        with("surprise", json!(1)),
        with("scheme", json!("ftp")),
        with("scheme", Value::Null),
        with("require", json!([""])),
        with("require", json!(["orders:read", " ,"])),
        json!({ "method": "GET", "path": "/" }),
    ] {
        let answer = world.ask(question.clone()).await;
        assert_eq!(answer.status, 422, "{question}: {answer:?}");
        answer.assert_problem(422, "invalid");
        assert!(answer.json()["errors"].is_array(), "{question}: a 422 names its field: {answer:?}");
    }
    // two spellings of one name are two values
    let (made, bearer) = made(&world).await;
    let asked = world.ask(with("headers", json!({ "Authorization": bearer, "authorization": bearer, "AccountId": made.account }))).await;
    assert_eq!((asked.status, &asked.json()["reason"]), (200, &json!("several_credentials")));
    // and so is one name that stands there twice, whichever of them were judged
    for (first, second) in [("junk", bearer.as_str()), (&bearer, "junk"), (&bearer, &bearer)] {
        let headers = format!(r#"{{"authorization": "{first}", "accountid": "{}", "authorization": ["{second}"]}}"#, made.account);
        let asked = world.ask_in_text(format!(r#"{{"method": "GET", "path": "/", "headers": {headers}}}"#)).await;
        assert_eq!((asked.status, &asked.json()["reason"]), (200, &json!("several_credentials")), "{headers}");
    }
    let stranger = world.account("corporate", "Stranger").await;
    let headers = format!(r#"{{"authorization": "{bearer}", "accountid": "{stranger}", "accountid": "{}"}}"#, made.account);
    let asked = world.ask_in_text(format!(r#"{{"method": "GET", "path": "/", "headers": {headers}}}"#)).await;
    assert_eq!(asked.json()["reason"], "account_malformed");
    let empty = world.ask(with("headers", json!({ "authorization": [], "accountid": [] }))).await;
    assert_eq!(empty.json()["reason"], "credential_required");
}

#[tokio::test]
async fn a_key_that_was_taken_for_the_id_of_a_request_is_repeated_nowhere() {
    let world = World::sqlite().await;
    let (made, _) = made(&world).await;
    let answer = world.nginx(&[("x-request-id", made.secret.as_bytes())]).await;
    assert!(!answer.header("x-claviger-request-id").contains("secret"), "{answer:?}");
    let answer = world.anyone().with("x-request-id", &made.secret).get("/openapi.json").await;
    assert!(!answer.header("x-request-id").contains("secret"), "{answer:?}");
}

/// Under every name that clients know for one secret alone.
#[tokio::test]
async fn an_api_key_travels_in_many_ways_and_in_one_at_a_time() {
    let world = World::sqlite().await;
    let acme = world.account("business", "Acme").await;
    let wish = json!({ "kind": "api_key", "name": "x", "access": { "level": "full" } });
    let made = world.operator().post(&format!("/v1/accounts/{acme}/credentials"), wish).await.json();
    let key = made["secret"].as_str().expect("a key");
    let basic = |user: &str, password: &str| format!("Basic {}", data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes()));
    let verdict = async |name: &str, value: &str| {
        let answer = world.nginx(&[(name, value.as_bytes())]).await;
        if answer.status == 200 { String::new() } else { answer.header("x-claviger-status").to_owned() }
    };
    for name in ["x-api-key", "apikey"] {
        assert_eq!(verdict(name, key).await, "", "{name}");
    }
    for scheme in ["Bearer", "ApiKey", "Api-Key", "apikey"] {
        assert_eq!(verdict("authorization", &format!("{scheme} {key}")).await, "", "{scheme}");
        assert_eq!(verdict("authorization", &format!("{scheme} {key}x")).await, "401", "{scheme}");
    }
    for (user, password, status) in [(key, "", ""), ("", key, ""), ("api", key, ""), (key, "x", "401"), (key, key, "401"), ("", "", "401")] {
        assert_eq!(verdict("authorization", &basic(user, password)).await, status, "{}:{}", user.len(), password.len());
    }
    let both = [("authorization", format!("ApiKey {key}")), ("x-api-key", key.to_owned())];
    let both = both.each_ref().map(|(name, value)| (*name, value.as_bytes()));
    assert_eq!(world.nginx(&both).await.header("x-claviger-status"), "400");
}

#[tokio::test]
async fn what_watches_over_the_gateway_answers() {
    let world = World::sqlite().await;
    let get = |path: &'static str| {
        let world = &world;
        async move { world.at_gateway(axum::http::Request::get(path).body(axum::body::Body::empty()).expect("a request")).await }
    };
    assert_eq!((get("/healthz").await.status, get("/readyz").await.status), (200, 200));
    assert!(get("/metrics").await.header("content-type").starts_with("application/openmetrics-text"));
    get("/nonsense").await.assert_problem(404, "not_found");
    // neither listener serves what is the other's
    for path in ["/v1/accounts", "/auth/token", "/", "/account", "/operator", "/openapi.json"] {
        get(path).await.assert_problem(404, "not_found");
    }
    for path in ["/verify/nginx", "/healthz", "/readyz", "/metrics"] {
        assert_eq!(world.operator().get(path).await.status, 404, "{path}");
    }
    assert_eq!(world.operator().post("/v1/verify", json!({})).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_announced_and_never_sent_does_not_hang_the_gateway() {
    let world = World::sqlite().await;
    let (made, bearer) = made(&world).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = tokio::spawn(claviger_server::serve::gateway(listener, world.app.clone(), world.gateway.clone(), std::future::pending()));
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    let request =
        format!("GET /verify/nginx HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\nAccountId: {}\r\nContent-Length: 1000\r\n\r\n", made.account);
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.expect("answered in time").expect("read");
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
    serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_postgres_verification_cannot_say_and_never_says_invalid() {
    let mut cluster = Cluster::start_with(Fsync::Off);
    let world = World::at(format!("http://{}", crate::common::HOST), Some(cluster.fresh_database())).await;
    let (hot, hot_bearer) = made(&world).await;
    let cold = world.credential(&hot.account).await;
    let secrets = world.operator().get(&format!("/v1/accounts/{}/credentials/{}", cold.account, cold.id)).await.json()["secrets"].clone();
    let secret: SecretId = secrets[0]["id"].as_str().and_then(|id| id.parse().ok()).expect("its secret");
    let cold_token = world.app.tokens.issue(&cold.public_id, secret, "*".into(), "x".into(), world.app.clock.now(), 3600).expect("signed");
    let hot_token = hot_bearer.strip_prefix("Bearer ").expect("a token").to_owned();
    assert_eq!(world.use_token(&hot_token, &hot.account).await.status, 200);
    cluster.stop();
    assert_eq!(world.use_token(&hot_token, &hot.account).await.status, 200, "what is in memory needs no database");
    let unsure = world.use_token(&cold_token, &hot.account).await;
    assert_eq!((unsure.status, unsure.header("x-claviger-status"), unsure.header("retry-after")), (503, "503", "1"), "{unsure:?}");
    let asked = world
        .ask(json!({ "method": "GET", "path": "/", "headers": { "authorization": format!("Bearer {cold_token}"), "accountid": hot.account } }))
        .await;
    asked.assert_problem(503, "unavailable");
    world.exchange(&cold.public_id, &cold.secret).await.assert_problem(503, "unavailable");
    let form = [("grant_type", "client_credentials"), ("client_id", cold.public_id.as_str()), ("client_secret", cold.secret.as_str())];
    let oauth = world.anyone().form("/oauth2/token", &form).await;
    assert_eq!((oauth.status, &oauth.json()["error"]), (503, &json!("temporarily_unavailable")));
    let managed = world.operator().get("/v1/accounts").await;
    managed.assert_problem(503, "unavailable");
    assert_eq!(managed.header("retry-after"), "1");
    assert!(!managed.text().contains("127.0.0.1"), "{managed:?}");
    // a change that could not be made was not made: the credential lives on when the database is back
    let deletion = world.operator().delete(&format!("/v1/accounts/{}/credentials/{}", hot.account, hot.id)).await;
    deletion.assert_problem(503, "unavailable");
    cluster.resume();
    assert_soon_async("it can say again", async || {
        let answer = world.use_token(&cold_token, &hot.account).await;
        assert!(answer.status == 200 || answer.status == 503, "{answer:?}");
        answer.status == 200
    })
    .await;
    world.delete(&hot).await;
    assert_eq!(world.use_token(&hot_token, &hot.account).await.status, 401);
}
