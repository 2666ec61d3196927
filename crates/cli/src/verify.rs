//! `claviger verify`: asks a hub about a request written as for curl, and says the verdict and why in plain words. It decides nothing itself.
use std::{collections::BTreeMap, net::IpAddr, process::ExitCode, time::Duration};

use anyhow::{Context, bail, ensure};
use claviger_domain::judge::Refusal;
use hyper::{Method, Uri};
use serde_json::{Value, json};

use crate::{body::Body, client::Client, headers::Headers, print};

/// How long a hub may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Not allowed and not refused: the hub cannot say, does not answer, or could not be asked. As clap's own status for what it does not understand.
const CANNOT_SAY: u8 = 2;

/// The request to ask about, and whom.
#[derive(clap::Args)]
pub(crate) struct Question {
    /// The gateway address of the hub to ask
    #[arg(long, env = "CLAVIGER_HUB", value_name = "URL", default_value = "http://127.0.0.1:8081")]
    hub: String,
    /// The method [default: GET, or POST with --data]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<String>,
    #[command(flatten)]
    headers: Headers,
    /// The name and password of HTTP Basic; everyone on this machine can read its process list
    #[arg(short, long, value_name = "ID:SECRET")]
    user: Option<String>,
    #[command(flatten)]
    body: Body,
    /// The address the request came from
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// A scope that the route needs, whatever the catalogue says. Repeatable
    #[arg(long, value_name = "SCOPE")]
    require: Vec<String>,
    /// Print the hub's answer itself
    #[arg(long)]
    json: bool,
    /// Nothing: for a command line that was written for curl
    #[arg(short, long)]
    silent: bool,
    /// The address of the request, such as https://api.example.com/orders?limit=20, or its path alone
    url: String,
    // a field without its -H; clap would repeat it, secret and all
    #[arg(hide = true)]
    rest: Vec<String>,
}

/// Exit status 0: allowed, 1: refused, 2: anything else.
pub(crate) async fn run(question: &Question) -> ExitCode {
    match ask(question).await {
        Ok((200, answer)) if answer["verdict"] == "allowed" => {
            print::line(&if question.json { answer.to_string() } else { allowed(&answer["principal"], &answer) });
            ExitCode::SUCCESS
        }
        Ok((200, answer)) if answer["verdict"] == "refused" => {
            print::line(&if question.json { answer.to_string() } else { refused(&answer) });
            ExitCode::FAILURE
        }
        Ok((status, answer)) => {
            if question.json {
                print::line(&answer.to_string());
            }
            let why = answer["detail"].as_str().unwrap_or("That is no answer of Claviger's gateway address.");
            cannot_say(&anyhow::anyhow!("cannot say: the hub answered {status}. {why}"))
        }
        Err(error) => cannot_say(&error),
    }
}

fn cannot_say(error: &anyhow::Error) -> ExitCode {
    print::failure(error);
    ExitCode::from(CANNOT_SAY)
}

async fn ask(question: &Question) -> anyhow::Result<(u16, Value)> {
    ensure!(question.rest.is_empty(), "give one address; each header field needs its own -H");
    let document = question.document()?;
    let hub = Client::new(question.hub.trim_end_matches('/'), None);
    let answer = tokio::time::timeout(PATIENCE, hub.send(Method::POST, "/v1/verify", &document)).await;
    answer.context("cannot say: the hub did not answer within ten seconds")?.with_context(|| format!("cannot say: asked {}", question.hub))
}

