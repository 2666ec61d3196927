//! An account kind of an operator's own: a file, and everything works as the file says; a faulty one is refused in words.
use claviger_testkit::{
    http::{Request, Response},
    process::{Claviger, Server},
    repository,
};
use serde_json::{Value, json};

use crate::back_office::BackOffice;

fn file() -> String {
    repository().join("crates/cli/tests/system/haulier.toml").display().to_string()
}

struct Haulier {
    server: Server,
    office: BackOffice,
    id: String,
}

impl Haulier {
    fn new() -> Self {
        let server = Server::start(&["--kinds", &file()]);
        let office = BackOffice::of(&server);
        let made = office.request("POST", "/v1/accounts").json(&json!({ "kind": "haulier", "name": "Steady Wheels" })).send().expect(201);
        let id = made.json()["id"].as_str().expect("an id").to_owned();
        Self { server, office, id }
    }

    fn credentials(&self, wish: &Value) -> Response {
        self.office.request("POST", &format!("/v1/accounts/{}/credentials", self.id)).json(wish).send()
    }

    /// The session of a new member with this role, as a cookie.
    fn enter(&self, role: &str) -> String {
        let email = format!("{role}@example.com");
        self.office.member(&self.id, &email, role);
        let answer = Request::post(&self.office.sign_in_link(&self.id, &email)).header("Sec-Fetch-Site", "same-origin").send().expect(303);
        answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie").to_owned()
    }

    fn page(&self, cookie: &str, path: &str) -> Response {
        Request::get(&self.server.public(path)).header("Cookie", cookie).send()
    }

    fn verdict(&self, key: &str, account: Option<&str>) -> Value {
        let mut headers = json!({ "x-api-key": key });
        if let Some(account) = account {
            headers["x-haulier"] = account.into();
        }
        let question = json!({ "method": "GET", "path": "/position", "headers": headers });
        Request::post(&self.server.gateway("/v1/verify")).json(&question).send().expect(200).json()
    }
}

#[test]
fn the_console_has_the_words_the_roles_and_the_fields_of_the_file() {
    let haulier = Haulier::new();
    let dispatcher = haulier.enter("dispatcher");
    let list = haulier.page(&dispatcher, "/account/vehicle-keys").expect(200).text();
    for word in ["Vehicle keys", "Each vehicle has a key of its own.", "Cut a vehicle key"] {
        assert!(list.contains(word), "{word}: {list}");
    }
    let form = haulier.page(&dispatcher, "/account/vehicle-keys/new").expect(200).text();
    for word in ["Number plate", "As it stands on the vehicle.", "Depot login", "Tracker", "Reports where it is.", "Cut it"] {
        assert!(form.contains(word), "{word}: {form}");
    }
    let made = Request::post(&haulier.server.public("/account/vehicle-keys"))
        .header("Cookie", &dispatcher)
        .header("Sec-Fetch-Site", "same-origin")
        .form(&[("once", "x"), ("kind", "api_key"), ("name", "B-AT 1"), ("roles", "depot")])
        .send()
        .expect(200)
        .text();
    for word in ["Vehicle key number", "Shown only now", ">Understood<"] {
        assert!(made.contains(word), "{word}: {made}");
    }
    assert!(haulier.page(&dispatcher, "/account/vehicle-keys").expect(200).text().contains("B-AT 1"));
    haulier.page(&dispatcher, "/account/api-keys").expect(404);
    let driver = haulier.page(&haulier.enter("driver"), "/account/vehicle-keys").expect(200).text();
    assert!(driver.contains("Ask your dispatcher") && driver.contains("dispatcher@example.com") && !driver.contains("B-AT 1"), "{driver}");
}

