//! Who may do what, as a table that people read: every role of every kind, the operator by key and in person, and nobody, against every
//! route and every relation to the account it is about. The table is a snapshot; a route that is not in it fails a test.
use std::{collections::BTreeSet, fmt::Write};

use axum::http::Method;
use serde_json::json;

use crate::{
    common::{Caller, Made, World},
    routes,
};

/// Every verb with what it is sent; the path's `{…}` say what it is about.
const VERBS: [(&str, &str, &str); 116] = [
    ("GET", "/", ""),
    ("GET", "/account", ""),
    ("GET", "/account/members", ""),
    ("POST", "/account/members", "email=new@example.com&role={role}"),
    ("GET", "/account/members/new", ""),
    ("GET", "/account/members/{email}/role", ""),
    ("POST", "/account/members/{email}/role", "role={role}"),
    ("GET", "/account/members/{email}/remove", ""),
    ("POST", "/account/members/{email}/remove", ""),
    ("GET", "/account/clients", ""),
    ("GET", "/account/{page}", ""),
    ("POST", "/account/{page}", "once=x&email=dev@example.com"),
    ("GET", "/account/{page}/new", ""),
    ("GET", "/account/{page}/{id}/delete", ""),
    ("POST", "/account/{page}/{id}/delete", ""),
    ("GET", "/operator", ""),
    ("POST", "/operator", "once=x&name=New&kind=corporate"),
    ("GET", "/operator/new", ""),
    ("GET", "/operator/keys", ""),
    ("POST", "/operator/keys", "once=x&name=New"),
    ("GET", "/operator/keys/new", ""),
    ("GET", "/operator/keys/{id}/delete", ""),
    ("POST", "/operator/keys/{id}/delete", ""),
    ("GET", "/operator/accounts/{id}", ""),
    ("POST", "/operator/accounts/{id}", "status=active"),
    ("GET", "/operator/accounts/{id}/withdraw", ""),
    ("GET", "/operator/accounts/{id}/suspend", ""),
    ("POST", "/operator/accounts/{id}/members", "email=new@example.com&role={role}"),
    ("GET", "/operator/accounts/{id}/members/new", ""),
    ("POST", "/operator/accounts/{id}/members/{email}/sign-in-link", ""),
    ("GET", "/v1/accounts", ""),
    ("POST", "/v1/accounts", r#"{"kind":"corporate","name":"New"}"#),
    ("GET", "/v1/accounts/{id}", ""),
    ("PATCH", "/v1/accounts/{id}", r#"{"status":"active"}"#),
    ("GET", "/v1/accounts/{id}/members", ""),
    ("PUT", "/v1/accounts/{id}/members/{email}", r#"{"role":"{role}"}"#),
    ("DELETE", "/v1/accounts/{id}/members/{email}", ""),
    ("POST", "/v1/accounts/{id}/sign-in-links", r#"{"email":"{email}"}"#),
    ("GET", "/v1/accounts/{id}/credentials", ""),
    ("POST", "/v1/accounts/{id}/credentials", r#"{"email":"dev@example.com"}"#),
    ("GET", "/v1/accounts/{id}/credentials/{credential_id}", ""),
    ("DELETE", "/v1/accounts/{id}/credentials/{credential_id}", ""),
    ("GET", "/v1/accounts/{id}/events", ""),
    ("GET", "/.well-known/jwks.json", ""),
    ("GET", "/.well-known/oauth-authorization-server", ""),
    ("POST", "/account/{page}/find", "pasted=x"),
    ("GET", "/account/{page}/delete", ""),
    ("POST", "/account/{page}/delete", ""),
    ("POST", "/account/{page}/request", ""),
    ("GET", "/account/{page}/{id}", ""),
    ("GET", "/account/{page}/{id}/edit", ""),
    ("POST", "/account/{page}/{id}/edit", ""),
    ("GET", "/account/{page}/{id}/password", ""),
    ("POST", "/account/{page}/{id}/password", "password=Secret1"),
    ("GET", "/account/{page}/{id}/rotate", ""),
    ("POST", "/account/{page}/{id}/rotate", "overlap=0"),
    ("GET", "/account/{page}/{id}/finish", ""),
    ("POST", "/account/{page}/{id}/finish", ""),
    ("GET", "/account/{page}/{id}/keep-old", ""),
    ("POST", "/account/{page}/{id}/keep-old", ""),
    ("GET", "/account/{page}/{id}/pause", ""),
    ("POST", "/account/{page}/{id}/pause", ""),
    ("GET", "/account/{page}/{id}/resume", ""),
    ("POST", "/account/{page}/{id}/resume", ""),
    ("GET", "/account/{page}/{id}/restore", ""),
    ("POST", "/account/{page}/{id}/restore", ""),
    ("GET", "/account/below/{account}/{page}", ""),
    ("POST", "/account/below/{account}/{page}", "once=x&email=new%40example.com"),
    ("GET", "/account/below/{account}/{page}/new", ""),
    ("POST", "/account/below/{account}/{page}/find", "pasted=x"),
    ("GET", "/account/below/{account}/{page}/delete", ""),
    ("POST", "/account/below/{account}/{page}/delete", ""),
    ("POST", "/account/below/{account}/{page}/request", ""),
    ("GET", "/account/below/{account}/{page}/{id}", ""),
    ("GET", "/account/below/{account}/{page}/{id}/delete", ""),
    ("POST", "/account/below/{account}/{page}/{id}/delete", ""),
    ("GET", "/account/below/{account}/{page}/{id}/edit", ""),
    ("POST", "/account/below/{account}/{page}/{id}/edit", ""),
    ("GET", "/account/below/{account}/{page}/{id}/password", ""),
    ("POST", "/account/below/{account}/{page}/{id}/password", "password=Secret1"),
    ("GET", "/account/below/{account}/{page}/{id}/rotate", ""),
    ("POST", "/account/below/{account}/{page}/{id}/rotate", "overlap=0"),
    ("GET", "/account/below/{account}/{page}/{id}/finish", ""),
    ("POST", "/account/below/{account}/{page}/{id}/finish", ""),
    ("GET", "/account/below/{account}/{page}/{id}/keep-old", ""),
    ("POST", "/account/below/{account}/{page}/{id}/keep-old", ""),
    ("GET", "/account/below/{account}/{page}/{id}/pause", ""),
    ("POST", "/account/below/{account}/{page}/{id}/pause", ""),
    ("GET", "/account/below/{account}/{page}/{id}/resume", ""),
    ("POST", "/account/below/{account}/{page}/{id}/resume", ""),
    ("GET", "/account/below/{account}/{page}/{id}/restore", ""),
    ("POST", "/account/below/{account}/{page}/{id}/restore", ""),
    ("PATCH", "/v1/accounts/{id}/credentials/{credential_id}", "{}"),
    ("POST", "/v1/accounts/{id}/credentials/{credential_id}/rotate", "{}"),
    ("POST", "/v1/accounts/{id}/credentials/{credential_id}/settle", r#"{"keep":"new"}"#),
    ("POST", "/v1/accounts/{id}/credentials/{credential_id}/pause", "{}"),
    ("POST", "/v1/accounts/{id}/credentials/{credential_id}/resume", "{}"),
    ("POST", "/v1/accounts/{id}/credentials/{credential_id}/revoke", "{}"),
    ("POST", "/v1/accounts/{id}/credentials/{credential_id}/restore", "{}"),
    ("PUT", "/v1/accounts/{id}/credentials/{credential_id}/password", r#"{"password":"Secret1"}"#),
    ("GET", "/v1/accounts/{id}/refusals", ""),
    ("GET", "/v1/accounts/{id}/refusals/{request_id}", ""),
    ("GET", "/v1/catalogue", ""),
    ("GET", "/v1/cluster", ""),
    ("PUT", "/v1/catalogue", "nonsense"),
    ("GET", "/v1/api-key/keys", ""),
    ("POST", "/v1/api-key/keys", r#"{"owner":"a@b.co"}"#),
    ("GET", "/v1/api-key/keys/{api_key_id}", ""),
    ("PATCH", "/v1/api-key/keys/{api_key_id}", "{}"),
    ("DELETE", "/v1/api-key/keys/{api_key_id}", ""),
    ("PUT", "/v1/api-key/keys/{api_key_id}/roles/{role}", ""),
    ("DELETE", "/v1/api-key/keys/{api_key_id}/roles/{role}", ""),
    ("GET", "/v1/audit-log/history", ""),
    ("GET", "/openapi.json", ""),
    ("GET", "/sign-in/{token}", ""),
    ("POST", "/sign-out", ""),
];

/// Routes that ask no one who they are; each has tests of its own.
const PROVE_THEMSELVES: [(&str, &str); 4] = [("POST", "/legacy"), ("POST", "/auth/token"), ("POST", "/oauth2/token"), ("GET", "/assets/{name}")];

/// Routes of the gateway listener, which is private by where it listens.
const OF_THE_GATEWAY: [(&str, &str); 5] =
    [("POST", "/v1/verify"), ("GET", "/verify/nginx"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")];

const RELATIONS: [&str; 5] = ["own", "descendant", "sibling", "ancestor", "foreign"];

/// Who asks: a column of the table.
#[derive(Clone, Copy)]
enum Who {
    Nobody,
    OperatorKey,
    OperatorPerson,
    Corporate(&'static str),
    Partner(&'static str),
}

const COLUMNS: [(&str, Who); 10] = [
    ("nobody", Who::Nobody),
    ("op. key", Who::OperatorKey),
    ("op. person", Who::OperatorPerson),
    ("owner", Who::Corporate("owner")),
    ("admin", Who::Corporate("admin")),
    ("executor", Who::Corporate("executor")),
    ("preparer", Who::Corporate("preparer")),
    ("viewer", Who::Corporate("viewer")),
    ("p. admin", Who::Partner("partner_admin")),
    ("agent", Who::Partner("onboarding_agent")),
];

/// A partner with two clients, and a stranger.
struct Tree {
    world: World,
    partner: String,
    client: String,
    other_client: String,
    stranger: String,
}

impl Tree {
    async fn grow() -> Self {
        let world = World::sqlite().await;
        let partner = world.account("partner", "Partner").await;
        let client = world.account_under("corporate", "Client", Some(&partner)).await;
        let other_client = world.account_under("corporate", "Other client", Some(&partner)).await;
        let stranger = world.account("corporate", "Stranger").await;
        Self { world, partner, client, other_client, stranger }
    }

    /// Which account stands in this relation to the caller's own, and a role it has. Nobody and the operator look from the client.
    fn related(&self, who: Who, relation: &str) -> Option<(&str, &'static str)> {
        let of_partner = matches!(who, Who::Partner(_));
        match relation {
            "own" if of_partner => Some((&self.partner, "partner_admin")),
            "own" => Some((&self.client, "viewer")),
            "descendant" if of_partner => Some((&self.client, "viewer")),
            "sibling" if !of_partner => Some((&self.other_client, "viewer")),
            "ancestor" if !of_partner => Some((&self.partner, "partner_admin")),
            "foreign" => Some((&self.stranger, "viewer")),
            _ => None,
        }
    }

    async fn caller(&self, who: Who) -> Caller<'_> {
        match who {
            Who::Nobody => self.world.anyone().with("sec-fetch-site", "same-origin"),
            Who::OperatorKey => self.world.operator().with("sec-fetch-site", "same-origin"),
            Who::OperatorPerson => self.world.operator_person().await,
            Who::Corporate(role) => self.world.new_member(&self.client, role).await,
            Who::Partner(role) => self.world.new_member(&self.partner, role).await,
        }
    }

    /// The id of an operator key that nobody uses.
    async fn operator_key_to_end(&self) -> String {
        claviger_server::app::operator_keys::create_from_command_line(&self.world.app, "target").await.expect("a key");
        let keys = self.world.app.store.reader().await.expect("a reader").list_operator_keys().await.expect("keys");
        keys.into_iter().find(|key| key.name == "target").expect("just made").id.to_string()
    }

    /// One cell: the status of this verb, about a fresh object of that account.
    async fn status(&self, caller: &Caller<'_>, (method, template, body): (&str, &str, &str), relation: &str, account: &str, role: &str) -> u16 {
        // an address of that account only
        let email = &format!("{relation}@example.com");
        if template.contains("{email}") || body.contains("{email}") {
            self.world.save_member(account, email, role).await;
            // so that the target is never the last one of a role
            self.world.save_member(account, "keeper@example.com", role).await;
        }
        let made = if template.contains("{page}/{id}") || template.contains("{credential_id}") {
            self.world.credential(account).await
        } else {
            Made { account: String::new(), id: String::new(), public_id: String::new(), secret: String::new() }
        };
        let key = if template.contains("/operator/keys/{id}") { self.operator_key_to_end().await } else { String::new() };
        let path = template
            .replace("{page}/{id}", &format!("api-keys/{}", made.id))
            .replace("{page}", "api-keys")
            .replace("{credential_id}", &made.id)
            .replace("/operator/keys/{id}", &format!("/operator/keys/{key}"))
            .replace("{id}", account)
            .replace("{email}", email)
            .replace("{account}", account)
            .replace("{api_key_id}", "01890000-0000-7000-8000-000000000001")
            .replace("{role}", "viewer")
            .replace("{request_id}", "unknown")
            .replace("{token}", "spent");
        let body = body.replace("{email}", email).replace("{role}", role);
        let content_type = match (method, body.starts_with('{')) {
            ("GET" | "DELETE", _) => None,
            (_, true) => Some("application/json"),
            (_, false) => Some("application/x-www-form-urlencoded"),
        };
        let method: Method = method.parse().expect("a method");
        let answer = caller.send(method, &path, content_type, body.into_bytes()).await;
        if !made.id.is_empty() {
            self.world.delete(&made).await;
        }
        answer.status
    }
}

/// Whether a verb is about one account among several.
fn is_about_an_account(template: &str) -> bool {
    (template.contains("{id}") && !template.starts_with("/operator/keys")) || template.contains("{email}") || template.contains("{account}")
}

async fn column(who: Who) -> Vec<String> {
    let tree = Tree::grow().await;
    let caller = tree.caller(who).await;
    let mut cells = Vec::new();
    for verb in VERBS {
        for relation in RELATIONS {
            if relation != "own" && !is_about_an_account(verb.1) {
                continue;
            }
            cells.push(match tree.related(who, relation) {
                Some((account, role)) => tree.status(&caller, verb, relation, account, role).await.to_string(),
                None => "-".to_owned(),
            });
        }
    }
    cells
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_matrix_is_the_one_that_was_agreed() {
    let columns: Vec<_> = COLUMNS.map(|(_, who)| tokio::spawn(column(who))).into_iter().collect();
    let mut cells = Vec::new();
    for column in columns {
        cells.push(column.await.expect("no panic"));
    }
    let mut table = format!("{:<64}{:<12}", "verb", "account");
    for (name, _) in COLUMNS {
        write!(table, "{name:<12}").expect("written");
    }
    let mut row = 0;
    for (method, path, _) in VERBS {
        for relation in RELATIONS {
            if relation != "own" && !is_about_an_account(path) {
                continue;
            }
            let relation = if is_about_an_account(path) { relation } else { "" };
            table = format!("{}\n{:<64}{relation:<12}", table.trim_end(), format!("{method:<7}{path}"));
            for column in &cells {
                write!(table, "{:<12}", column[row]).expect("written");
            }
            row += 1;
        }
    }
    assert!(cells.iter().all(|column| column.len() == row), "every cell stands in the table");
    insta::assert_snapshot!("permissions", table.trim_end());
}

#[test]
fn every_route_is_in_the_matrix() {
    let covered: BTreeSet<(String, String)> = VERBS
        .iter()
        .map(|(method, path, _)| (*method, *path))
        .chain(PROVE_THEMSELVES)
        .chain(OF_THE_GATEWAY)
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect();
    let all: BTreeSet<_> = routes::console().into_iter().chain(routes::documented()).chain(routes::undocumented()).collect();
    let uncovered: Vec<_> = all.difference(&covered).collect();
    assert!(uncovered.is_empty(), "no permission test knows of {uncovered:?}");
    let gone: Vec<_> = covered.difference(&all).collect();
    assert!(gone.is_empty(), "the matrix has rows for what is no more: {gone:?}");
}

#[tokio::test]
async fn every_operation_that_is_not_public_asks_who_is_there() {
    let world = World::sqlite().await;
    let mut asked = 0;
    for route in routes::documented() {
        if OF_THE_GATEWAY.contains(&(&route.0, &route.1)) || claviger_server::PUBLIC.contains(&route.1.as_str()) {
            continue;
        }
        let (method, template) = routes::route(&route);
        let path = template
            .replace("{credential_id}", "{id}")
            .replace("{id}", "01890000-0000-7000-8000-000000000001")
            .replace("{email}", "a@b.co")
            .replace("{account}", "x")
            .replace("{api_key_id}", "x")
            .replace("{role}", "x")
            .replace("{request_id}", "x");
        for caller in [world.anyone(), world.operator_person().await] {
            let answer = caller.json(method.clone(), &path, "{}").await;
            answer.assert_problem(401, "credential_required");
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{method} {path}");
        }
        asked += 1;
    }
    assert!(asked > 10);
    let documented = routes::documented();
    for path in claviger_server::PUBLIC {
        assert!(path == "/openapi.json" || documented.iter().any(|(_, known)| known == path), "{path} is listed as public and is not there");
    }
}

#[tokio::test]
async fn a_member_without_a_role_of_their_kind_may_do_nothing() {
    // a kind's file may lose a role that a member still has
    let tree = Tree::grow().await;
    let caller = tree.caller(Who::Corporate("owner")).await;
    let mut tx = tree.world.app.store.begin().await.expect("begun");
    let account = tree.client.parse().expect("an id");
    let mut member = tx.find_member(account, "owner@example.com").await.expect("answered").expect("there");
    member.role = "abolished".into();
    tx.save_member(&member).await.expect("saved");
    tx.commit_housekeeping().await.expect("committed");
    for path in ["/account", "/account/api-keys", "/account/members", "/account/clients"] {
        assert_eq!(caller.get(path).await.status, 404, "{path}");
    }
    let path = format!("/v1/accounts/{}/credentials", tree.client);
    caller.post(&path, json!({ "email": "a@b.co" })).await.assert_problem(401, "credential_required");
}
