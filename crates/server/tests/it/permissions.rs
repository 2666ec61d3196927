//! Who may do what, as a table that people read, for each account kind: every role of its members and of its keys, the operator by key and
//! in person, and nobody, against every route and every relation to the account it is about. Built from the kinds' own data. The tables are
//! snapshots; a route that is not in them fails a test, and so does a kind.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use axum::http::Method;
use claviger_domain::{
    access::Level,
    kind::{Kind, Label},
};
use serde_json::{Value, json};

use crate::{
    common::{Caller, Made, World},
    routes,
};

/// Every verb with what it is sent; the path's `{…}` say what it is about.
const VERBS: [(&str, &str, &str); 139] = [
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
    ("POST", "/account/{page}", "{form}"),
    ("GET", "/account/{page}/new", ""),
    ("GET", "/account/{page}/{id}/delete", ""),
    ("POST", "/account/{page}/{id}/delete", ""),
    ("GET", "/operator", ""),
    ("POST", "/operator", "once=x&name=New&kind=corporate"),
    ("GET", "/operator/new", ""),
    ("GET", "/operator/cluster", ""),
    ("GET", "/operator/keys", ""),
    ("POST", "/operator/keys", "once=y&name=New"),
    ("GET", "/operator/keys/new", ""),
    ("GET", "/operator/keys/{id}/delete", ""),
    ("POST", "/operator/keys/{id}/delete", ""),
    ("GET", "/operator/accounts/{id}", ""),
    ("POST", "/operator/accounts/{id}", "status=active"),
    ("GET", "/operator/accounts/{id}/withdraw", ""),
    ("GET", "/operator/accounts/{id}/suspend", ""),
    ("POST", "/operator/accounts/{id}/members", "email=new@example.com&role={role}"),
    ("GET", "/operator/accounts/{id}/members/new", ""),
    ("GET", "/operator/accounts/{id}/members/{email}/role", ""),
    ("POST", "/operator/accounts/{id}/members/{email}/role", "role={role}"),
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
    ("POST", "/v1/accounts/{id}/credentials", "{wish}"),
    ("GET", "/v1/accounts/{id}/credentials/{credential_id}", ""),
    ("DELETE", "/v1/accounts/{id}/credentials/{credential_id}", ""),
    ("GET", "/v1/accounts/{id}/events", ""),
    ("GET", "/.well-known/jwks.json", ""),
    ("GET", "/.well-known/oauth-authorization-server", ""),
    ("GET", "/.well-known/oauth-protected-resource", ""),
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
    ("POST", "/account/below/{account}/{page}", "{form}"),
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
    ("POST", "/v1/api-key/keys", r#"{"owner":"a@b.co","account_id":"{id}"}"#),
    ("GET", "/v1/api-key/keys/{api_key_id}", ""),
    ("PATCH", "/v1/api-key/keys/{api_key_id}", "{}"),
    ("DELETE", "/v1/api-key/keys/{api_key_id}", ""),
    ("PUT", "/v1/api-key/keys/{api_key_id}/roles/{role}", ""),
    ("DELETE", "/v1/api-key/keys/{api_key_id}/roles/{role}", ""),
    ("GET", "/v1/audit-log/history", ""),
    ("GET", "/account/{page}/refusals", ""),
    ("GET", "/account/{page}/refusals/{request_id}", ""),
    ("GET", "/account/below/{account}/{page}/refusals", ""),
    ("GET", "/account/below/{account}/{page}/refusals/{request_id}", ""),
    ("GET", "/operator/accounts/{id}/refusals", ""),
    ("GET", "/operator/accounts/{id}/refusals/{request_id}", ""),
    ("GET", "/openapi.json", ""),
    ("GET", "/sign-in/{token}", ""),
    ("POST", "/sign-in/{token}", ""),
    ("GET", "/account/sessions", ""),
    ("POST", "/account/sessions", ""),
    ("POST", "/account/sessions/{session}/end", ""),
    ("GET", "/account/members/{email}/sessions", ""),
    ("POST", "/account/members/{email}/sessions", ""),
    ("POST", "/account/members/{email}/sessions/{session}/end", ""),
    ("GET", "/operator/sessions", ""),
    ("POST", "/operator/sessions", ""),
    ("POST", "/operator/sessions/{session}/end", ""),
    ("GET", "/operator/accounts/{id}/members/{email}/sessions", ""),
    ("POST", "/operator/accounts/{id}/members/{email}/sessions", ""),
    ("POST", "/operator/accounts/{id}/members/{email}/sessions/{session}/end", ""),
    ("POST", "/sign-out", ""),
];

/// Routes that ask no one who they are; each has tests of its own.
const PROVE_THEMSELVES: [(&str, &str); 6] = [
    ("POST", "/legacy"),
    ("POST", "/auth/token"),
    ("POST", "/oauth2/token"),
    ("POST", "/oauth2/introspect"),
    ("POST", "/oauth2/revoke"),
    ("GET", "/assets/{name}"),
];

/// Routes of the gateway listener, which is private by where it listens.
const OF_THE_GATEWAY: [(&str, &str); 13] = [
    ("POST", "/v1/verify"),
    ("POST", "/v1/verify:batch"),
    ("POST", "/v1/api-requests"),
    ("GET", "/verify/nginx"),
    ("POST", "/verify/forward"),
    ("POST", "/verify/envoy"),
    ("POST", "/verify/envoy/"),
    ("POST", "/verify/envoy/{*path}"),
    ("POST", "/envoy.service.auth.v3.Authorization/Check"),
    ("GET", "/healthz"),
    ("POST", "/v1/canary"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
];

const RELATIONS: [&str; 5] = ["own", "descendant", "sibling", "ancestor", "foreign"];

/// Who asks: a column of the table.
#[derive(Clone)]
enum Who {
    Nobody,
    OperatorKey,
    OperatorPerson,
    /// A member with this role.
    Member(String),
    /// An API key with this role, or with none.
    Key(Option<String>),
}

impl Who {
    fn name(&self) -> String {
        match self {
            Self::Nobody => "nobody".into(),
            Self::OperatorKey => "op. key".into(),
            Self::OperatorPerson => "op. person".into(),
            Self::Member(role) => role.clone(),
            Self::Key(role) => format!("key:{}", role.as_deref().unwrap_or("-")),
        }
    }

    /// Every column of accounts of this kind.
    fn of(kind: &Kind) -> Vec<Self> {
        let mut all = vec![Self::Nobody, Self::OperatorKey, Self::OperatorPerson];
        all.extend(kind.roles.iter().map(|role| Self::Member(role.id.clone())));
        if !kind.credentials.roles.is_empty() {
            all.push(Self::Key(None));
            all.extend(kind.credentials.roles.iter().map(|role| Self::Key(Some(role.id.clone()))));
        }
        all
    }
}

/// One account of a kind, and every account that stands in some relation to it, as far as its kind allows.
struct Tree {
    world: World,
    kind: Kind,
    related: BTreeMap<&'static str, (String, Kind)>,
}

impl Tree {
    async fn grow(id: &str) -> Self {
        let world = World::sqlite().await;
        let kinds = world.app.kinds.clone();
        let find = |id: &str| kinds.find(id).expect("a kind").clone();
        let kind = find(id);
        let mut related = BTreeMap::new();
        let parent = kind.parents.first();
        let place = match parent {
            Some(parent) => {
                let above = world.account(parent, "Above").await;
                related.insert("sibling", (world.account_under(id, "Beside", Some(&above)).await, kind.clone()));
                related.insert("ancestor", (above.clone(), find(parent)));
                Some(above)
            }
            None => None,
        };
        let own = world.account_under(id, "Own", place.as_deref()).await;
        if let Some((below, found)) = kinds.iter().find(|(_, other)| other.parents.iter().any(|parent| parent == id)) {
            related.insert("descendant", (world.account_under(below, "Below", Some(&own)).await, found.clone()));
        }
        let stranger = match parent.filter(|_| !kind.top_level) {
            Some(parent) => Some(world.account(parent, "Above a stranger").await),
            None => None,
        };
        related.insert("foreign", (world.account_under(id, "Stranger", stranger.as_deref()).await, kind.clone()));
        related.insert("own", (own, kind.clone()));
        Self { world, kind, related }
    }

    fn own(&self) -> &str {
        &self.related["own"].0
    }

    async fn caller(&self, who: &Who) -> Caller<'_> {
        match who {
            Who::Nobody => self.world.anyone().with("sec-fetch-site", "same-origin"),
            Who::OperatorKey => self.world.operator().with("sec-fetch-site", "same-origin"),
            Who::OperatorPerson => self.world.operator_person().await,
            Who::Member(role) => self.world.new_member(self.own(), role).await,
            Who::Key(role) => {
                let wish = json!({ "kind": "api_key", "email": "dev@example.com", "roles": role.iter().collect::<Vec<_>>() });
                let made = self.world.operator().post(&format!("/v1/accounts/{}/credentials", self.own()), wish).await;
                assert_eq!(made.status, 201, "{made:?}");
                self.world.anyone().with("x-api-key", made.json()["secret"].as_str().expect("a key")).with("sec-fetch-site", "same-origin")
            }
        }
    }

    /// The id of an operator key that nobody uses.
    async fn operator_key_to_end(&self) -> String {
        claviger_server::app::operator_keys::create_from_command_line(&self.world.app, "target").await.expect("a key");
        let keys = self.world.app.store.reader().await.expect("a reader").list_operator_keys().await.expect("keys");
        keys.into_iter().find(|key| key.name == "target").expect("just made").id.to_string()
    }

    /// A fresh credential of that account.
    async fn credential(&self, account: &str, kind: &Kind) -> Made {
        let made = self.world.operator().post(&format!("/v1/accounts/{account}/credentials"), wish(kind)).await;
        assert_eq!(made.status, 201, "{made:?}");
        Made {
            account: account.to_owned(),
            id: made.json()["id"].as_str().expect("an id").to_owned(),
            public_id: String::new(),
            secret: String::new(),
        }
    }

    /// One cell: the status of this verb, about a fresh object of that account.
    async fn status(&self, caller: &Caller<'_>, (method, template, body): (&str, &str, &str), relation: &str) -> u16 {
        let (account, kind) = &self.related[relation];
        // an address of that account only
        let (email, role) = (&format!("{relation}@example.com"), &kind.roles.last().expect("kinds have roles").id);
        if template.contains("{email}") || body.contains("{email}") {
            self.world.save_member(account, email, role).await;
            // so that the target is never the last one of a role
            self.world.save_member(account, "keeper@example.com", role).await;
        }
        let needs_one = ["{page}/{id}", "{credential_id}", "{api_key_id}"].iter().any(|part| template.contains(part));
        let made = if needs_one { Some(self.credential(account, kind).await) } else { None };
        let id = made.as_ref().map_or("", |made| &made.id);
        let key = if template.contains("/operator/keys/{id}") { self.operator_key_to_end().await } else { String::new() };
        let page = if template.contains("{account}") { &kind.console.page } else { &self.kind.console.page };
        let path = template
            .replace("{page}/{id}", &format!("{page}/{id}"))
            .replace("{page}", page)
            .replace("{credential_id}", id)
            .replace("{api_key_id}", id)
            .replace("/operator/keys/{id}", &format!("/operator/keys/{key}"))
            .replace("{id}", account)
            .replace("{email}", email)
            .replace("{account}", account)
            .replace("{role}", kind.credentials.roles.first().map_or("viewer", |role| &role.id))
            .replace("{request_id}", "unknown")
            .replace("{session}", "ended")
            .replace("{token}", "spent");
        let body = match body {
            "{wish}" => wish(kind).to_string(),
            "{form}" => form(kind),
            other => other.replace("{email}", email).replace("{role}", role).replace("{id}", account),
        };
        let content_type = match (method, body.starts_with('{')) {
            ("GET" | "DELETE", _) => None,
            (_, true) => Some("application/json"),
            (_, false) => Some("application/x-www-form-urlencoded"),
        };
        let method: Method = method.parse().expect("a method");
        let answer = caller.send(method, &path, content_type, body.into_bytes()).await;
        if let Some(made) = made {
            self.world.delete(&made).await;
        }
        answer.status
    }

    async fn column(&self, who: &Who, rows: &[(usize, &'static str)]) -> Vec<u16> {
        let caller = self.caller(who).await;
        let mut cells = Vec::with_capacity(rows.len());
        for (verb, relation) in rows {
            cells.push(self.status(&caller, VERBS[*verb], relation).await);
        }
        cells
    }
}

/// A credential that accounts of this kind can have.
fn wish(kind: &Kind) -> Value {
    let rules = &kind.credentials;
    let label = if rules.label == Label::Name { "name" } else { "email" };
    let mut wish = json!({ "kind": rules.kinds[0], label: "dev@example.com" });
    if rules.access.contains(&Level::Roles) {
        wish["roles"] = json!([]);
    } else if rules.access.len() > 1 {
        wish["access"] = json!({ "level": "full" });
    }
    wish
}

/// The same, as the console's form sends it.
fn form(kind: &Kind) -> String {
    let label = if kind.credentials.label == Label::Name { "name" } else { "email" };
    let access = if kind.credentials.access.len() > 1 { "&access=full" } else { "" };
    format!("once=x&kind={}&{label}=dev%40example.com{access}", kind.credentials.kinds[0])
}

/// Whether a verb is about one account among several.
fn is_about_an_account((_, template, body): (&str, &str, &str)) -> bool {
    let named = ["{email}", "{account}", "{api_key_id}"].iter().any(|part| template.contains(part));
    named || (template.contains("{id}") && !template.starts_with("/operator/keys")) || body.contains("{id}")
}

/// The table of one account kind: a line for each verb and each relation, those of one verb with the same answers in one.
async fn matrix(kind: &'static str) -> String {
    let tree = Tree::grow(kind).await;
    let relations: Vec<&'static str> = RELATIONS.into_iter().filter(|relation| tree.related.contains_key(relation)).collect();
    let mut rows = Vec::new();
    for (at, verb) in VERBS.iter().enumerate() {
        rows.extend(relations.iter().filter(|relation| **relation == "own" || is_about_an_account(*verb)).map(|relation| (at, *relation)));
    }
    let columns = Who::of(&tree.kind);
    drop(tree);
    // each in a world of its own, so that what one did is nothing to the next
    let mut running = Vec::new();
    for who in columns.clone() {
        let rows = rows.clone();
        running.push(tokio::spawn(async move { Tree::grow(kind).await.column(&who, &rows).await }));
    }
    let mut cells = Vec::new();
    for column in running {
        cells.push(column.await.expect("no panic"));
    }
    let line = |row: usize| cells.iter().map(|column| column[row]).collect::<Vec<_>>();
    let mut table = format!("{:<67}{:<47}", "verb", "account");
    let widths: Vec<usize> = columns.iter().map(|who| who.name().len().max(3) + 2).collect();
    for (who, width) in columns.iter().zip(&widths) {
        write!(table, "{:<width$}", who.name()).expect("written");
    }
    let mut row = 0;
    while row < rows.len() {
        let verb = rows[row].0;
        let (mut lines, mut next) = (Vec::<(Vec<&str>, Vec<u16>)>::new(), row);
        while next < rows.len() && rows[next].0 == verb {
            let cells = line(next);
            match lines.iter_mut().find(|(_, same)| *same == cells) {
                Some((relations, _)) => relations.push(rows[next].1),
                None => lines.push((vec![rows[next].1], cells)),
            }
            next += 1;
        }
        let one_of_one = next - row == 1;
        for (of, statuses) in lines {
            let of = if one_of_one { String::new() } else { of.join(", ") };
            let verb = format!("{:<7}{}", VERBS[verb].0, VERBS[verb].1);
            table = format!("{}\n{verb:<67}{of:<47}", table.trim_end());
            for (status, width) in statuses.into_iter().zip(&widths) {
                write!(table, "{status:<width$}").expect("written");
            }
        }
        row = next;
    }
    table.trim_end().to_owned()
}

/// A test for each account kind, and the list of them.
macro_rules! matrices {
    ($($kind:ident)*) => {
        const MATRICES: &[&str] = &[$(stringify!($kind)),*];

        mod the_matrix_is_the_one_that_was_agreed {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $kind() {
                let table = super::matrix(stringify!($kind)).await;
                insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                    insta::assert_snapshot!(concat!("permissions_of_", stringify!($kind)), table);
                });
            })*
        }
    };
}
matrices! { business business_unit corporate messaging organisation partner tenant }

#[test]
fn every_kind_has_a_matrix() {
    let kinds = claviger_domain::kind::Kinds::built_in().expect("sound");
    assert_eq!(kinds.iter().map(|(id, _)| id).collect::<Vec<_>>(), MATRICES);
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
    let tree = Tree::grow("corporate").await;
    let caller = tree.caller(&Who::Member("owner".into())).await;
    let mut tx = tree.world.app.store.begin().await.expect("begun");
    let account = tree.own().parse().expect("an id");
    let mut member = tx.find_member(account, "owner@example.com").await.expect("answered").expect("there");
    member.role = "abolished".into();
    tx.save_member(&member).await.expect("saved");
    tx.commit_housekeeping().await.expect("committed");
    for path in ["/account", "/account/api-keys", "/account/members", "/account/clients"] {
        assert_eq!(caller.get(path).await.status, 404, "{path}");
    }
    let path = format!("/v1/accounts/{}/credentials", tree.own());
    caller.post(&path, json!({ "email": "a@b.co" })).await.assert_problem(401, "credential_required");
}
