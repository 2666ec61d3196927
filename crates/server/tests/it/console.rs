//! The console by HTTP: what a browser without JavaScript does.
use serde_json::json;

use crate::common::{Answer, Caller, World, between, on_both_engines};

fn once(page: &Answer) -> String {
    between(&page.text(), "name=\"once\" value=\"", "\"").to_owned()
}

/// What the dialog shows in its field with this id.
fn shown(page: &Answer, id: &str) -> String {
    let text = page.text();
    let field = between(&text, &format!("<textarea class=\"value\" id=\"{id}\""), "</textarea>");
    field.rsplit_once('>').expect("a field").1.to_owned()
}

async fn create(caller: &Caller<'_>, email: &str) -> Answer {
    let dialog = caller.get("/account/api-keys/new").await;
    assert_eq!(dialog.status, 200, "{dialog:?}");
    caller.form("/account/api-keys", &[("once", &once(&dialog)), ("email", email)]).await
}

on_both_engines! {
    async fn an_owner_creates_a_key_uses_it_deletes_it_and_it_is_refused(world) {
        let acme = world.account("corporate", "Acme <& Co>").await;
        let owner = world.new_member(&acme, "owner").await;
        let empty = owner.get("/account/api-keys").await;
        assert!(empty.status == 200 && empty.text().contains("No API keys yet"), "{empty:?}");
        let created = create(&owner, "dev@example.com").await;
        assert_eq!(created.status, 200, "{created:?}");
        let (public_id, secret, account) = (shown(&created, "new-public-id"), shown(&created, "new-secret"), shown(&created, "new-account-id"));
        assert_eq!(account, acme);
        assert!(created.text().contains("shown only now"), "{created:?}");
        assert_eq!(created.text().matches(&secret).count(), 2, "the secret stands there, and in its example");

        let list = owner.get("/account/api-keys").await.text();
        assert!(list.contains(&public_id) && list.contains("dev") && !list.contains(&secret));
        for column in ["Client ID", "Email", "Created"] {
            assert!(list.contains(&format!(">{column}</th>")), "{column}");
        }
        let token = world.exchange(&public_id, &secret).await.json()["access_token"].as_str().expect("a token").to_owned();
        assert_eq!(world.use_token(&token, &acme).await.status, 200);

        let href = format!("/account/api-keys/{}", between(&list, "href=\"/account/api-keys/0", "\""));
        let href = href.replace("/account/api-keys/", "/account/api-keys/0");
        let confirm = owner.get(&href).await;
        assert!(confirm.status == 200 && confirm.text().contains("stop working at once") && confirm.text().contains(&public_id), "{confirm:?}");
        assert_eq!(world.use_token(&token, &acme).await.status, 200, "asking deletes nothing");
        let deleted = owner.form(&href, &[]).await;
        assert_eq!((deleted.status, deleted.header("location")), (303, "/account/api-keys?done=deleted"));
        assert_eq!(world.use_token(&token, &acme).await.status, 401);
        assert_eq!(world.exchange(&public_id, &secret).await.status, 401);
        let after = owner.get("/account/api-keys?done=deleted").await.text();
        assert!(after.contains("No API keys yet") && !after.contains(&public_id));
        // again, as by the back button: no error, nothing more
        assert_eq!(owner.form(&href, &[]).await.status, 303);
        assert_eq!(owner.get(&href).await.status, 404);
    }

    async fn the_same_form_sent_again_makes_nothing_and_shows_no_secret(world) {
        let acme = world.account("corporate", "Acme").await;
        let owner = world.new_member(&acme, "owner").await;
        let nonce = once(&owner.get("/account/api-keys/new").await);
        let form = [("once", nonce.as_str()), ("email", "dev@example.com")];
        let created = owner.form("/account/api-keys", &form).await;
        assert_eq!(created.status, 200);
        let again = owner.form("/account/api-keys", &form).await;
        assert_eq!((again.status, again.header("location")), (303, "/account/api-keys?done=created-before"));
        let list = world.operator().get(&format!("/v1/accounts/{acme}/credentials")).await.json();
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
        assert!(owner.get("/account/api-keys?done=created-before").await.text().contains("sent before"));
    }

    async fn the_eleventh_key_is_refused_with_what_to_do(world) {
        let acme = world.account("corporate", "Acme").await;
        let owner = world.new_member(&acme, "owner").await;
        let early = once(&owner.get("/account/api-keys/new").await);
        for _ in 0..10 {
            world.credential(&acme).await;
        }
        let late = owner.form("/account/api-keys", &[("once", &early), ("email", "dev@example.com")]).await;
        let dialog = owner.get("/account/api-keys/new").await;
        assert_eq!((late.status, dialog.status), (409, 200), "{late:?}");
        for page in [late, dialog] {
            let text = page.text();
            assert!(text.contains("no room for another") && text.contains("Delete one that is no longer used") && !text.contains("name=\"email\""));
        }
        assert!(owner.get("/account/api-keys").await.text().contains("10 of 10 in use"));
    }
}

