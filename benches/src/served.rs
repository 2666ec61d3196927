//! A server that is measured, a process of its own on the first CPU; wrk, on the last; and what the server's CPU time was meanwhile.
use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::Context;
use serde::Deserialize;

pub(crate) const CONNECTIONS: u32 = 16;
/// Of `/proc/<pid>/stat`: 100 a second on every Linux that Rust has as a target.
const TICKS: f64 = 100.0;

/// Stopped when dropped: its standard input ends.
pub(crate) struct Served {
    process: Child,
    pub(crate) address: String,
    /// A Unix socket at which it listens too.
    pub(crate) socket: Option<PathBuf>,
    pub(crate) headers: HashMap<String, Headers>,
}

pub(crate) type Headers = Vec<(String, String)>;

#[derive(Deserialize)]
struct Ready {
    address: String,
    socket: Option<PathBuf>,
    #[serde(default)]
    headers: HashMap<String, Headers>,
}

pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// Without the two that hyper writes itself.
    pub(crate) fields: Headers,
}

/// What the load generator saw in a round, and what the server used for it.
#[derive(Deserialize)]
pub(crate) struct Round {
    pub(crate) requests: f64,
    pub(crate) micros: f64,
    pub(crate) p99: f64,
    pub(crate) refused: u64,
    pub(crate) broken: u64,
    #[serde(default)]
    pub(crate) cpu_micros: f64,
}

impl Round {
    pub(crate) fn all_allowed(self) -> anyhow::Result<Self> {
        anyhow::ensure!(self.refused == 0 && self.broken == 0 && self.requests > 0.0, "not every request was allowed");
        Ok(self)
    }

    pub(crate) fn rate(&self) -> f64 {
        self.requests / (self.micros / 1e6)
    }

    /// What the server would answer if it had one CPU for itself.
    pub(crate) fn per_cpu_second(&self) -> f64 {
        self.requests / (self.cpu_micros / 1e6)
    }
}

impl Served {
    /// Starts a server that prints a line of JSON, its address and the header fields to ask with, when it listens.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("the server to measure")?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no output")?).read_line(&mut line)?;
        match serde_json::from_str(&line) {
            Ok(Ready { address, socket, headers }) => Ok(Self { process, address, socket, headers }),
            Err(_) => {
                drop(process.stdin.take());
                let _ = process.kill();
                let status = process.wait()?;
                anyhow::bail!("the server to measure did not start ({status}): {line}")
            }
        }
    }

    /// One request by hand, to see what is answered.
    pub(crate) fn answer(&self, path: &str, headers: &[(String, String)]) -> anyhow::Result<Answer> {
        let mut stream = TcpStream::connect(&self.address)?;
        let mut request = format!("GET {path} HTTP/1.1\r\n");
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

    /// wrk asks for `path` for so long.
    pub(crate) fn load(&self, path: &str, headers: &[(String, String)], seconds: u32) -> anyhow::Result<Round> {
        let mut command = pinned(last_cpu()?);
        command.args(["wrk", "-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")]);
        command.args(["-s", concat!(env!("CARGO_MANIFEST_DIR"), "/wrk.lua")]);
        for (name, value) in headers {
            command.args(["-H", &format!("{name}: {value}")]);
        }
        command.arg(format!("http://{}{path}", self.address));
        self.load_by(command)
    }

    /// A load generator that prints what wrk's script does.
    pub(crate) fn load_by(&self, mut command: Command) -> anyhow::Result<Round> {
        let before = self.cpu_micros()?;
        let output = command.stderr(Stdio::inherit()).output().context("the load generator")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|line| line.strip_prefix("json ")).with_context(|| format!("the load generator said: {text}"))?;
        let round: Round = serde_json::from_str(line)?;
        Ok(Round { cpu_micros: self.cpu_micros()? - before, ..round })
    }

    /// What the process and its descendants have used so far: user and system time, of all their threads.
    pub(crate) fn cpu_micros(&self) -> anyhow::Result<f64> {
        let (mut total, mut left) = (0.0, vec![self.process.id().to_string()]);
        while let Some(one) = left.pop() {
            total += cpu_micros_of(&one)?;
            let children = fs::read_to_string(format!("/proc/{one}/task/{one}/children")).unwrap_or_default();
            left.extend(children.split_whitespace().map(str::to_owned));
        }
        Ok(total)
    }
}

fn cpu_micros_of(process: &str) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(") ").context("/proc/<pid>/stat")?.1;
    let ticks = |at: usize| after_name.split(' ').nth(at).and_then(|field| field.parse::<f64>().ok()).context("/proc/<pid>/stat");
    Ok((ticks(11)? + ticks(12)?) / TICKS * 1e6)
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// This program again, on the first CPU.
pub(crate) fn itself(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = pinned(0);
    command.arg(std::env::current_exe()?).args(arguments);
    Ok(command)
}

/// A command that will run on this CPU only.
pub(crate) fn pinned(cpu: usize) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &cpu.to_string()]);
    command
}

/// Where load comes from.
pub(crate) fn last_cpu() -> anyhow::Result<usize> {
    Ok(std::thread::available_parallelism()?.get() - 1)
}
