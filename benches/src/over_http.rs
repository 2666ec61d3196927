//! `GET /verify/nginx` for a hot token beside the same stack answering a bare 200: requests per second, latency, and the server's CPU time.
//!
//! The server runs on the first CPU and the load generator on the last, so that neither takes the other's time; where there is one CPU
//! only, the numbers mean little. Requests per CPU-second count what the server itself used, and are the steadiest of the numbers.
use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use anyhow::Context;
use serde::Deserialize;

use crate::{
    numbers::Pairs,
    report::{self, Goal, Number},
};

const ROUNDS: usize = 10;
const SECONDS: u32 = 1;
const CONNECTIONS: u32 = 16;
/// Of `/proc/<pid>/stat`: 100 a second on every Linux that Rust has as a target.
const TICKS: f64 = 100.0;

pub(crate) fn measure() -> anyhow::Result<Vec<Number>> {
    let verifying = Server::start("verifying", None)?;
    let mut numbers = Vec::new();
    for (scheme, names) in [
        ("hmac", ["verify_hmac_rate", "verify_hmac_per_cpu_second", "verify_hmac_latency_p99"]),
        ("api_key", ["verify_api_key_rate", "verify_api_key_per_cpu_second", "verify_api_key_latency_p99"]),
        ("basic", ["verify_basic_rate", "verify_basic_per_cpu_second", "verify_basic_latency_p99"]),
        ("token", ["verify_token_rate", "verify_token_per_cpu_second", "verify_token_latency_p99"]),
    ] {
        numbers.extend(beside_a_bare_200(&verifying, scheme, names)?);
    }
    numbers.push(junk_beside_a_hot_key(&verifying)?);
    Ok(numbers)
}

