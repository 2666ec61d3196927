//! Signing in and what ends a session.
use axum::http::Method;
use serde_json::json;

use crate::common::{START, World, between, on_both_engines};

async fn link(world: &World, account: &str) -> String {
    let link = world.operator().post(&format!("/v1/accounts/{account}/sign-in-links"), json!({ "email": "ann@example.com" })).await;
    assert_eq!(link.status, 201, "{link:?}");
    link.json()["url"].as_str().and_then(|url| url.strip_prefix("http://claviger.test")).expect("ours").to_owned()
}

async fn acme(world: &World) -> String {
    let acme = world.account("corporate", "Acme").await;
    world.save_member(&acme, "ann@example.com", "owner").await;
    acme
}

on_both_engines! {
    async fn a_link_signs_in_once_within_five_minutes(world) {
        let acme = acme(&world).await;
        let made = world.operator().post(&format!("/v1/accounts/{acme}/sign-in-links"), json!({ "email": "ANN@example.com" })).await;
        let until = START + std::time::Duration::from_secs(300);
        assert_eq!(made.json()["expires_at"], json!(until.to_string()));
        let path = made.json()["url"].as_str().expect("a url").strip_prefix("http://claviger.test").expect("ours").to_owned();
        let used = world.open(&path).await;
        assert_eq!((used.status, used.header("location")), (303, "/account"));
        for spent in [&path, "/sign-in/x", &format!("/sign-in/{}", "x".repeat(43))] {
            for again in [world.open(spent).await, world.anyone().get(spent).await] {
                assert_eq!(again.status, 410, "{again:?}");
                assert!(!again.headers.contains_key("set-cookie"));
            }
        }
        let (in_time, late) = (link(&world, &acme).await, link(&world, &acme).await);
        world.advance(299);
        assert_eq!(world.open(&in_time).await.status, 303);
        world.advance(1);
        assert_eq!((world.anyone().get(&late).await.status, world.open(&late).await.status), (410, 410));
    }

    async fn of_two_who_open_a_link_at_once_one_is_signed_in(world) {
        let acme = acme(&world).await;
        let path = link(&world, &acme).await;
        let world = std::sync::Arc::new(world);
        let openings: Vec<_> = (0..4).map(|_| { let (world, path) = (world.clone(), path.clone()); tokio::spawn(async move { world.open(&path).await.status }) }).collect();
        let mut statuses = Vec::new();
        for opening in openings {
            statuses.push(opening.await.expect("no panic"));
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 410, 410, 410]);
    }

    async fn a_session_ends_after_an_hour_unused_and_after_a_day_in_any_case(world) {
        let acme = acme(&world).await;
        let idle = world.member(&acme, "ann@example.com").await;
        world.advance(3599);
        assert_eq!(idle.get("/account").await.status, 200);
        world.advance(3599);
        assert_eq!(idle.get("/account").await.status, 200, "it was used a moment before");
        world.advance(3600);
        assert_eq!(idle.get("/account").await.status, 401);
        let busy = world.member(&acme, "ann@example.com").await;
        for _ in 0..47 {
            world.advance(1800);
            assert_eq!(busy.get("/account").await.status, 200);
        }
        world.advance(1799);
        assert_eq!(busy.get("/account").await.status, 200);
        world.advance(1);
        assert_eq!(busy.get("/account").await.status, 401, "24 hours");
        claviger_server::app::sign_in::sweep(&world.app).await.expect("swept");
        assert_eq!(busy.get("/account").await.status, 401);
    }

    async fn a_removed_member_is_signed_out_at_once_and_a_changed_role_counts_on_the_next_request(world) {
        let acme = acme(&world).await;
        let bob = world.new_member(&acme, "admin").await;
        let path = format!("/v1/accounts/{acme}/members/admin@example.com");
        assert_eq!(bob.get("/account/api-keys").await.status, 200);
        world.operator().put(&path, json!({ "role": "viewer" })).await;
        assert_eq!((bob.get("/account").await.status, bob.get("/account/api-keys").await.status), (200, 404));
        world.operator().put(&path, json!({ "role": "owner" })).await;
        assert_eq!((bob.get("/account/api-keys").await.status, bob.get("/account/members").await.status), (200, 200));
        let unused = world.operator().post(&format!("/v1/accounts/{acme}/sign-in-links"), json!({ "email": "admin@example.com" })).await;
        let unused = unused.json()["url"].as_str().expect("a url").strip_prefix("http://claviger.test").expect("ours").to_owned();
        assert_eq!(world.operator().delete(&path).await.status, 204);
        assert_eq!(bob.get("/account").await.status, 401);
        assert_eq!(world.open(&unused).await.status, 410);
        // coming back does not bring the old session back
        world.save_member(&acme, "admin@example.com", "admin").await;
        assert_eq!(bob.get("/account").await.status, 401);
    }

    async fn people_see_their_sessions_and_end_them(world) {
        let acme = acme(&world).await;
        let (here, there) = (world.member(&acme, "ann@example.com").await, world.member(&acme, "ann@example.com").await);
        let (third, staff) = (world.member(&acme, "ann@example.com").await, [world.operator_person().await, world.operator_person().await]);
        let bob = world.new_member(&acme, "admin").await;
        let page = here.get("/account/sessions").await.text();
        assert_eq!((page.matches(">End<").count(), page.matches("This one").count()), (2, 1), "{page}");
        // of whom are both: nobody can tell, so one of them is signed out
        let end = format!("/account/sessions/{}/end", between(&page, "action=\"/account/sessions/", "/end\""));
        assert_eq!(bob.form(&end, &[]).await.status, 303, "it is none of Bob's");
        assert_eq!((there.get("/account").await.status, third.get("/account").await.status), (200, 200));
        for _ in 0..2 {
            assert_eq!(here.form(&end, &[]).await.header("location"), "/account/sessions?done=session-ended");
        }
        let mut left = [there.get("/account").await.status, third.get("/account").await.status];
        left.sort_unstable();
        assert_eq!(left, [200, 401]);
        assert_eq!(here.form("/account/sessions", &[]).await.status, 303, "all others");
        assert_eq!([here.get("/account").await.status, there.get("/account").await.status, third.get("/account").await.status], [200, 401, 401]);
        assert_eq!(world.actions(&acme).await.iter().filter(|action| *action == "session.ended").count(), 2);
        // who manages members ends anyone's; who does not sees nothing of them
        let of_bob = "/account/members/admin@example.com/sessions";
        assert_eq!((bob.get(of_bob).await.status, bob.form(of_bob, &[]).await.status), (404, 404));
        assert_eq!(here.get(of_bob).await.text().matches(">End<").count(), 1);
        assert_eq!((here.form(of_bob, &[]).await.status, bob.get("/account").await.status), (303, 401));
        let of_ann = format!("/operator/accounts/{acme}/members/ann@example.com/sessions");
        let page = staff[0].get(&of_ann).await.text();
        let one = between(&page, &format!("action=\"{of_ann}/"), "/end\"").to_owned();
        assert_eq!((staff[0].form(&format!("{of_ann}/{one}/end"), &[]).await.status, here.get("/account").await.status), (303, 401));
        // the operator's own
        assert_eq!(staff[0].form("/operator/sessions", &[]).await.status, 303);
        assert_eq!((staff[0].get("/operator").await.status, staff[1].get("/operator").await.status), (200, 401));
        let unused = claviger_server::app::sign_in::create_operator_link(&world.app).await.expect("a link").url;
        assert_eq!(claviger_server::app::sessions::end_all_of_operator(&world.app).await.expect("ended"), 1);
        assert_eq!(staff[0].get("/operator").await.status, 401);
        assert_eq!(world.open(unused.expose().split_once(crate::common::HOST).expect("ours").1).await.status, 410);
    }

    async fn a_session_is_recognised_by_its_browser_and_its_address_wherever_it_is_listed(world) {
        let acme = acme(&world).await;
        let (ann, staff) = (world.member(&acme, "ann@example.com").await, world.operator_person().await);
        let firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let script = format!("<script>x</script>{}/1.0", "x".repeat(99));
        let operators = claviger_server::app::sign_in::create_operator_link(&world.app).await.expect("a link").url;
        let operators = operators.expose().split_once(crate::common::HOST).expect("ours").1.to_owned();
        for (path, user_agent, address) in
            [(link(&world, &acme).await, firefox, "192.0.2.7"), (link(&world, &acme).await, script.as_str(), "2001:db8::7"), (operators, firefox, "192.0.2.8")]
        {
            // as a browser opens it itself
            let opened = world.anyone().with("sec-fetch-site", "none").with("user-agent", user_agent).at(address).get(&path).await;
            assert_eq!(opened.status, 303, "{opened:?}");
        }
        let of_ann = format!("/operator/accounts/{acme}/members/ann@example.com/sessions");
        for (caller, page) in [(&ann, "/account/sessions"), (&ann, "/account/members/ann@example.com/sessions"), (&staff, of_ann.as_str())] {
            let text = caller.get(page).await.text();
            let rows = || text.split("<tr role=\"row\">");
            assert!(rows().any(|row| row.contains("<bdi>Firefox on Windows</bdi>") && row.contains(">192.0.2.7</code>")), "{page}: {text}");
            assert!(rows().any(|row| row.contains("script&#62;") && row.contains(">2001:db8::7</code>")), "{page}: {text}");
            assert!(!text.contains("<script>x") && !text.contains(&"x".repeat(65)), "{page}: {text}");
            assert_eq!(rows().filter(|row| row.matches(">—<").count() == 2).count(), 1, "of one nobody knows: {page}: {text}");
        }
        let own = staff.get("/operator/sessions").await.text();
        assert!(own.contains("Firefox on Windows") && own.contains(">192.0.2.8</code>") && !own.contains("192.0.2.7"), "{own}");
    }

    async fn signing_out_ends_this_session_and_no_other(world) {
        let acme = acme(&world).await;
        let (here, there) = (world.member(&acme, "ann@example.com").await, world.member(&acme, "ann@example.com").await);
        let out = here.form("/sign-out", &[]).await;
        assert_eq!(out.status, 200, "{out:?}");
        assert!(out.header("set-cookie").contains("Max-Age=0") && out.header("clear-site-data").contains("cookies"));
        assert_eq!((here.get("/account").await.status, there.get("/account").await.status), (401, 200));
        assert_eq!(here.form("/sign-out", &[]).await.status, 200, "signing out twice is no error");
    }
}

