//! `claviger bench`: one check, sent again and again to a running hub. What is fast against what else, `./bench` says; this says how fast here.
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use crate::{headers::Headers, print};

/// What gateways say of the request they ask about, unless `-H` says it.
const ASKED_ABOUT: [(&str, &str); 4] =
    [("x-original-method", "GET"), ("x-original-uri", "/"), ("x-forwarded-method", "GET"), ("x-forwarded-uri", "/")];

/// How long a connection and its first answer may take, and any answer after the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to send, where, how much.
#[derive(clap::Args)]
pub(crate) struct Load {
    /// The gateway address of the hub to measure
    #[arg(long, env = "CLAVIGER_HUB", value_name = "URL", default_value = "http://127.0.0.1:8081")]
    hub: String,
    #[command(flatten)]
    headers: Headers,
    /// How many connections, each with one request at a time
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// How long
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// The check to send
    #[arg(long, value_name = "PATH", default_value = "/verify/nginx")]
    path: String,
}

pub(crate) async fn run(load: &Load) -> anyhow::Result<()> {
    let (address, request) = load.prepare()?;
    // all are open before the first request goes out, and each is warmed by one that does not count
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        let warmed = async {
            let mut connection = connect(&address).await?;
            connection.exchange(&request).await?;
            anyhow::Ok(connection)
        };
        let warmed = tokio::time::timeout(PATIENCE, warmed).await.map_err(anyhow::Error::from).flatten();
        connections.push(warmed.with_context(|| format!("{address} does not answer"))?);
    }
    let started = Instant::now();
    let end = started + Duration::from_secs(load.seconds.into());
    let mut workers = JoinSet::new();
    for mut connection in connections {
        let request = request.clone();
        workers.spawn(async move {
            let mut seen = Seen::default();
            while Instant::now() < end {
                let asked = Instant::now();
                match connection.exchange(&request).await {
                    Ok(status) => seen.note(status, asked.elapsed()),
                    // the connection is gone; the others go on, and the result says so
                    Err(_) => {
                        seen.broken += 1;
                        break;
                    }
                }
            }
            seen
        });
    }
    let mut all = Seen::default();
    let everyone = async {
        while let Some(seen) = workers.join_next().await {
            all.add(&seen?);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout_at((end + PATIENCE).into(), everyone).await.context("the hub stopped answering")??;
    all.print(load.connections, started.elapsed());
    ensure!(all.broken == 0, "{} connections broke", all.broken);
    ensure!(all.statuses.len() == 1, "not every answer had the same status: this measures nothing in particular");
    Ok(())
}

impl Load {
    /// Whom to connect to, and what to send there.
    fn prepare(&self) -> anyhow::Result<(String, Request<Empty<Bytes>>)> {
        let hub: Uri = self.hub.parse().ok().context("--hub must be an address such as http://127.0.0.1:8081")?;
        ensure!(hub.scheme_str() == Some("http"), "--hub must begin with http://: the gateway address speaks plain HTTP");
        let authority = hub.authority().context("--hub names no host")?;
        ensure!(self.path.starts_with('/'), "--path must begin with /");
        let mut request = Request::get(self.path.parse::<Uri>().ok().context("--path is no path")?).header(header::HOST, authority.as_str());
        let fields = self.headers.read()?;
        for (name, value) in ASKED_ABOUT.into_iter().filter(|(name, _)| !fields.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))) {
            request = request.header(name, value);
        }
        for (name, value) in fields {
            request = request.header(name, value);
        }
        Ok((format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)), request.body(Empty::new())?))
    }
}

struct Connection(http1::SendRequest<Empty<Bytes>>);

async fn connect(address: &str) -> anyhow::Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
    // how it ends is seen by whoever sends on it
    tokio::spawn(driver);
    Ok(Connection(sender))
}

impl Connection {
    /// Sends it, reads the whole answer, gives its status.
    async fn exchange(&mut self, request: &Request<Empty<Bytes>>) -> anyhow::Result<u16> {
        self.0.ready().await?;
        let answer = self.0.send_request(request.clone()).await?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await?;
        Ok(status)
    }
}

/// What came back.
#[derive(Default)]
struct Seen {
    statuses: BTreeMap<u16, u64>,
    times: Times,
    broken: u64,
}

impl Seen {
    fn note(&mut self, status: u16, time: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        self.times.note(time);
    }

    fn add(&mut self, other: &Self) {
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.times.add(&other.times);
        self.broken += other.broken;
    }

    #[expect(clippy::cast_precision_loss, reason = "rounded for people")]
    fn print(&self, connections: u16, took: Duration) {
        let requests: u64 = self.statuses.values().sum();
        let rate = requests as f64 / took.as_secs_f64();
        print::line(&format!("{rate:.0} requests/s: {requests} in {:.1} s on {connections} connections", took.as_secs_f64()));
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| self.times.quantile(share).as_secs_f64() * 1e6);
        print::line(&format!("p50 {p50:.0} µs, p99 {p99:.0} µs, p99.9 {p999:.0} µs"));
        for (status, count) in &self.statuses {
            print::line(&format!("status {status}: {count}"));
        }
    }
}

/// Times in buckets, 64 for each doubling: no more than 1.6 % wrong, whatever they are and however many.
struct Times(Vec<u64>);

const PER_DOUBLING: u64 = 64;

impl Default for Times {
    fn default() -> Self {
        Self(vec![0; bucket(u64::MAX) + 1])
    }
}

impl Times {
    fn note(&mut self, time: Duration) {
        self.0[bucket(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))] += 1;
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// The time that this share of all did not exceed; zero when there are none.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
    fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.0.iter().sum::<u64>() as f64 * share).ceil() as u64;
        let mut seen = 0;
        let reached = self.0.iter().position(|count| {
            seen += count;
            seen >= wanted && seen > 0
        });
        Duration::from_nanos(reached.map_or(0, upper_end))
    }
}

/// Below 64 ns each its own; above, the six bits after the leading one and how many more follow.
fn bucket(nanos: u64) -> usize {
    let shift = nanos.checked_ilog2().unwrap_or(0).saturating_sub(PER_DOUBLING.ilog2());
    usize::try_from(u64::from(shift) * PER_DOUBLING + (nanos >> shift)).unwrap_or(usize::MAX)
}

/// The largest time in a bucket, in nanoseconds.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / PER_DOUBLING).saturating_sub(1);
    ((u128::from(bucket - shift * PER_DOUBLING + 1) << shift) - 1).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_a_bucket_that_ends_at_most_a_64th_above_it() {
        let mut before = 0;
        for nanos in (0..10_000).chain((0..57).map(|power| 97 << power)).chain([u64::MAX]) {
            let (at, end) = (bucket(nanos), upper_end(bucket(nanos)));
            assert!(at >= before && end >= nanos && end - nanos <= nanos / 64, "{nanos}: {at} ends at {end}");
            before = if nanos < 9_999 { at } else { 0 };
        }
    }

    #[test]
    fn quantiles_are_those_of_all_connections_together() {
        let (mut one, mut other) = (Times::default(), Times::default());
        assert_eq!(one.quantile(0.5), Duration::ZERO);
        (1..=500).for_each(|micros| one.note(Duration::from_micros(micros)));
        (501..=1000).for_each(|micros| other.note(Duration::from_micros(micros)));
        one.add(&other);
        for (share, micros) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let found = one.quantile(share).as_secs_f64() * 1e6;
            assert!((micros..micros * 1.017).contains(&found), "{share}: {found}");
        }
    }
}
