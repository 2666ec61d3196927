//! The token endpoint in both forms, and what is published beside it.
use axum::http::Method;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::common::{Answer, World, on_both_engines};

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

#[track_caller]
fn assert_oauth_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)), "{answer:?}");
    assert_eq!(
        (answer.header("content-type"), answer.header("cache-control"), answer.header("pragma")),
        ("application/json", "no-store", "no-cache")
    );
    let body = answer.json();
    // RFC 6749, section 5.2: these members and no others; the description within %x20-21 / %x23-5B / %x5D-7E
    assert!(body.as_object().expect("an object").keys().all(|key| key == "error" || key == "error_description"), "{body}");
    assert!(
        body["error_description"]
            .as_str()
            .is_some_and(|text| text.bytes().all(|byte| (0x20..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\'))
    );
}

fn claims(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()));
    let mut json = || serde_json::from_slice(&parts.next().expect("a part").expect("base64url")).expect("JSON");
    (json(), json())
}

on_both_engines! {
    async fn both_forms_give_a_token_for_a_client(world) {
        let acme = world.account("corporate", "Acme").await;
        let made = world.credential(&acme).await;
        let json_form = world.exchange(&made.public_id, &made.secret).await;
        assert_eq!((json_form.status, json_form.header("cache-control"), json_form.header("pragma")), (200, "no-store", "no-cache"));
        let body = json_form.json();
        assert_eq!((&body["expires_in"], &body["token_type"], body.as_object().map(serde_json::Map::len)), (&json!(3600), &json!("Bearer"), Some(3)));

        let basic = format!("Basic {}", BASE64.encode(format!("{}:{}", made.public_id, made.secret).as_bytes()));
        let by_basic = world.anyone().with("authorization", &basic).form("/oauth2/token", &[("grant_type", "client_credentials")]).await;
        let form = [("grant_type", "client_credentials"), ("client_id", made.public_id.as_str()), ("client_secret", made.secret.as_str())];
        let by_body = world.anyone().form("/oauth2/token", &form).await;
        for answer in [&by_basic, &by_body] {
            assert_eq!(answer.status, 200, "{answer:?}");
            let body = answer.json();
            assert_eq!((&body["expires_in"], &body["token_type"], &body["scope"]), (&json!(3600), &json!("Bearer"), &json!("*")));
        }
        for answer in [json_form, by_basic, by_body] {
            let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
            assert_eq!(world.use_token(&token, &acme).await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_token_is_the_jwt_that_rfc_9068_describes_and_the_published_key_checks_it() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let (token, other) = (world.token(&made).await, world.token(&made).await);
    let (header, payload) = claims(&token);
    let jwks = world.anyone().get("/.well-known/jwks.json").await;
    assert_eq!((jwks.status, jwks.header("content-type")), (200, "application/json"));
    let key = jwks.json()["keys"][0].clone();
    assert_eq!(jwks.json()["keys"].as_array().map(Vec::len), Some(1));
    assert!(key.get("d").is_none(), "only the public half");
    assert_eq!(header, json!({ "typ": "at+jwt", "alg": "ES256", "kid": key["kid"] }));
    for (claim, value) in [
        ("iss", json!("http://claviger.test")),
        ("aud", json!("http://claviger.test")),
        ("sub", json!(made.public_id)),
        ("client_id", json!(made.public_id)),
        ("iat", json!(1_795_000_000)),
        ("exp", json!(1_795_003_600)),
        ("scope", json!("*")),
    ] {
        assert_eq!(payload[claim], value, "{claim}");
    }
    assert_ne!(payload["jti"], claims(&other).1["jti"], "each token has an id of its own");
    let text = |name: &str| key[name].as_str().expect(name).to_owned();
    let checking = jsonwebtoken::DecodingKey::from_ec_components(&text("x"), &text("y")).expect("a key");
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.validate_exp = false;
    validation.set_audience(&["http://claviger.test"]);
    jsonwebtoken::decode::<Value>(&token, &checking, &validation).expect("any library can check it");
}

#[tokio::test]
async fn the_metadata_of_rfc_8414_leads_to_what_is_there() {
    let world = World::sqlite().await;
    let metadata = world.anyone().get("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata.status, 200);
    let metadata = metadata.json();
    assert_eq!(metadata["issuer"], "http://claviger.test");
    assert_eq!(metadata["grant_types_supported"], json!(["client_credentials"]));
    for name in ["jwks_uri", "token_endpoint"] {
        let path = metadata[name].as_str().and_then(|url| url.strip_prefix("http://claviger.test")).expect("ours").to_owned();
        assert_ne!(world.anyone().get(&path).await.status, 404, "{path}");
    }
}

/// Agents look there: from a refused request to the server that gives tokens.
#[tokio::test]
async fn a_challenge_leads_by_rfc_9728_to_the_authorization_server() {
    let world = World::sqlite().await;
    let found = "http://claviger.test/.well-known/oauth-protected-resource";
    let junk: &[(&str, &[u8])] = &[("authorization", b"Bearer nothing")];
    for (sent, what) in [(&[][..], ""), (junk, r#", error="invalid_token""#)] {
        let refused = world.nginx(sent).await;
        let challenge = format!(r#"Bearer realm="claviger"{what}, resource_metadata="{found}""#);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, challenge.as_str()));
    }
    let path = found.strip_prefix("http://claviger.test").expect("ours");
    let metadata = world.anyone().get(path).await;
    assert_eq!((metadata.status, metadata.header("content-type")), (200, "application/json"));
    let issuer = "http://claviger.test";
    assert_eq!(metadata.json(), json!({ "resource": issuer, "authorization_servers": [issuer], "bearer_methods_supported": ["header"] }));
    let server = world.anyone().get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(server["issuer"], issuer, "which it names");
    // our own API takes keys, which no authorization server gives
    let refused = world.anyone().get("/v1/accounts").await;
    assert_eq!(refused.header("www-authenticate"), r#"Bearer realm="claviger""#);
}

#[tokio::test]
async fn errors_of_the_standard_form_are_those_of_rfc_6749() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let (id, secret) = (made.public_id.as_str(), made.secret.as_str());
    let basic = |id: &str, secret: &str| format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()));
    let good = basic(id, secret);
    let grant = "grant_type=client_credentials";
    let in_body = format!("{grant}&client_id={id}&client_secret={secret}");
    for (name, authorization, body, status, error) in [
        ("no grant type", Some(&good), "x=y".to_owned(), 400, "invalid_request"),
        ("an empty grant type is an absent one", Some(&good), "grant_type=".into(), 400, "invalid_request"),
        ("another grant type", Some(&good), "grant_type=password".into(), 400, "unsupported_grant_type"),
        ("no client", None, grant.into(), 401, "invalid_client"),
        ("an id alone", None, format!("{grant}&client_id={id}"), 401, "invalid_client"),
        ("a secret alone", None, format!("{grant}&client_secret={secret}"), 401, "invalid_client"),
        ("both methods", Some(&good), in_body.clone(), 400, "invalid_request"),
        ("Basic and a secret", Some(&good), format!("{grant}&client_secret={secret}"), 400, "invalid_request"),
        ("Basic and another id", Some(&good), format!("{grant}&client_id=other"), 400, "invalid_request"),
        ("a repeated grant type", Some(&good), format!("{grant}&{grant}"), 400, "invalid_request"),
        ("a repeated id", None, format!("{in_body}&client_id={id}"), 400, "invalid_request"),
        ("a repeated unknown parameter", Some(&good), format!("{grant}&x=1&x=2"), 400, "invalid_request"),
        ("not base64", Some(&"Basic !!!".to_owned()), grant.into(), 401, "invalid_client"),
        ("no colon", Some(&format!("Basic {}", BASE64.encode(id.as_bytes()))), grant.into(), 401, "invalid_client"),
        ("another scheme", Some(&format!("Bearer {secret}")), grant.into(), 401, "invalid_client"),
        ("half an escape", Some(&basic(&format!("%{id}"), secret)), grant.into(), 401, "invalid_client"),
        ("a parameter smuggled into the id", Some(&basic(&format!("x&y={id}"), secret)), grant.into(), 401, "invalid_client"),
        ("a parameter smuggled into the secret", Some(&basic(id, &format!("x&y={secret}"))), grant.into(), 401, "invalid_client"),
        ("no scope", Some(&good), format!("{grant}&scope=nonsense"), 400, "invalid_scope"),
        ("everything and a word", Some(&good), format!("{grant}&scope=orders:read+*"), 400, "invalid_scope"),
        ("an empty word", Some(&good), format!("{grant}&scope=orders:read++orders:write"), 400, "invalid_scope"),
    ] {
        let caller = world.anyone();
        let caller = match authorization {
            Some(value) => caller.with("authorization", value),
            None => caller,
        };
        let answer = caller.send(Method::POST, "/oauth2/token", FORM, body.into_bytes()).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)), "{name}: {answer:?}");
        assert_oauth_error(&answer, status, error);
        if status == 401 {
            // RFC 9110, section 15.5.2: whether they used the header or not
            assert!(answer.header("www-authenticate").starts_with("Basic "), "{name}");
        }
    }
    for (content_type, body) in [(Some("application/json"), "{}"), (None, grant), (Some("text/plain"), grant)] {
        let answer = world.anyone().with("authorization", &good).send(Method::POST, "/oauth2/token", content_type, body.into()).await;
        assert_oauth_error(&answer, 400, "invalid_request");
    }
    let large = format!("{grant}&x={}", "y".repeat(65 * 1024));
    let answer = world.anyone().with("authorization", &good).send(Method::POST, "/oauth2/token", FORM, large.into_bytes()).await;
    assert_oauth_error(&answer, 413, "invalid_request");
    let query = format!("/oauth2/token?client_secret={secret}");
    let answer = world.anyone().with("authorization", &good).form(&query, &[("grant_type", "client_credentials")]).await;
    assert_oauth_error(&answer, 400, "invalid_request");
    let twice =
        world.anyone().with("authorization", &good).with("authorization", &good).form("/oauth2/token", &[("grant_type", "client_credentials")]).await;
    assert_oauth_error(&twice, 400, "invalid_request");
}

#[tokio::test]
async fn what_is_lenient_in_rfc_6749_is_lenient_here() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    // both halves are form-urlencoded before they are joined: a library may escape more than it must
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let encoded = format!("basic {}", BASE64.encode(format!("{}:{}", encode(&made.public_id), encode(&made.secret)).as_bytes()));
    let plain = format!("Basic {}", BASE64.encode(format!("{}:{}", made.public_id, made.secret).as_bytes()));
    for (authorization, body) in [
        (&encoded, "grant_type=client_credentials".to_owned()),
        (&plain, format!("grant_type=client_credentials&client_id={}", made.public_id)),
        (&plain, "grant_type=client_credentials&unknown=ignored&scope=".to_owned()),
        (&plain, "grant%5Ftype=client%5Fcredentials".to_owned()),
    ] {
        let answer = world.anyone().with("authorization", authorization).send(Method::POST, "/oauth2/token", FORM, body.clone().into_bytes()).await;
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn a_token_for_fewer_scopes_may_do_no_more() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &made.public_id),
        ("client_secret", &made.secret),
        ("scope", "orders:read orders:write"),
    ];
    let answer = world.anyone().form("/oauth2/token", &form).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // RFC 6749, section 5.1: scope may be left out when it is what was asked for
    assert!(answer.json().get("scope").is_none(), "{answer:?}");
    let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(claims(&token).1["scope"], "orders:read orders:write");
    assert_eq!(world.use_token(&token, &acme).await.header("x-claviger-scopes"), "orders:read orders:write");
    let asked =
        world.ask(json!({ "method": "GET", "path": "/", "headers": { "authorization": format!("Bearer {token}"), "accountid": acme } })).await;
    assert_eq!(asked.json()["principal"]["scopes"], json!(["orders:read", "orders:write"]));
}

#[tokio::test]
async fn the_json_form_takes_nothing_but_its_two_fields() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let made = world.credential(&acme).await;
    for (body, pointer, code) in [
        (json!({ "clientId": made.public_id }), "#/clientSecret", "field_required"),
        (json!({ "clientSecret": made.secret }), "#/clientId", "field_required"),
        (json!({ "client_id": made.public_id, "client_secret": made.secret }), "#/client_id", "unknown_field"),
        (json!({ "clientId": made.public_id, "clientSecret": made.secret, "grant_type": "client_credentials" }), "#/grant_type", "unknown_field"),
        (json!({ "clientId": 7, "clientSecret": made.secret }), "#/clientId", "wrong_type"),
        (json!({ "clientId": made.public_id, "clientSecret": 7 }), "#/clientSecret", "wrong_type"),
    ] {
        let answer = world.anyone().post("/auth/token", body).await;
        answer.assert_invalid(pointer, code);
        assert!(!answer.text().contains(&made.secret));
    }
    assert_eq!(world.anyone().get("/auth/token").await.status, 405);
}
