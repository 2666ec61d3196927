//! A small HTTP client: what the demonstration, its sample API, `claviger verify` and `claviger cluster check` use to talk to Claviger as anyone would.
use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, header};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    base: String,
    bearer: Option<String>,
}

impl Client {
    pub(crate) fn new(base: &str, bearer: Option<&str>) -> Self {
        Self { pool: Pool::builder(TokioExecutor::new()).build_http(), base: base.to_owned(), bearer: bearer.map(str::to_owned) }
    }

    /// Sends JSON, gives the status and the JSON answered; null when there is none.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base)).header(header::CONTENT_TYPE, "application/json");
        if let Some(bearer) = &self.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let answer = self.pool.request(request.body(Full::new(Bytes::from(body.to_string())))?).await.context("Claviger does not answer")?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// GET of the base address itself as a caller of the API would send it, with a token for an account; gives the status.
    pub(crate) async fn get_with(&self, token: &str, account: &str) -> anyhow::Result<u16> {
        let request = Request::get(&self.base).header(header::AUTHORIZATION, format!("Bearer {token}")).header("AccountId", account);
        let answer = self.pool.request(request.body(Full::default())?).await?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await?;
        Ok(status)
    }

    /// As [`Client::send`]; anything but success is an error.
    pub(crate) async fn expect(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.send(method.clone(), path, body).await?;
        anyhow::ensure!((200..300).contains(&status), "{method} {path} was answered {status}: {answer}");
        Ok(answer)
    }
}
