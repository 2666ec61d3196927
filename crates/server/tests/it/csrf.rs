//! Requests that another site's page made: refused by fetch metadata, and where a browser sends none, by its `Origin`.
use axum::http::Method;

use crate::common::World;

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

#[tokio::test]
async fn every_combination_of_site_origin_method_and_type_gets_what_the_table_says() {
    for (world, own, foreign) in [
        (World::sqlite().await, "http://claviger.test", "https://claviger.test"),
        (World::over_tls().await, "https://claviger.test", "http://claviger.test"),
    ] {
        let staff = world.operator_person().await.without("sec-fetch-site");
        let origins = [None, Some(own), Some(foreign), Some("http://evil.test"), Some("null"), Some("http://claviger.test.evil.test"), Some("")];
        for site in [None, Some("same-origin"), Some("same-site"), Some("cross-site"), Some("none"), Some("nonsense")] {
            for origin in origins {
                for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                    for content_type in [FORM, Some("text/plain"), Some("application/json"), None] {
                        let mut caller = staff.clone();
                        if let Some(site) = site {
                            caller = caller.with("sec-fetch-site", site);
                        }
                        if let Some(origin) = origin {
                            caller = caller.with("origin", origin);
                        }
                        let answer = caller.send(method.clone(), "/operator/keys", content_type, b"name=&once=x".to_vec()).await;
                        let from_here = match (site, origin) {
                            (Some(site), _) => site == "same-origin",
                            (None, Some(origin)) => origin == own,
                            (None, None) => false,
                        };
                        let place = format!("{site:?} {origin:?} {method} {content_type:?}: {answer:?}");
                        if method.is_safe() {
                            assert_eq!(answer.status, 200, "{place}");
                        } else if method != Method::POST {
                            assert!(matches!(answer.status, 403 | 405), "{place}");
                        } else if !from_here {
                            assert_eq!(answer.status, 403, "{place}");
                        } else if content_type == FORM {
                            assert_eq!(answer.status, 422, "let through, and its empty name refused: {place}");
                        } else {
                            assert_eq!(answer.status, 400, "let through, and no form: {place}");
                        }
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_refused_form_of_another_site_changes_nothing_and_is_a_page_with_a_request_id() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let owner = world.new_member(&acme, "owner").await.without("sec-fetch-site").with("sec-fetch-site", "cross-site").with("x-request-id", "fixed");
    for path in ["/account/api-keys", "/sign-out", "/account/members"] {
        let refused = owner.form(path, &[("once", "x"), ("email", "evil@evil.test"), ("role", "owner")]).await;
        assert_eq!((refused.status, refused.header("x-request-id")), (403, "fixed"), "{refused:?}");
        assert!(refused.header("content-type").starts_with("text/html") && refused.text().contains("fixed"));
    }
    assert_eq!(owner.get("/account").await.status, 200, "still signed in");
    let credentials = world.operator().get(&format!("/v1/accounts/{acme}/credentials")).await;
    assert_eq!(credentials.json()["items"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn the_management_api_takes_no_cookie_so_that_no_page_can_ride_one() {
    let world = World::sqlite().await;
    let staff = world.operator_person().await;
    staff.get("/v1/accounts").await.assert_problem(401, "credential_required");
    let answer = staff.post("/v1/accounts", serde_json::json!({ "kind": "corporate", "name": "x" })).await;
    answer.assert_problem(401, "credential_required");
    let preflight = world.anyone().with("origin", "http://evil.test").with("access-control-request-method", "POST");
    let preflight = preflight.send(Method::OPTIONS, "/v1/accounts", None, Vec::new()).await;
    assert!(!preflight.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{preflight:?}");
}