fn beside_a_bare_200(verifying: &Server, scheme: &str, names: [&'static str; 3]) -> anyhow::Result<Vec<Number>> {
    let request = verifying.headers.get(scheme).context("a scheme that the server to measure knows")?;
    let answer = verifying.answer(request)?;
    let bare = Server::start("bare", Some(serde_json::to_string(&answer.fields)?))?;
    let same = bare.answer(request)?;
    anyhow::ensure!(answer.bytes.len() == same.bytes.len(), "the two answers differ in size: {} and {} bytes", answer.bytes.len(), same.bytes.len());
    report::say(&format!(
        "{scheme}: {ROUNDS} rounds of {SECONDS} s each in turns, {CONNECTIONS} connections kept alive; an answer has {} bytes and {} fields",
        answer.bytes.len(),
        answer.fields.len() + 2
    ));
    let (mut rate, mut p99, mut cpu) = (Pairs::default(), Pairs::default(), Pairs::default());
    for server in [verifying, &bare] {
        server.load(request, 1)?.all_allowed()?;
    }
    for _ in 0..ROUNDS {
        let ours = verifying.load(request, SECONDS)?.all_allowed()?;
        let reference = bare.load(request, SECONDS)?.all_allowed()?;
        rate.push(ours.rate(), reference.rate());
        p99.push(ours.p99, reference.p99);
        cpu.push(ours.per_cpu_second(), reference.per_cpu_second());
    }
    let beside = "the same stack, a bare 200";
    Ok(vec![
        Number::new(names[0], "requests/s", beside, &rate, Goal::AtLeast(0.90)),
        Number::new(names[1], "requests", beside, &cpu, Goal::AtLeast(0.90)),
        Number::new(names[2], "us", beside, &p99, Goal::AtMost(1.25)),
    ])
}

/// A key with a wrong checksum, refused; and a hot one, allowed: the same server, the same connections.
fn junk_beside_a_hot_key(verifying: &Server) -> anyhow::Result<Number> {
    let hot = verifying.headers.get("api_key").context("a scheme that the server to measure knows")?;
    let mut junk = hot.clone();
    for (_, key) in junk.iter_mut().filter(|(name, _)| name == "X-API-Key") {
        let last = if key.ends_with('0') { "1" } else { "0" };
        key.replace_range(key.len() - 1.., last);
    }
    let mut rate = Pairs::default();
    for _ in 0..ROUNDS {
        let refused = verifying.load(&junk, SECONDS)?;
        anyhow::ensure!(refused.refused as f64 >= refused.requests && refused.broken == 0, "junk was allowed");
        rate.push(refused.rate(), verifying.load(hot, SECONDS)?.all_allowed()?.rate());
    }
    Ok(Number::new("verify_junk_rate", "requests/s", "a hot API key", &rate, Goal::AtLeast(1.0)))
}

struct Server {
    process: Child,
    address: String,
    headers: HashMap<String, Vec<(String, String)>>,
}

#[derive(Deserialize)]
struct Ready {
    address: String,
    #[serde(default)]
    headers: HashMap<String, Vec<(String, String)>>,
}

struct Answer {
    bytes: Vec<u8>,
    /// Without the two that hyper writes itself.
    fields: Vec<(String, String)>,
}

/// What wrk saw in a round, and what the server used for it.
#[derive(Deserialize)]
struct Round {
    requests: f64,
    micros: f64,
    p99: f64,
    refused: u64,
    broken: u64,
    #[serde(default)]
    cpu_micros: f64,
}

impl Round {
    fn all_allowed(self) -> anyhow::Result<Self> {
        anyhow::ensure!(self.refused == 0 && self.broken == 0 && self.requests > 0.0, "not every request was allowed");
        Ok(self)
    }

    fn rate(&self) -> f64 {
        self.requests / (self.micros / 1e6)
    }

    /// What the server would answer if it had one CPU for itself.
    fn per_cpu_second(&self) -> f64 {
        self.requests / (self.cpu_micros / 1e6)
    }
}

impl Server {
    fn start(which: &str, answer: Option<String>) -> anyhow::Result<Self> {
        let mut command = pinned(0);
        command.arg(std::env::current_exe()?).args(["serve", which]).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(answer) = answer {
            command.env("CLAVIGER_BENCH_ANSWER", answer);
        }
        let mut process = command.spawn().context("the server to measure")?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no output")?).read_line(&mut line)?;
        let Ready { address, headers } = serde_json::from_str(&line).context("the server to measure did not start")?;
        Ok(Self { process, address, headers })
    }

    /// One request by hand, to see what is answered.
    fn answer(&self, headers: &[(String, String)]) -> anyhow::Result<Answer> {
        let mut stream = TcpStream::connect(&self.address)?;
        let mut request = "GET /verify/nginx HTTP/1.1\r\n".to_owned();
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{request}Connection: close\r\n\r\n").as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        anyhow::ensure!(text.starts_with("HTTP/1.1 200 "), "not allowed: {text}");
        let fields = text.lines().skip(1).filter_map(|line| line.split_once(": "));
        let own = fields.filter(|(name, _)| !["date", "content-length", "connection"].contains(name));
        Ok(Answer { fields: own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), bytes })
    }

    fn load(&self, headers: &[(String, String)], seconds: u32) -> anyhow::Result<Round> {
        let before = self.cpu_micros()?;
        let last = std::thread::available_parallelism()?.get() - 1;
        let mut command = pinned(last);
        command.args(["wrk", "-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")]);
        command.args(["-s", concat!(env!("CARGO_MANIFEST_DIR"), "/wrk.lua")]);
        for (name, value) in headers {
            command.args(["-H", &format!("{name}: {value}")]);
        }
        let output = command.arg(format!("http://{}/verify/nginx", self.address)).output().context("wrk")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|line| line.strip_prefix("json ")).with_context(|| format!("wrk said: {text}"))?;
        let round: Round = serde_json::from_str(line)?;
        Ok(Round { cpu_micros: self.cpu_micros()? - before, ..round })
    }

    /// What the process has used so far: user and system time, of all its threads.
    fn cpu_micros(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let after_name = stat.rsplit_once(") ").context("/proc/<pid>/stat")?.1;
        let ticks = |at: usize| after_name.split(' ').nth(at).and_then(|field| field.parse::<f64>().ok()).context("/proc/<pid>/stat");
        Ok((ticks(11)? + ticks(12)?) / TICKS * 1e6)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A command that will run on this CPU only.
fn pinned(cpu: usize) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &cpu.to_string()]);
    command
}