impl Question {
    /// As `POST /v1/verify` reads it, with what curl would have added.
    fn document(&self) -> anyhow::Result<Value> {
        let Ok(url) = self.url.parse::<Uri>() else { bail!("the address must begin with https://, http:// or /") };
        let scheme = url.scheme_str().unwrap_or("https");
        ensure!(["http", "https"].contains(&scheme), "the address must begin with https://, http:// or /");
        let host = url.authority().map_or("", |host| host.as_str());
        ensure!(!host.contains('@'), "a user name in an address is not sent as it stands there; use -u, or -H 'Authorization: Basic …'");
        let path = url.path_and_query().filter(|_| url.scheme().is_some() || self.url.starts_with('/'));
        let path = path.context("the address must begin with https://, http:// or /")?;
        let body = self.body.read()?;
        let mut fields = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in self.headers.read()? {
            fields.entry(name.to_ascii_lowercase()).or_default().push(value);
        }
        if let Some(user) = &self.user {
            ensure!(user.contains(':'), "-u takes a name and a password, joined by a colon");
            let basic = format!("Basic {}", data_encoding::BASE64.encode(user.as_bytes()));
            fields.entry("authorization".to_owned()).or_insert_with(|| vec![basic]);
        }
        if !host.is_empty() {
            fields.entry("host".to_owned()).or_insert_with(|| vec![host.to_owned()]);
        }
        if body.is_some() {
            fields.entry("content-type".to_owned()).or_insert_with(|| vec!["application/x-www-form-urlencoded".to_owned()]);
        }
        let method = self.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
        Ok(json!({
            "method": method,
            "path": path.as_str(),
            "headers": fields,
            "body": body.map(|body| data_encoding::BASE64.encode(&body)),
            "client_ip": self.ip,
            "scheme": scheme,
            "require": self.require,
        }))
    }
}

fn allowed(principal: &Value, answer: &Value) -> String {
    let text = |name: &str| principal[name].as_str().unwrap_or("-");
    let mut lines = vec!["Allowed.".to_owned(), row("account", text("account_id"))];
    if principal["acting_account_id"] != principal["account_id"] {
        lines.push(row("acting for", text("acting_account_id")));
    }
    let scopes = words(&principal["scopes"]);
    lines.extend([
        row("credential", text("credential_id")),
        row("public part", text("public_id")),
        row("kind", text("kind")),
        row("label", text("label")),
        row("scopes", if scopes == "*" { "everything" } else { &scopes }),
        row("expires", principal["expires_at"].as_str().unwrap_or("never")),
    ]);
    if let Some(digest) = principal["content_digest"].as_str() {
        lines.push(row("body", &format!("not compared; it must have the digest {digest}")));
    }
    if let (Some(remaining), Some(quota)) = (answer["rate_limit"]["remaining"].as_u64(), answer["rate_limit"]["quota"].as_u64()) {
        lines.push(row("quota", &format!("{remaining} of {quota} left")));
    }
    lines.push(row("request id", answer["request_id"].as_str().unwrap_or("-")));
    lines.join("\n")
}

fn refused(answer: &Value) -> String {
    let reason = answer["reason"].as_str().unwrap_or("-");
    let known = Refusal::ALL.into_iter().find(|refusal| refusal.code() == reason);
    let mut lines = vec![format!("Refused: {reason}. {}", known.map_or("", Refusal::detail)).trim_end().to_owned()];
    lines.push(row("status", &answer["status"].to_string()));
    match known {
        Some(Refusal::InsufficientScope) => lines.push(match words(&answer["missing"]).as_str() {
            "" => row("missing", "no scope in particular: the catalogue has no such operation, or no role of the credential reaches it"),
            missing => row("missing", missing),
        }),
        Some(Refusal::Unauthenticated) => {
            lines
                .push(row("may be", "unknown, wrong, expired, paused, ended, used from elsewhere, or its account has no access: one answer for all"));
        }
        _ => {}
    }
    if let Some(seconds) = answer["retry_after"].as_u64() {
        lines.push(row("try again", &format!("in {seconds} s")));
    }
    lines.push(row("request id", answer["request_id"].as_str().unwrap_or("-")));
    lines.join("\n")
}

fn row(name: &str, value: &str) -> String {
    format!("  {name:<12}{value}")
}

fn words(list: &Value) -> String {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}