#[test]
fn the_api_keeps_its_rules_and_verification_its_header_and_its_roles() {
    let haulier = Haulier::new();
    let unknown = haulier.credentials(&json!({ "kind": "client", "name": "B-AT 1" })).expect(422);
    assert!(unknown.text().contains("kind"), "{}", unknown.text());
    haulier.credentials(&json!({ "kind": "api_key", "name": "B-AT 1", "roles": ["admiral"] })).expect(422);
    let made = haulier.credentials(&json!({ "kind": "api_key", "name": "B-AT 1", "roles": ["depot"] })).expect(201).json();
    let key = made["secret"].as_str().expect("a key");
    assert_eq!(haulier.verdict(key, Some(&haulier.id))["verdict"], "allowed");
    assert_eq!(haulier.verdict(key, None)["reason"], "account_required");
    let tracker = haulier.credentials(&json!({ "kind": "api_key", "name": "B-AT 2", "roles": ["tracker"] })).expect(201).json();
    let may_not = haulier.verdict(tracker["secret"].as_str().expect("a key"), Some(&haulier.id));
    assert_eq!(may_not["reason"], "insufficient_scope", "without a catalogue only what may do everything passes");
    assert_eq!(haulier.credentials(&json!({ "kind": "api_key", "name": "B-AT 3", "roles": [] })).expect(409).json()["code"], "limit_reached");

    let with_key = |key: &str| Request::get(&haulier.server.public("/v1/api-key/keys")).header("X-API-Key", key).send();
    assert_eq!(with_key(key).expect(200).json()["items"].as_array().map(Vec::len), Some(2));
    with_key(tracker["secret"].as_str().expect("a key")).expect(403);

    let one = format!("/v1/accounts/{}/credentials/{}", haulier.id, made["id"].as_str().expect("an id"));
    let rotated = haulier.office.request("POST", &format!("{one}/rotate")).json(&json!({})).send().expect(201).json();
    assert_eq!(haulier.verdict(key, Some(&haulier.id))["verdict"], "refused");
    let new = rotated["secret"].as_str().expect("a key");
    assert_eq!(haulier.verdict(new, Some(&haulier.id))["verdict"], "allowed");
    haulier.office.request("POST", &format!("{one}/pause")).json(&json!({})).send().expect(409);
    haulier.office.request("POST", &format!("{one}/revoke")).json(&json!({ "reason": "replaced" })).send().expect(200);
    assert_eq!(haulier.verdict(new, Some(&haulier.id))["verdict"], "refused");
    assert_eq!(haulier.office.request("GET", &one).send().expect(200).json()["state"], "revoked");
    // the built-in kinds are there still
    haulier.office.corporate("Northwind");
}

#[test]
fn a_faulty_file_is_refused_with_the_kind_and_what_is_wrong() {
    let sound = std::fs::read_to_string(file()).expect("it is there");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kinds.toml");
    for (from, to, said) in [
        ("can = [\"manage_credentials\", \"manage_members\"]", "can = []", vec!["haulier", "no role can manage credentials"]),
        ("parents = []", "parents = [\"shipper\"]", vec!["haulier", "shipper", "does not exist"]),
        ("page = \"vehicle-keys\"", "page = \"members\"", vec!["haulier", "console.page"]),
        ("names.basic", "names.hmac", vec!["haulier", "basic"]),
        ("active_limit = 2", "activ_limit = 2", vec!["activ_limit"]),
        ("denied = \"explained\"", "denied = \"loudly\"", vec!["loudly"]),
        ("[haulier]", "[haulier", vec!["TOML"]),
    ] {
        assert!(sound.contains(from), "{from}");
        std::fs::write(&path, sound.replacen(from, to, 1)).expect("written");
        let data = folder.path().join("data");
        let (data, path) = (data.to_str().expect("text"), path.to_str().expect("text"));
        let output = Claviger::run(&["serve", "--data", data, "--kinds", path, "--public", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains("kinds.toml"), "{to}: {error}");
        for word in said {
            assert!(error.contains(word), "{to}: no {word} in {error}");
        }
    }
}