#[tokio::test]
async fn beside_each_kind_of_secret_stands_a_command_with_it_in_place() {
    let world = World::sqlite().await;
    let account = world.account("business", "Acme").await;
    let admin = world.new_member(&account, "owner").await;
    for (kind, parts) in [
        ("api_key", ["https://api.example.com/", "-H 'X-API-Key: {secret}'", ""]),
        ("client", ["http://claviger.test/auth/token", "\"clientId\":\"{id}\"", "\"clientSecret\":\"{secret}\""]),
        ("basic", ["https://api.example.com/", "-u '{id}:{secret}'", ""]),
        ("hmac", ["-hmac '{secret}'", "username=\\\"{id}\\\"", "'Date: %s\\nGET / HTTP/1.1'"]),
    ] {
        let form = [("once", kind), ("kind", kind), ("name", "Import"), ("access", "full"), ("expires", "never")];
        let created = admin.form("/account/credentials", &form).await;
        assert_eq!(created.status, 200, "{created:?}");
        let (id, secret) = (shown(&created, "new-public-id"), shown(&created, "new-secret"));
        let text = created.text();
        let example = between(&text, "<code id=\"try-curl\">", "</code>").replace("&#34;", "\"").replace("&#39;", "'");
        for part in parts {
            let part = part.replace("{id}", &id).replace("{secret}", &secret);
            assert!(example.contains(&part), "{kind}: {part}\n{example}");
        }
    }
}

