//! A key is deleted while sixteen connections ask with it as fast as they can: what was sent after the deletion's answer is refused, all of it.
//!
//! By real sockets to the gateway listener; the deletion by the management API. No number is sought but zero.
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use claviger_server::{gateway, serve};
use hyper::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

use crate::{
    fixture::{Fixture, asked_with, text},
    report,
};

const DELETIONS: usize = 50;
const CONNECTIONS: usize = 16;
/// Under load, before the deletion and after it.
const PAUSE: Duration = Duration::from_millis(40);

pub(crate) fn measure() -> anyhow::Result<()> {
    Runtime::new()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let fixture = Fixture::make(folder.path()).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let app = fixture.app.clone();
        let serving = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve::gateway(listener, app.clone(), gateway(app), stopped).await;
        });
        let account = fixture.api.send(Method::POST, "/v1/accounts", json!({ "kind": "business", "name": "Revoke" })).await?;
        let place = format!("/v1/accounts/{}/credentials", text(&account, "id")?);
        let (mut before, mut after, mut late) = (0, 0, 0);
        for _ in 0..DELETIONS {
            let (asked, answered) = one(&fixture, &place, address).await?;
            before += asked.iter().filter(|asked| asked.allowed).count();
            after += asked.iter().filter(|asked| asked.sent > answered).count();
            late += asked.iter().filter(|asked| asked.allowed && asked.sent > answered).count();
        }
        drop(stop);
        serving.await?;
        report::say(&format!(
            "{DELETIONS} deletions under load: {before} requests allowed, {after} sent after the deletion's answer, of these {late} allowed"
        ));
        anyhow::ensure!(before > DELETIONS && after > DELETIONS, "there was no load");
        anyhow::ensure!(late == 0, "{late} requests were allowed after the answer to the deletion");
        Ok(())
    })
}

struct Asked {
    sent: Instant,
    allowed: bool,
}

/// What was asked, and when the deletion was answered.
async fn one(fixture: &Fixture, place: &str, address: SocketAddr) -> anyhow::Result<(Vec<Asked>, Instant)> {
    let wish = json!({ "kind": "api_key", "name": "Revoke", "access": { "level": "full" } });
    let made = fixture.api.send(Method::POST, place, wish).await?;
    let fields = asked_with(vec![("X-API-Key", text(&made, "secret")?)]);
    let request: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request: Arc<str> = format!("GET /verify/nginx HTTP/1.1\r\n{request}\r\n").into();
    let enough = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(ask(address, request.clone(), enough.clone()))).collect();
    tokio::time::sleep(PAUSE).await;
    fixture.api.send(Method::DELETE, &format!("{place}/{}", text(&made, "id")?), Value::Null).await?;
    let answered = Instant::now();
    tokio::time::sleep(PAUSE).await;
    enough.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await??);
    }
    Ok((all, answered))
}

async fn ask(address: SocketAddr, request: Arc<str>, enough: Arc<AtomicBool>) -> anyhow::Result<Vec<Asked>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut asked, mut answer) = (Vec::new(), vec![0; 16 * 1024]);
    while !enough.load(Ordering::Relaxed) {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let allowed = read_answer(&mut stream, &mut answer).await?;
        asked.push(Asked { sent, allowed });
    }
    Ok(asked)
}

/// Reads one answer whole; true when it is a 200.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<bool> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        anyhow::ensure!(read > 0, "the connection ended");
        filled += read;
        let text = String::from_utf8_lossy(&buffer[..filled]);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let length = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).find_map(|(_, length)| length.parse::<usize>().ok());
        if body.len() >= length.context("an answer without a length")? {
            return Ok(head.starts_with("HTTP/1.1 200 "));
        }
    }
}
