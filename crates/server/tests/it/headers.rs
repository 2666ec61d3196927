//! The headers that every answer carries, whatever the route, the caller and the outcome.
use axum::http::Method;
use serde_json::json;

use crate::{
    common::{Answer, World, between},
    routes,
};

struct Filled {
    path: String,
    cacheable: bool,
}

fn fill(template: &str, account: &str, credential: &str, asset: &str) -> Filled {
    let path = template
        .replace("/account/{page}/{id}", &format!("/account/api-keys/{credential}"))
        .replace("{page}", "api-keys")
        .replace("{credential_id}", credential)
        .replace("{id}", account)
        .replace("{email}", "owner@example.com")
        .replace("{token}", "spent")
        .replace("/assets/{name}", asset);
    Filled { cacheable: template.starts_with("/assets/") || template.starts_with("/.well-known/"), path }
}

fn assert_headers(place: &str, answer: &Answer, tls: bool, cacheable: bool) {
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("cross-origin-opener-policy", "same-origin"), ("cross-origin-resource-policy", "same-origin")]
    {
        assert_eq!(answer.headers.get(name).map(|value| value.as_bytes()), Some(value.as_bytes()), "{place}: {name}: {answer:?}");
    }
    let policy = answer.headers.get("content-security-policy").unwrap_or_else(|| panic!("{place}: no policy: {answer:?}")).to_str().expect("text");
    assert!(policy.contains("default-src 'none'"), "{place}: {policy}");
    let html = answer.headers.get("content-type").is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    if html {
        for directive in
            ["script-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
        {
            assert!(policy.contains(directive), "{place}: {directive}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{place}: {policy}");
        let page = answer.text();
        assert!(!page.contains(" style=") && !page.contains(" onclick=") && !page.contains("<style"), "{place}: nothing inline");
    } else {
        assert!(policy.contains("frame-ancestors 'none'") || cacheable, "{place}: {policy}");
    }
    let referrer = answer.header("referrer-policy");
    assert!(referrer == "no-referrer" || (html && ["same-origin", "strict-origin"].contains(&referrer)), "{place}: {referrer}");
    if !cacheable || answer.status >= 400 {
        assert_eq!(answer.header("cache-control"), "no-store", "{place}");
    }
    let strict = answer.headers.get("strict-transport-security").map(|value| value.to_str().expect("text").to_owned());
    assert_eq!(strict.is_some(), tls, "{place}: {answer:?}");
    if let Some(strict) = strict {
        let seconds: u64 = between(&strict, "max-age=", ";").parse().expect("seconds");
        assert!(seconds >= 31_536_000, "{place}: {strict}");
    }
    assert!(!answer.headers.contains_key("server") && !answer.headers.contains_key("x-powered-by"), "{place}");
    for cookie in answer.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().expect("text");
        assert!(cookie.contains("; Path=/") && cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{place}: {cookie}");
        assert!(!cookie.contains("Domain") && cookie.len() < 4096, "{place}: {cookie}");
        assert_eq!((cookie.starts_with("__Host-"), cookie.contains("; Secure")), (tls, tls), "{place}: {cookie}");
    }
}

#[tokio::test]
async fn every_route_answers_everyone_with_every_header() {
    for tls in [false, true] {
        let world = if tls { World::over_tls().await } else { World::sqlite().await };
        let acme = world.account("corporate", "Acme").await;
        let (owner, staff) = (world.new_member(&acme, "owner").await, world.operator_person().await);
        let made = world.credential(&acme).await;
        let page = owner.get("/account").await.text();
        let css = between(&page, "rel=\"stylesheet\" href=\"", "\"").to_owned();
        let js = between(&page, "<script src=\"", "\"").to_owned();
        let mut seen = 0;
        let of_public = routes::console().into_iter().chain(routes::documented()).chain([("GET".to_owned(), "/openapi.json".to_owned())]);
        for route in of_public {
            let (method, template) = routes::route(&route);
            let filled = fill(&template, &acme, &made.id, &css);
            // signing out would end the caller's session
            let callers = [("anyone", world.anyone()), ("operator", world.operator()), ("owner", owner.clone()), ("staff", staff.clone())];
            for (name, caller) in callers.into_iter().filter(|_| template != "/sign-out") {
                for wrong_method in [method.clone(), Method::TRACE, Method::OPTIONS] {
                    let place = format!("{name} {wrong_method} {}", filled.path);
                    let answer = caller.send(wrong_method, &filled.path, None, Vec::new()).await;
                    assert_headers(&place, &answer, tls, filled.cacheable);
                    seen += 1;
                }
            }
        }
        assert!(seen > 400);
        for path in [
            css.as_str(),
            &js,
            "/assets/none.css",
            "/nonsense",
            "/account/nonsense",
            "/v1/nonsense",
            "/operator/nonsense",
            "//",
            "/%00",
            "/.git/config",
        ] {
            for caller in [world.anyone(), owner.clone(), world.anyone().with("accept", "text/html")] {
                assert_headers(path, &caller.get(path).await, tls, path.starts_with("/assets/"));
            }
        }
        let owner = world.member(&acme, "owner@example.com").await;
        assert_headers("cross site", &owner.clone().with("sec-fetch-site", "cross-site").form("/sign-out", &[]).await, tls, false);
        assert_headers("sign out", &owner.form("/sign-out", &[]).await, tls, false);
        let link = world.operator().post(&format!("/v1/accounts/{acme}/sign-in-links"), json!({ "email": "owner@example.com" })).await;
        assert_headers("sign-in link", &link, tls, false);
        let path = link.json()["url"].as_str().expect("a url").split_once("claviger.test").expect("ours").1.to_owned();
        let shown = world.anyone().with("sec-fetch-site", "cross-site").get(&path).await;
        assert_eq!(shown.header("referrer-policy"), "strict-origin", "the link's token is in no referrer");
        assert_headers("a link", &shown, tls, false);
        let signed_in = world.open(&path).await;
        assert_eq!(signed_in.header("referrer-policy"), "no-referrer", "the link's token is in no referrer");
        assert_headers("signing in", &signed_in, tls, false);
    }
}

#[tokio::test]
async fn static_files_are_kept_for_ever_and_named_by_what_they_hold() {
    let world = World::sqlite().await;
    let page = world.anyone().get("/").await.text();
    for (href, media_type) in [
        (between(&page, "rel=\"stylesheet\" href=\"", "\""), "text/css; charset=utf-8"),
        (between(&page, "<script src=\"", "\""), "text/javascript; charset=utf-8"),
        (between(&page, "rel=\"icon\" href=\"", "\""), "image/svg+xml"),
    ] {
        let file = world.anyone().get(href).await;
        assert_eq!(
            (file.status, file.header("content-type"), file.header("cache-control")),
            (200, media_type, "public, max-age=31536000, immutable")
        );
    }
}
