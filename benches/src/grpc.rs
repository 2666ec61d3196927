//! Envoy's `Check` over gRPC, beside the same stack reading every check and answering it with the same bytes.
//!
//! One connection and 16 calls at once, as Envoy keeps it. The client is our own and shares no code with the server: its messages are below.
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context;
use bytes::{BufMut, Bytes, BytesMut};
use data_encoding::HEXLOWER;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use serde_json::json;
use tokio::{net::TcpStream, runtime::Builder, task::JoinSet};

use crate::{
    fixture::TARGET,
    numbers::Pairs,
    report::{self, Goal, Number},
    served::{CONNECTIONS, Round, Served, itself, last_cpu, pinned},
};

const ROUNDS: usize = 10;
const PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

pub(crate) fn measure() -> anyhow::Result<Vec<Number>> {
    let verifying = Served::start(itself(&["serve", "verifying"])?)?;
    let key = verifying.headers.get("api_key").context("a scheme that the server to measure knows")?;
    let check = framed(&check(key))?;
    let answer =
        Builder::new_current_thread().enable_all().build()?.block_on(async { ask(&mut connect(&verifying.address).await?, &check).await })?;
    let mut same = itself(&["serve", "unchanging-check"])?;
    same.env("CLAVIGER_BENCH_ANSWER", HEXLOWER.encode(&answer));
    let same = Served::start(same)?;
    let load = |server: &Served| -> anyhow::Result<Round> {
        let mut command = pinned(last_cpu()?);
        command.arg(std::env::current_exe()?).args(["ask-by-grpc", &server.address, &HEXLOWER.encode(&check)]);
        server.load_by(command)?.all_allowed()
    };
    let (mut rate, mut cpu) = (Pairs::default(), Pairs::default());
    for server in [&verifying, &same] {
        load(server)?;
    }
    for _ in 0..ROUNDS {
        let (ours, reference) = (load(&verifying)?, load(&same)?);
        rate.push(ours.rate(), reference.rate());
        cpu.push(ours.per_cpu_second(), reference.per_cpu_second());
    }
    let beside = "the same tonic server answering OK";
    Ok(vec![
        Number::new("grpc_check_rate", "requests/s", beside, &rate, Goal::AtLeast(0.85)),
        Number::new("grpc_check_per_cpu_second", "requests", beside, &cpu, Goal::AtLeast(0.85)),
    ])
}

/// The load generator: asks for a second, and prints a line as wrk's script does.
pub(crate) fn load(address: &str, check: &str) -> anyhow::Result<()> {
    let check = Bytes::from(HEXLOWER.decode(check.as_bytes())?);
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let connection = connect(address).await?;
        let (begun, mut callers) = (Instant::now(), JoinSet::new());
        for _ in 0..CONNECTIONS {
            let (mut connection, check) = (connection.clone(), check.clone());
            callers.spawn(async move {
                let mut waits = Vec::with_capacity(10_000);
                while begun.elapsed() < Duration::from_secs(1) {
                    let sent = Instant::now();
                    ask(&mut connection, &check).await?;
                    waits.push(sent.elapsed().as_micros() as u64);
                }
                Ok::<_, anyhow::Error>(waits)
            });
        }
        let mut waits = Vec::new();
        while let Some(caller) = callers.join_next().await {
            waits.extend(caller??);
        }
        waits.sort_unstable();
        let at = |part: usize| waits.get(waits.len() * part / 100).copied().unwrap_or_default();
        let round = json!({
            "requests": waits.len(), "micros": begun.elapsed().as_micros() as u64, "p50": at(50), "p99": at(99), "refused": 0, "broken": 0,
        });
        report::say(&format!("json {round}"));
        Ok(())
    })
}

type Connection = http2::SendRequest<Full<Bytes>>;

async fn connect(address: &str) -> anyhow::Result<Connection> {
    let stream = TcpStream::connect(address.parse::<SocketAddr>()?).await?;
    stream.set_nodelay(true)?;
    let (connection, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(driver);
    Ok(connection)
}

/// One call, which must be allowed; gives the answer's message.
async fn ask(connection: &mut Connection, check: &Bytes) -> anyhow::Result<Bytes> {
    let request = Request::post(format!("http://claviger{PATH}")).header("content-type", "application/grpc").header("te", "trailers");
    let answer = connection.send_request(request.body(Full::new(check.clone()))?).await?.into_body().collect().await?;
    let status = answer.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned();
    let answer = answer.to_bytes();
    anyhow::ensure!(status.is_some_and(|status| status == "0") && answer.len() > 5, "the call failed");
    let message = answer.slice(5..);
    let verdict = CheckResponse::decode(message.clone())?;
    anyhow::ensure!(verdict.ok.is_some() && verdict.status.is_some_and(|status| status.code == 0), "not allowed");
    Ok(message)
}

/// A message as a call's body holds it: not compressed, its length first.
fn framed(message: &CheckRequest) -> anyhow::Result<Bytes> {
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(u32::try_from(message.encoded_len())?);
    message.encode(&mut body)?;
    Ok(body.freeze())
}

/// What Envoy tells of a request with these header fields.
fn check(headers: &[(String, String)]) -> CheckRequest {
    let headers = headers.iter().map(|(key, value)| Header { key: key.to_ascii_lowercase(), value: value.clone() }).collect();
    let http = Http { method: "GET".into(), headers, path: TARGET.into(), host: "api.example.com".into(), scheme: "https".into() };
    CheckRequest { attributes: Some(Attributes { request: Some(AskedRequest { http: Some(http) }) }) }
}

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, optional, tag = "4")]
    request: Option<AskedRequest>,
}

#[derive(Clone, PartialEq, Message)]
struct AskedRequest {
    #[prost(message, optional, tag = "2")]
    http: Option<Http>,
}

#[derive(Clone, PartialEq, Message)]
struct Http {
    #[prost(string, tag = "2")]
    method: String,
    /// A map, on the wire.
    #[prost(message, repeated, tag = "3")]
    headers: Vec<Header>,
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "5")]
    host: String,
    #[prost(string, tag = "6")]
    scheme: String,
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<Status>,
    #[prost(message, optional, tag = "3")]
    ok: Option<Allowed>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
}

/// What it says is not read here.
#[derive(Clone, PartialEq, Message)]
struct Allowed {}
