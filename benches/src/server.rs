//! The two servers that are compared, each a process of its own: the gateway listener, and its accept loop with an answer that nobody decided.
//!
//! Both print one line of JSON when they listen, and stop when their standard input ends: so none outlives the benchmark.
use std::{
    collections::HashMap,
    future::{Future, pending},
    io::Read,
};

use claviger_server::{
    gateway,
    serve::{self, Listener},
};
use data_encoding::HEXLOWER;
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use serde_json::json;
use tokio::{
    net::{TcpListener, UnixListener},
    runtime::Runtime,
};

use crate::{
    fixture::{Fixture, SCHEMES},
    report,
};

/// Serves `GET /verify/nginx` as `claviger serve` does.
pub(crate) fn verifying() -> anyhow::Result<()> {
    Runtime::new()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let fixture = Fixture::make(folder.path()).await?;
        let (listener, socket) = (listen().await?, folder.path().join("gateway.sock"));
        let at_socket = UnixListener::bind(&socket)?;
        let headers: HashMap<_, _> = SCHEMES.iter().map(|scheme| Ok((*scheme, fixture.headers(scheme)?))).collect::<anyhow::Result<_>>()?;
        report::say(&json!({ "address": listener.local_addr()?.to_string(), "socket": socket, "headers": headers }).to_string());
        let app = fixture.app.clone();
        tokio::spawn(serve::gateway(Listener::from(at_socket), app.clone(), gateway(app.clone()), pending()));
        serve::gateway(Listener::from(listener), app.clone(), gateway(app), input_ends()).await;
        Ok(())
    })
}

/// Serves what `CLAVIGER_BENCH_ANSWER` holds: an array of header fields, each a name and a value.
pub(crate) fn bare() -> anyhow::Result<()> {
    let fields: Vec<(String, String)> = serde_json::from_str(&std::env::var("CLAVIGER_BENCH_ANSWER")?)?;
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    Runtime::new()?.block_on(async {
        let listener = listen().await?;
        report::say(&json!({ "address": listener.local_addr()?.to_string() }).to_string());
        serve::unchanging(listener, headers, input_ends()).await;
        Ok(())
    })
}

/// Answers every `Check` with what `CLAVIGER_BENCH_ANSWER` holds, a message in hexadecimal.
pub(crate) fn unchanging_check() -> anyhow::Result<()> {
    let answer = HEXLOWER.decode(std::env::var("CLAVIGER_BENCH_ANSWER")?.as_bytes())?;
    Runtime::new()?.block_on(async {
        let listener = listen().await?;
        report::say(&json!({ "address": listener.local_addr()?.to_string() }).to_string());
        Ok(serve::unchanging_check(listener, answer.into(), input_ends()).await?)
    })
}

async fn listen() -> anyhow::Result<TcpListener> {
    Ok(TcpListener::bind("127.0.0.1:0").await?)
}

fn input_ends() -> impl Future<Output = ()> {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        drop(ended);
    });
    async move {
        let _ = end.await;
    }
}
