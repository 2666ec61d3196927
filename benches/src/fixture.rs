//! An installation with one hot credential, made through the management API and the token endpoint as a back office and an integration would.
use std::{path::Path, sync::Arc};

use anyhow::Context;
use axum::{Router, body::Body};
use claviger_domain::kind::Kinds;
use claviger_server::{
    app::{App, operator_keys},
    clock::{Clock, OsChance},
    cluster::Membership,
    config::Settings,
    keyring::KeyRing,
    public,
};
use claviger_store::Store;
use http_body_util::BodyExt;
use hyper::{Method, Request, header};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) struct Fixture {
    pub(crate) app: App,
    pub(crate) account: String,
    pub(crate) public_id: String,
    pub(crate) token: String,
    _membership: Membership,
}

impl Fixture {
    /// In `folder`, on the embedded engine.
    pub(crate) async fn make(folder: &Path) -> anyhow::Result<Self> {
        let keys = KeyRing::open_or_create(&folder.join("keyring.json"), &OsChance)?;
        let store = Store::open_sqlite(&folder.join("claviger.db")).await?;
        let issuer = "http://127.0.0.1:8080".to_owned();
        let app = App::open(Settings::resolve(&[]), issuer, store, Kinds::built_in()?, keys, Clock::System, Arc::new(OsChance)).await?;
        let membership = Membership::begin(app.clone(), "bench".to_owned(), None).await?;
        let key = operator_keys::create_from_command_line(&app, "bench").await.map_err(|problem| anyhow::anyhow!(problem.detail))?;
        let api = Api { router: public(app.clone()), key: key.expose().to_owned() };

        let account = api.send(Method::POST, "/v1/accounts", json!({ "kind": "corporate", "name": "Bench" })).await?;
        let account = text(&account, "id")?;
        api.send(Method::PATCH, &format!("/v1/accounts/{account}"), json!({ "api_access": true })).await?;
        let wish = json!({ "kind": "client", "email": "bench@example.com" });
        let made = api.send(Method::POST, &format!("/v1/accounts/{account}/credentials"), wish).await?;
        let exchange = json!({ "clientId": made["public_id"], "clientSecret": made["secret"] });
        let token = api.send(Method::POST, "/auth/token", exchange).await?;
        Ok(Self { app, account, public_id: text(&made, "public_id")?, token: text(&token, "access_token")?, _membership: membership })
    }

    /// What nginx asks with: the fields that `deploy/nginx/` adds, and those of a small client.
    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Host", "claviger".to_owned()),
            ("X-Original-Method", "GET".to_owned()),
            ("X-Original-URI", "/api/orders?limit=20".to_owned()),
            ("X-Original-Host", "api.example.com".to_owned()),
            ("X-Real-IP", "198.51.100.7".to_owned()),
            ("X-Request-Id", "5f3a1c0de4b94c6b8d0f3e2a7c915b64".to_owned()),
            ("User-Agent", "curl/8.5.0".to_owned()),
            ("Accept", "*/*".to_owned()),
            ("Authorization", format!("Bearer {}", self.token)),
            ("AccountId", self.account.clone()),
        ]
    }
}

struct Api {
    router: Router,
    key: String,
}

impl Api {
    async fn send(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .body(Body::from(body.to_string()))?;
        let answer = self.router.clone().oneshot(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(status.is_success(), "{path} was answered {status}: {}", String::from_utf8_lossy(&bytes));
        Ok(serde_json::from_slice(&bytes)?)
    }
}

fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("no {field} in the answer"))
}