#[tokio::test]
async fn a_refused_form_keeps_what_was_typed_and_says_what_is_wrong_beside_it() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let owner = world.new_member(&acme, "owner").await;
    let long = format!("{}@example.com", "a".repeat(288));
    for (typed, message) in [
        ("", "Enter an email address"),
        ("nonsense", "Enter a valid email address"),
        (long.as_str(), "at most 254"),
        ("\"><script>x</script>", "valid email"),
    ] {
        let refused = create(&owner, typed).await;
        assert_eq!(refused.status, 422, "{refused:?}");
        let text = refused.text();
        assert!(text.contains("aria-invalid=\"true\"") && text.contains("id=\"email-error\"") && text.contains(message), "{text}");
        assert!(!text.contains("<script>x"), "what was typed is escaped");
        if typed.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'@' || byte == b'.') {
            assert!(text.contains(&format!("value=\"{typed}\"")), "{text}");
        }
    }
    assert_eq!(world.operator().get(&format!("/v1/accounts/{acme}/credentials")).await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_form_that_is_none_of_ours_is_refused() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let owner = world.new_member(&acme, "owner").await;
    for form in [
        &[("email", "a@b.co")][..],
        &[("once", ""), ("email", "a@b.co")],
        &[("once", "x"), ("email", "a@b.co"), ("nonsense", "x")],
        &[("once", "x"), ("email", "a@b.co"), ("email", "c@d.co")],
    ] {
        assert_eq!(owner.form("/account/api-keys", form).await.status, 400, "{form:?}");
    }
    let large = "x".repeat(65 * 1024);
    let answer = owner.form("/account/api-keys", &[("once", "x"), ("email", &large)]).await;
    assert_eq!(answer.status, 413, "64 KiB and no more");
    // a form without a nonce of ours is one form like any other: two of them are two only if their nonces differ
    assert_eq!(world.operator().get(&format!("/v1/accounts/{acme}/credentials")).await.json()["items"], json!([]));
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_answered_by_a_page_and_not_by_the_framework() {
    let world = World::sqlite().await;
    let partner = world.account("partner", "Partner").await;
    let admin = world.new_member(&partner, "partner_admin").await;
    let staff = world.operator_person().await;
    for (caller, path) in [
        (&admin, "/account/api-keys?after=junk"),
        (&admin, "/account/clients?after=junk"),
        (&admin, "/account/api-keys/junk/delete"),
        (&admin, "/account/members/%FF/role"),
        (&staff, "/operator?after=junk"),
        (&staff, "/operator/accounts/junk"),
        (&staff, &format!("/operator/accounts/{partner}?after=junk")),
    ] {
        let answer = caller.get(path).await;
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(answer.header("content-type").starts_with("text/html") && answer.text().contains("Claviger"), "{path}: {answer:?}");
        assert!(answer.text().contains("href=\"/\">Go to the start page"), "{path}: no dead end: {answer:?}");
    }
}

#[tokio::test]
async fn who_may_not_manage_credentials_finds_no_trace_of_them() {
    let world = World::sqlite().await;
    let partner = world.account("partner", "Partner").await;
    let acme = world.account_under("corporate", "Acme", Some(&partner)).await;
    for (account, roles) in [(&acme, &["viewer", "executor", "preparer"][..]), (&partner, &["onboarding_agent"])] {
        let made = world.credential(account).await;
        for role in roles {
            let caller = world.new_member(account, role).await.with("x-request-id", "fixed");
            assert_no_trace(&caller, &made.id, &made.public_id).await;
        }
    }
}

#[tokio::test]
async fn while_the_gate_is_closed_or_the_account_suspended_an_owner_finds_no_trace_either() {
    let world = World::sqlite().await;
    for (kind, role) in [("corporate", "owner"), ("corporate", "admin"), ("partner", "partner_admin")] {
        let account = world.account(kind, "Acme").await;
        let caller = world.new_member(&account, role).await.with("x-request-id", "fixed");
        let made = world.credential(&account).await;
        assert!(caller.get("/account").await.text().contains("/account/api-keys"), "with the gate open it is there");
        world.change(&account, json!({ "api_access": false })).await;
        assert_no_trace(&caller, &made.id, &made.public_id).await;
        world.change(&account, json!({ "api_access": true, "status": "suspended" })).await;
        assert_no_trace(&caller, &made.id, &made.public_id).await;
        world.change(&account, json!({ "status": "active" })).await;
        assert_eq!(caller.get("/account/api-keys").await.status, 200);
    }
}

#[tokio::test]
async fn while_an_account_above_is_suspended_no_key_can_be_made_below() {
    let world = World::sqlite().await;
    let partner = world.account("partner", "Partner").await;
    let acme = world.account_under("corporate", "Acme", Some(&partner)).await;
    world.change(&partner, json!({ "status": "suspended" })).await;
    let answer = world.operator().post(&format!("/v1/accounts/{acme}/credentials"), json!({ "email": "dev@example.com" })).await;
    answer.assert_problem(409, "account_suspended");
}

/// Pages, sub-pages and forms are as absent as a page that never was, and nothing else speaks of them.
async fn assert_no_trace(caller: &Caller<'_>, credential: &str, public_id: &str) {
    let nothing = caller.get("/account/nothing-here").await;
    assert_eq!(nothing.status, 404, "{nothing:?}");
    for path in ["/account/api-keys".to_owned(), "/account/api-keys/new".into(), format!("/account/api-keys/{credential}/delete")] {
        let get = caller.get(&path).await;
        assert_eq!(get, nothing, "{path}");
        let posted = caller.form(&path, &[("once", "x"), ("email", "a@b.co")]).await;
        if path.ends_with("new") {
            assert!(matches!(posted.status, 404 | 405), "{path}: {posted:?}");
        } else {
            assert_eq!(posted, nothing, "POST {path}");
        }
    }
    for path in ["/account", "/account/members", "/account/clients", "/account/nothing-here"] {
        let page = caller.get(path).await.text();
        for trace in ["api-keys", "API key", "Client ID", public_id] {
            assert!(!page.contains(trace), "{path} speaks of {trace}: {page}");
        }
    }
}

#[tokio::test]
async fn each_kind_keeps_its_keys_where_its_words_say() {
    let world = World::sqlite().await;
    let (corporate, partner) = (world.account("corporate", "Acme").await, world.account("partner", "Partner").await);
    let (owner, admin) = (world.new_member(&corporate, "owner").await, world.new_member(&partner, "partner_admin").await);
    for (caller, in_menu, submit) in [(&owner, false, "Submit"), (&admin, true, "Create")] {
        let page = caller.get("/account").await.text();
        let (menu, nav) = (between(&page, "<nav aria-label=\"Account menu\">", "</nav>"), between(&page, "<nav class=\"side\"", "</nav>"));
        assert_eq!(menu.contains("href=\"/account/api-keys\""), in_menu, "{menu}");
        assert!(nav.contains("href=\"/account/api-keys\"") && nav.contains("API keys"), "{nav}");
        let dialog = caller.get("/account/api-keys/new").await.text();
        assert!(dialog.contains("Create API key") && dialog.contains(&format!(">{submit}</button>")), "{dialog}");
    }
}

#[tokio::test]
async fn an_owner_manages_users_and_an_admin_does_not() {
    let world = World::sqlite().await;
    let acme = world.account("corporate", "Acme").await;
    let (owner, admin) = (world.new_member(&acme, "owner").await, world.new_member(&acme, "admin").await);
    assert_eq!(admin.get("/account/members").await.status, 404);
    assert_eq!(admin.form("/account/members", &[("email", "x@example.com"), ("role", "owner")]).await.status, 404);
    assert!(!admin.get("/account").await.text().contains("/account/members"));
    let added = owner.form("/account/members", &[("email", "x+y@example.com"), ("name", "X"), ("role", "viewer")]).await;
    assert_eq!((added.status, added.header("location")), (303, "/account/members?done=member-saved"));
    let list = owner.get("/account/members").await.text();
    assert!(list.contains("/account/members/x%2By@example.com/role"), "{list}");
    assert_eq!(owner.form("/account/members/x%2By@example.com/role", &[("role", "preparer")]).await.status, 303);
    assert_eq!(owner.form("/account/members/x%2By@example.com/role", &[("role", "partner_admin")]).await.status, 422);
    let last = owner.form("/account/members/owner@example.com/role", &[("role", "viewer")]).await;
    assert!(last.status == 409 && last.text().contains("last owner"), "{last:?}");
    assert_eq!(owner.form("/account/members/owner@example.com/remove", &[]).await.status, 409);
    assert_eq!(owner.form("/account/members/x%2By@example.com/remove", &[]).await.status, 303);
    assert_eq!(owner.form("/account/members/x%2By@example.com/remove", &[]).await.status, 404);
}

#[tokio::test]
async fn adding_who_is_a_member_already_changes_nothing_of_them_and_says_so_beside_what_was_typed() {
    let world = World::sqlite().await;
    let partner = world.account("partner", "Partner").await;
    let client = world.account_under("corporate", "Client", Some(&partner)).await;
    let (admin, staff) = (world.new_member(&partner, "partner_admin").await, world.operator_person().await);
    let path = format!("/v1/accounts/{partner}/members");
    let agent = json!({ "role": "onboarding_agent", "name": "Ann", "clients": [client] });
    assert_eq!(world.operator().put(&format!("{path}/Ann@example.com"), agent).await.status, 201);
    let before = (world.operator().get(&path).await.json(), world.actions(&partner).await);
    let form = [("email", "ANN@example.com"), ("name", "Mallory"), ("role", "partner_admin")];
    for (caller, action) in [(&admin, "/account/members"), (&staff, &format!("/operator/accounts/{partner}/members"))] {
        let refused = caller.form(action, &form).await;
        let text = refused.text();
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(between(&text, "id=\"email-error\"", "</p>").contains("Ann@example.com is already a member"), "{text}");
        assert!(text.contains("value=\"ANN@example.com\"") && text.contains("value=\"Mallory\""), "{text}");
        assert!(between(&text, "name=\"role\" value=\"partner_admin\"", ">").contains("checked"), "{text}");
    }
    assert_eq!((world.operator().get(&path).await.json(), world.actions(&partner).await), before);
    // the operator's people change a role where the account's own do
    let page = staff.get(&format!("/operator/accounts/{partner}")).await.text();
    let role = format!("/operator/accounts/{partner}/members/Ann@example.com/role");
    assert!(page.contains(&role), "{page}");
    assert!(staff.get(&role).await.text().contains(&format!("action=\"{role}\"")));
    assert_eq!(staff.form(&role, &[("role", "nonsense")]).await.status, 422);
    assert_eq!(staff.form(&role, &[("role", "partner_admin")]).await.status, 303);
    assert_eq!(staff.form(&role.replace("Ann", "nobody"), &[("role", "partner_admin")]).await.status, 404);
    let members = world.operator().get(&path).await.json();
    let ann = members["items"].as_array().expect("members").iter().find(|member| member["email"] == "Ann@example.com");
    assert_eq!(ann.expect("a member")["role"], "partner_admin", "{members}");
}

#[tokio::test]
async fn agents_see_the_clients_assigned_to_them_and_admins_see_all() {
    let world = World::sqlite().await;
    let partner = world.account("partner", "Partner").await;
    let one = world.account_under("corporate", "Client One", Some(&partner)).await;
    let two = world.account_under("corporate", "Client Two", Some(&partner)).await;
    let other = world.account("partner", "Other").await;
    let foreign = world.account_under("corporate", "Client Foreign", Some(&other)).await;
    let path = format!("/v1/accounts/{partner}/members/agent@example.com");
    world.operator().put(&path, json!({ "role": "onboarding_agent", "clients": [one] })).await;
    let (agent, admin) = (world.member(&partner, "agent@example.com").await, world.new_member(&partner, "partner_admin").await);
    let (seen, all) = (agent.get("/account/clients").await.text(), admin.get("/account/clients").await.text());
    assert!(seen.contains(&one) && !seen.contains(&two) && !seen.contains(&foreign), "{seen}");
    assert!(all.contains(&one) && all.contains(&two) && !all.contains(&foreign), "{all}");
    world.operator().put(&path, json!({ "role": "onboarding_agent", "clients": [] })).await;
    assert!(agent.get("/account/clients").await.text().contains("No clients yet"));
}

#[tokio::test]
async fn the_operator_makes_accounts_opens_gates_adds_people_and_hands_out_links_and_keys() {
    let world = World::sqlite().await;
    let staff = world.operator_person().await;
    let nonce = once(&staff.get("/operator/new").await);
    let form = [("once", nonce.as_str()), ("name", "Acme <script>"), ("kind", "corporate"), ("parent_id", ""), ("external_id", "42")];
    let made = staff.form("/operator", &form).await;
    assert_eq!(made.status, 303, "{made:?}");
    let href = made.header("location").split('?').next().expect("a path").to_owned();
    assert_eq!(staff.form("/operator", &form).await.header("location"), "/operator");
    let wrong = staff.form("/operator", &[("once", "other"), ("name", ""), ("kind", ""), ("parent_id", "x"), ("external_id", "a b")]).await;
    assert!(wrong.status == 422 && wrong.text().contains("Enter a name"), "{wrong:?}");
    let taken = staff.form("/operator", &[("once", "third"), ("name", "B"), ("kind", "corporate"), ("parent_id", ""), ("external_id", "42")]).await;
    assert!(taken.status == 409 && taken.text().contains("external_id"), "{taken:?}");
    let page = staff.get(&href).await.text();
    assert!(page.contains("Acme &#60;script&#62;") || page.contains("Acme &lt;script&gt;"), "{page}");
    let found = |text: &'static str| {
        let staff = &staff;
        async move { staff.get(&format!("/operator?q={text}")).await.text().contains("/operator/accounts/0") }
    };
    assert!(found("acme").await && found("42").await && !found("nothing").await);

    assert_eq!(staff.form(&href, &[("api_access", "true")]).await.header("location"), format!("{href}?done=granted"));
    assert_eq!(staff.form(&format!("{href}/members"), &[("email", "ann@example.com"), ("name", ""), ("role", "owner")]).await.status, 303);
    let link = staff.form(&format!("{href}/members/ann@example.com/sign-in-link"), &[]).await;
    assert_eq!(link.status, 200, "{link:?}");
    let ann = world.signed_in_by(&shown(&link, "new-link")).await;
    assert_eq!(ann.get("/account/api-keys").await.status, 200);
    for (confirm, field, value, done) in [("withdraw", "api_access", "false", "withdrawn"), ("suspend", "status", "suspended", "suspended")] {
        let dialog = staff.get(&format!("{href}/{confirm}")).await;
        assert!(dialog.status == 200 && dialog.text().contains("refused at once"), "{dialog:?}");
        assert_eq!(staff.form(&href, &[(field, value)]).await.header("location"), format!("{href}?done={done}"));
    }
    assert_eq!(ann.get("/account/api-keys").await.status, 404);

    let key = staff.form("/operator/keys", &[("once", "x"), ("name", "ci")]).await;
    let key = shown(&key, "new-key");
    assert_eq!(world.anyone().with("authorization", &format!("Bearer {key}")).get("/v1/accounts").await.status, 200);
    assert!(!staff.get("/operator/keys").await.text().contains(&key));
    let events = world.operator().get(&format!("/v1/accounts/{}/events?limit=200", href.rsplit('/').next().expect("an id"))).await.json();
    assert!(
        events["items"].as_array().expect("items").iter().any(|event| event["actor"] == "operator:operator" && event["action"] == "account.updated")
    );
}