#[tokio::test]
async fn who_did_not_open_a_link_themselves_gets_a_page_with_a_button() {
    let world = World::sqlite().await;
    let acme = acme(&world).await;
    let path = link(&world, &acme).await;
    // a look at the link, a browser that looks ahead, another site's page
    for (method, name, value) in [
        (Method::HEAD, "accept", "*/*"),
        (Method::GET, "sec-purpose", "prefetch;prerender"),
        (Method::GET, "sec-fetch-site", "cross-site"),
        (Method::GET, "sec-fetch-site", "same-site"),
        (Method::GET, "referer", "http://elsewhere.example.com/"),
        (Method::GET, "referer", "http://claviger.test.example.com/"),
    ] {
        let shown = world.anyone().with(name, value).send(method, &path, None, Vec::new()).await;
        assert_eq!((shown.status, shown.headers.contains_key("set-cookie")), (200, false), "{shown:?}");
    }
    let page = world.anyone().with("sec-fetch-site", "cross-site").get(&path).await.text();
    assert!(page.contains("<bdi>ann@example.com</bdi>") && page.contains("<bdi>Acme</bdi>") && page.contains("<form method=\"post\">"), "{page}");
    for site in ["cross-site", "same-site", "none"] {
        let forged = world.anyone().with("sec-fetch-site", site).form(&path, &[]).await;
        assert_eq!((forged.status, forged.headers.contains_key("set-cookie")), (403, false), "{forged:?}");
    }
    assert_eq!(world.open(&path).await.status, 303);
    // typed, pasted, or opened by what is no browser
    for site in [Some("none"), None] {
        let path = link(&world, &acme).await;
        let caller = world.anyone();
        let opened = if let Some(site) = site { caller.with("sec-fetch-site", site) } else { caller }.get(&path).await;
        assert_eq!((opened.status, opened.header("location"), opened.headers.contains_key("set-cookie")), (303, "/account", true), "{opened:?}");
    }
}

