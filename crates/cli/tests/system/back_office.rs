//! The operator's back office, talking to a running server through the management API.
use claviger_testkit::{
    http::{Request, Response},
    process::Server,
};
use serde_json::{Value, json};

/// A back office with its operator key.
pub(crate) struct BackOffice {
    base: String,
    pub(crate) key: String,
}

/// A credential that was just made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) account: String,
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) secret: String,
}

impl BackOffice {
    pub(crate) fn of(server: &Server) -> Self {
        Self { base: server.public(""), key: server.operator_key("back office") }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, &format!("{}{path}", self.base)).bearer(&self.key)
    }

    /// An account with API access.
    pub(crate) fn account(&self, new: &Value) -> String {
        let made = self.request("POST", "/v1/accounts").json(new).send().expect(201).json();
        let id = made["id"].as_str().expect("an id").to_owned();
        self.set(&id, &json!({ "api_access": true }));
        id
    }

    pub(crate) fn corporate(&self, name: &str) -> String {
        self.account(&json!({ "kind": "corporate", "name": name }))
    }

    pub(crate) fn set(&self, account: &str, change: &Value) {
        self.request("PATCH", &format!("/v1/accounts/{account}")).json(change).send().expect(200);
    }

    pub(crate) fn member(&self, account: &str, email: &str, role: &str) {
        let response = self.request("PUT", &format!("/v1/accounts/{account}/members/{email}")).json(&json!({ "role": role })).send();
        assert!(matches!(response.status, 200 | 201), "{}", response.text());
    }

    pub(crate) fn sign_in_link(&self, account: &str, email: &str) -> String {
        let made = self.request("POST", &format!("/v1/accounts/{account}/sign-in-links")).json(&json!({ "email": email })).send().expect(201);
        made.json()["url"].as_str().expect("a link").to_owned()
    }

    pub(crate) fn try_create(&self, account: &str) -> std::io::Result<Response> {
        self.request("POST", &format!("/v1/accounts/{account}/credentials")).json(&json!({ "kind": "client", "email": "dev@example.com" })).try_send()
    }

    pub(crate) fn create(&self, account: &str) -> Made {
        made(&self.try_create(account).expect("an answer").expect(201))
    }

    pub(crate) fn delete(&self, made: &Made) {
        self.request("DELETE", &format!("/v1/accounts/{}/credentials/{}", made.account, made.id)).send().expect(204);
    }

    /// Exchanges a credential for a token, in the JSON form.
    pub(crate) fn exchange(&self, made: &Made) -> Response {
        let body = json!({ "clientId": made.client_id, "clientSecret": made.secret });
        Request::post(&format!("{}/auth/token", self.base)).json(&body).send()
    }

    pub(crate) fn token(&self, made: &Made) -> String {
        self.exchange(made).expect(200).json()["access_token"].as_str().expect("a token").to_owned()
    }
}

pub(crate) fn made(response: &Response) -> Made {
    let view = response.json();
    let text = |name: &str| view[name].as_str().unwrap_or_else(|| panic!("{name} in {view}")).to_owned();
    Made { account: text("account_id"), id: text("id"), client_id: text("public_id"), secret: text("secret") }
}
