//! Settings from the command line and the environment, over those of a file, over the defaults.
use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use claviger_server::{
    cluster::Mode,
    config::{Counting, Networks, Partial, Preflight, RateLimit, Settings, Wait},
};

use hyper::http::uri::Authority;

use crate::{print, serve};

/// What can be set; flags over `CLAVIGER_*` environment over the file over defaults.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Flags {
    /// The folder of the key ring, and of the database when it is embedded [default: claviger-data]
    #[arg(long, env = "CLAVIGER_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// A PostgreSQL URL; without it the database is embedded
    #[arg(long, env = "CLAVIGER_DATABASE", value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// Where the console, the management API and the token endpoint listen [default: 127.0.0.1:8080]
    #[arg(long, env = "CLAVIGER_PUBLIC", value_name = "ADDR")]
    public: Option<SocketAddr>,
    /// Where verification listens; keep it private [default: 127.0.0.1:8081]
    #[arg(long, env = "CLAVIGER_GATEWAY", value_name = "ADDR")]
    gateway: Option<SocketAddr>,
    /// A Unix socket at which it listens too, for a gateway on this machine
    #[arg(long, env = "CLAVIGER_GATEWAY_SOCKET", value_name = "FILE")]
    gateway_socket: Option<PathBuf>,
    /// How browsers and integrations reach the public address, such as https://keys.example.com
    #[arg(long, env = "CLAVIGER_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// The proxies before the public address, whose X-Forwarded-For is believed, such as "10.0.0.0/8, 2001:db8::7" [default: none]
    #[arg(long, env = "CLAVIGER_TRUSTED_PROXIES", value_name = "NETWORKS")]
    trusted_proxies: Option<Networks>,
    /// The first word of every credential made here [default: clv]
    #[arg(long, env = "CLAVIGER_PREFIX", value_name = "WORD")]
    prefix: Option<String>,
    /// A TOML file of account kinds
    #[arg(long, env = "CLAVIGER_KINDS", value_name = "FILE")]
    kinds: Option<PathBuf>,
    /// How many days the API requests that gateways report stay in the audit log [default: 30]
    #[arg(long, env = "CLAVIGER_API_REQUEST_DAYS", value_name = "DAYS")]
    api_request_days: Option<u32>,
    /// Whether the bodies of reported API requests are kept too, redacted [default: false]
    #[arg(long, env = "CLAVIGER_API_REQUEST_BODIES", value_name = "BOOL")]
    api_request_bodies: Option<bool>,
    /// Where gateways report API requests as syslog messages over UDP; keep it private
    #[arg(long, env = "CLAVIGER_API_REQUEST_SYSLOG", value_name = "ADDR")]
    api_request_syslog: Option<SocketAddr>,
    /// What becomes of a browser's preflight: check or pass [default: check]
    #[arg(long, env = "CLAVIGER_PREFLIGHT", value_name = "WORD")]
    preflight: Option<Preflight>,
    /// How many requests each credential may send, such as "100/s burst 200" [default: any number]
    #[arg(long, env = "CLAVIGER_RATE_LIMIT", value_name = "RATE")]
    rate_limit: Option<RateLimit>,
    /// Who counts them where several nodes are: share, each node an equal share, or exact, PostgreSQL for all [default: share]
    #[arg(long, env = "CLAVIGER_RATE_LIMIT_COUNTING", value_name = "WORD")]
    rate_limit_counting: Option<Counting>,
    /// The length of every node's lease in seconds, 1 to 60 [default: what the nodes have, at first 10]
    #[arg(long, env = "CLAVIGER_LEASE", value_name = "SECONDS")]
    lease: Option<u32>,
    /// How a node makes sure that it is not behind: lease, read_index or direct [default: lease]
    #[arg(long, env = "CLAVIGER_REVOCATION", value_name = "MODE")]
    revocation: Option<Mode>,
    /// Where other nodes reach this one's gateway address, such as 10.0.0.5:8081 [default: where it listens]
    #[arg(long, env = "CLAVIGER_ADVERTISE", value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// How often a node makes a credential, revokes it, and asks every node whether it still accepts it; 0: never [default: 60]
    #[arg(long, env = "CLAVIGER_CANARY_EVERY", value_name = "SECONDS")]
    canary_every: Option<u32>,
    /// How long a change waits for a node that is silent: complete, or bounded (a second at most, then 202) [default: complete]
    #[arg(long, env = "CLAVIGER_REVOCATION_WAIT", value_name = "WORD")]
    revocation_wait: Option<Wait>,
    /// Where OpenTelemetry traces are sent, by OTLP over HTTP, such as http://127.0.0.1:4318
    #[arg(long, env = "CLAVIGER_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// The share of verifications that are traced, 0 to 1; management requests all are [default: 0.001]
    #[arg(long, env = "CLAVIGER_TRACE_SAMPLE", value_name = "SHARE")]
    trace_sample: Option<f64>,
    /// A TOML file of settings
    #[arg(long, env = "CLAVIGER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Flags {
    /// The settings in force.
    pub(crate) fn resolve(&self) -> anyhow::Result<Settings> {
        let file = match &self.config {
            None => Partial::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the settings in {}", path.display()))?;
                // the parser's message quotes the line, which may hold a password
                toml::from_str(&text).map_err(|error| anyhow::anyhow!("the settings in {} are wrong: {}", path.display(), error.message()))?
            }
        };
        let flags = Partial {
            data: self.data.clone(),
            database: self.database.clone(),
            public: self.public,
            gateway: self.gateway,
            gateway_socket: self.gateway_socket.clone(),
            public_url: self.public_url.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            prefix: self.prefix.clone(),
            kinds: self.kinds.clone(),
            api_request_days: self.api_request_days,
            api_request_bodies: self.api_request_bodies,
            api_request_syslog: self.api_request_syslog,
            preflight: self.preflight,
            rate_limit: self.rate_limit,
            rate_limit_counting: self.rate_limit_counting,
            lease: self.lease,
            revocation: self.revocation,
            advertise: self.advertise.clone(),
            canary_every: self.canary_every,
            revocation_wait: self.revocation_wait,
            otlp_endpoint: self.otlp_endpoint.clone(),
            trace_sample: self.trace_sample,
        };
        let mut settings = Settings::resolve(&[&flags, &file]);
        if let Some(url) = &mut settings.public_url {
            anyhow::ensure!(
                url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).is_some_and(|rest| !rest.trim_end_matches('/').is_empty()),
                "public_url must begin with https:// or http://"
            );
            *url = url.trim_end_matches('/').to_owned();
        }
        if let Some(url) = &mut settings.otlp_endpoint {
            let sound = url.strip_prefix("http://").is_some_and(|rest| !rest.trim_end_matches('/').is_empty() && !rest.contains(['@', '?', '#']));
            anyhow::ensure!(sound, "otlp_endpoint must begin with http:// and name no user: a collector on this machine or network");
            *url = url.trim_end_matches('/').to_owned();
        }
        let is_address = |text: &String| {
            let reachable = |address: Authority| !address.host().is_empty() && address.port_u16().is_some_and(|port| port != 0);
            text.parse().is_ok_and(reachable) && !text.contains('@')
        };
        anyhow::ensure!(settings.advertise.as_ref().is_none_or(is_address), "advertise must be a host and a port, such as 10.0.0.5:8081");
        anyhow::ensure!(settings.trace_sample.is_none_or(|share| (0.0..=1.0).contains(&share)), "trace_sample must be 0 to 1");
        settings.check()?;
        Ok(settings)
    }
}

/// `claviger config`: in the form of the file, if a server would start with them.
pub(crate) fn show(flags: &Flags) -> anyhow::Result<()> {
    let settings = flags.resolve()?;
    serve::kinds(&settings)?;
    for (name, value) in settings.shown() {
        print::line(&match value {
            Some(value) => format!("{name} = {value}"),
            None => format!("# {name} is not set"),
        });
    }
    Ok(())
}