#[tokio::test]
async fn a_cookie_that_is_not_one_of_ours_signs_no_one_in() {
    let world = World::sqlite().await;
    let acme = acme(&world).await;
    let used = world.open(&link(&world, &acme).await).await;
    let cookie = used.header("set-cookie").split(';').next().expect("a pair").to_owned();
    let token = cookie.split_once('=').expect("a pair").1.to_owned();
    assert!(token.len() >= 43, "256 bits");
    let get = |cookie: String| {
        let world = &world;
        async move { world.anyone().with("cookie", &cookie).get("/account").await.status }
    };
    assert_eq!(get(cookie.clone()).await, 200);
    assert_eq!(get(format!("other=1; {cookie}; more=2")).await, 200);
    for bad in [
        format!("{cookie}x"),
        cookie[..cookie.len() - 1].to_owned(),
        format!("claviger={}", "0".repeat(43)),
        "claviger=".into(),
        format!("claviger2={token}"),
        format!("{cookie}; claviger={}", "0".repeat(43)),
        format!("{cookie}; {cookie}"),
        format!("__Host-claviger={token}"),
    ] {
        assert_eq!(get(bad.clone()).await, 401, "{bad}");
    }
    // a link's token is no session, and a session's no link
    let link = link(&world, &acme).await;
    assert_eq!(get(format!("claviger={}", link.rsplit('/').next().expect("a token"))).await, 401);
    assert_eq!(world.open(&format!("/sign-in/{token}")).await.status, 410);
}

#[tokio::test]
async fn the_first_page_leads_each_to_their_own() {
    let world = World::sqlite().await;
    let acme = acme(&world).await;
    let ann = world.member(&acme, "ann@example.com").await;
    let staff = world.operator_person().await;
    assert_eq!(ann.get("/").await.header("location"), "/account");
    assert_eq!(staff.get("/").await.header("location"), "/operator");
    let nobody = world.anyone().get("/").await;
    assert_eq!(nobody.status, 401);
    assert!(nobody.text().contains("You are not signed in") && nobody.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn an_operator_key_that_was_deleted_is_refused_at_once() {
    let world = World::sqlite().await;
    let staff = world.operator_person().await;
    let page = staff.get("/operator/keys").await.text();
    let delete = crate::common::between(&page, "href=\"/operator/keys/0", "/delete\"");
    assert_eq!(world.operator().get("/v1/accounts").await.status, 200);
    assert_eq!(staff.form(&format!("/operator/keys/0{delete}/delete"), &[]).await.status, 303);
    world.operator().get("/v1/accounts").await.assert_problem(401, "credential_invalid");
}
