//! The settings of a server: flags over `CLAVIGER_*` environment over a file over defaults. Each stands here once; help and documents come from it.
use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use claviger_domain::{invalid::Invalid, token::Format};
use claviger_lease::Terms;
use serde::Deserialize;

mod networks;
mod rate_limit;

pub use networks::Networks;
pub(crate) use rate_limit::whole_seconds;
pub use rate_limit::{Counting, RateLimit};

use crate::cluster::Mode;

/// Defines every setting once: its type, default, whether it is secret, and its sentence.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr, $secret:literal;)*) => {
        /// What a source (flags, environment, file) says; None where it says nothing.
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Partial { $($(#[$doc])* pub $name: Option<$type>),* }

        /// The settings in force.
        #[derive(Clone)]
        pub struct Settings { $($(#[$doc])* pub $name: Option<$type>),* }

        impl Settings {
            /// What the first source says, else the second, and so on, else the default.
            #[must_use]
            pub fn resolve(sources: &[&Partial]) -> Self {
                Self { $($name: sources.iter().find_map(|source| source.$name.clone()).or($default)),* }
            }

            /// Every setting with its value, as a file says it; secrets masked.
            #[must_use]
            pub fn shown(&self) -> Vec<(&'static str, Option<toml::Value>)> {
                vec![$((stringify!($name), self.$name.as_ref().map(|value| if $secret { mask(&value.to_shown()) } else { value.to_shown() }))),*]
            }
        }
    };
}

settings! {
    /// The folder that holds the key ring, and the database when it is embedded.
    data: PathBuf = Some(PathBuf::from("claviger-data")), false;
    /// A PostgreSQL URL; without it the database is embedded SQLite in the data folder.
    database: String = None, true;
    /// Where the console, the management API and the token endpoint listen.
    public: SocketAddr = Some(SocketAddr::from(([127, 0, 0, 1], 8080))), false;
    /// Where verification listens. Keep it private: a verifier open to the world is an oracle.
    gateway: SocketAddr = Some(SocketAddr::from(([127, 0, 0, 1], 8081))), false;
    /// A Unix socket at which verification listens too, for a gateway on the same machine; whoever may write to it may ask.
    gateway_socket: PathBuf = None, false;
    /// How browsers and integrations reach the public listener, such as https://keys.example.com; the issuer of tokens.
    public_url: String = None, false;
    /// The proxies before the public listener, whose `X-Forwarded-For` is believed: addresses and networks, such as `10.0.0.0/8, 2001:db8::7`.
    trusted_proxies: Networks = None, false;
    /// The first word of every credential made here: 2 to 10 characters of a-z and 0-9.
    prefix: String = Some("clv".to_owned()), false;
    /// A TOML file of account kinds that adds to the built-in ones, or replaces some.
    kinds: PathBuf = None, false;
    /// How many days the API requests that gateways report stay in the audit log.
    api_request_days: u32 = Some(30), false;
    /// Whether the bodies of reported API requests are kept too, redacted.
    api_request_bodies: bool = Some(false), false;
    /// Where gateways report API requests as syslog messages over UDP. As private as the gateway listener.
    api_request_syslog: SocketAddr = None, false;
    /// What becomes of a browser's preflight, an OPTIONS without a credential: `check` refuses it, `pass` leaves it to the API.
    preflight: Preflight = Some(Preflight::Check), false;
    /// How many requests each credential may send, such as `100/s burst 200`; without it, any number.
    rate_limit: RateLimit = None, false;
    /// Who counts them where several nodes are: `share`, each node an equal share in memory; `exact`, PostgreSQL for all of them.
    rate_limit_counting: Counting = Some(Counting::Share), false;
    /// The length of every node's lease, in seconds, 1 to 60: an outage of the database survived, against the wait for a node that is cut off. Without it, what the nodes have.
    lease: u32 = None, false;
    /// How a node makes sure that it is not behind: lease, read_index or direct.
    revocation: Mode = Some(Mode::Lease), false;
    /// Where other nodes reach this one's gateway listener, such as 10.0.0.5:8081; without it, where it listens, or this machine as the database sees it.
    advertise: String = None, false;
    /// How often a node makes a credential, revokes it, and asks every node whether it still accepts it, in seconds; 0: never.
    canary_every: u32 = Some(60), false;
    /// How long a change waits for a node that is silent: `complete` until it is true everywhere, `bounded` a second at most; then the answer is 202 and says until when.
    revocation_wait: Wait = Some(Wait::Complete), false;
    /// Where OpenTelemetry traces are sent, by OTLP over HTTP, such as http://127.0.0.1:4318; without it nothing is traced.
    otlp_endpoint: String = None, false;
    /// The share of verifications that are traced, 0 to 1; management requests all are.
    trace_sample: f64 = Some(0.001), false;
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl Settings {
    /// Whether people reach the console over TLS.
    #[must_use]
    pub fn public_url_is_tls(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }

    /// What a server would refuse to start with, as far as it can be known from the settings alone.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<(), Invalid> {
        self.prefix.as_deref().map_or(Ok(()), Format::check_prefix)?;
        self.lease_terms().map(|_| ())
    }

    /// The terms of the lease that is wished for, if one is.
    pub(crate) fn lease_terms(&self) -> Result<Option<Terms>, Invalid> {
        let terms = |seconds: u32| Terms::of(Duration::from_secs(seconds.into())).ok_or_else(lease_out_of_range);
        self.lease.map(terms).transpose()
    }
}

pub(crate) fn lease_out_of_range() -> Invalid {
    Invalid::new("lease", "out_of_range", "A lease is 1 to 60 seconds long.")
}

/// What becomes of a browser's preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preflight {
    /// It is judged like any request, and so refused: it carries no credential.
    Check,
    /// It goes through to the API, with no identity.
    Pass,
}

impl std::str::FromStr for Preflight {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "check" => Ok(Self::Check),
            "pass" => Ok(Self::Pass),
            _ => Err("`check` or `pass`"),
        }
    }
}

/// How long a change waits for a node that is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// Until it is true on every node.
    Complete,
    /// A second at most: then the answer says that it is not complete, and when it is at the latest.
    Bounded,
}

impl Wait {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Bounded => "bounded",
        }
    }
}

impl std::str::FromStr for Wait {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Complete, Self::Bounded].into_iter().find(|wait| wait.as_str() == text).ok_or("`complete` or `bounded`")
    }
}

/// How a setting's value stands in a file.
pub(crate) trait Shown {
    fn to_shown(&self) -> toml::Value;
}

impl Shown for String {
    fn to_shown(&self) -> toml::Value {
        self.as_str().into()
    }
}

impl Shown for Preflight {
    fn to_shown(&self) -> toml::Value {
        match self {
            Self::Check => "check".into(),
            Self::Pass => "pass".into(),
        }
    }
}

impl Shown for Wait {
    fn to_shown(&self) -> toml::Value {
        self.as_str().into()
    }
}

impl Shown for Counting {
    fn to_shown(&self) -> toml::Value {
        self.as_str().into()
    }
}

impl Shown for RateLimit {
    fn to_shown(&self) -> toml::Value {
        self.to_string().into()
    }
}

impl Shown for Networks {
    fn to_shown(&self) -> toml::Value {
        self.to_string().into()
    }
}

impl Shown for PathBuf {
    fn to_shown(&self) -> toml::Value {
        self.display().to_string().into()
    }
}

impl Shown for SocketAddr {
    fn to_shown(&self) -> toml::Value {
        self.to_string().into()
    }
}

impl Shown for u32 {
    fn to_shown(&self) -> toml::Value {
        (*self).into()
    }
}

impl Shown for f64 {
    fn to_shown(&self) -> toml::Value {
        (*self).into()
    }
}

impl Shown for bool {
    fn to_shown(&self) -> toml::Value {
        (*self).into()
    }
}

impl Shown for Mode {
    fn to_shown(&self) -> toml::Value {
        self.to_string().into()
    }
}

/// A URL keeps its shape and loses its password, wherever it stands; what is no URL is masked whole.
fn mask(value: &toml::Value) -> toml::Value {
    let Some((scheme, rest)) = value.as_str().and_then(|text| text.split_once("://")) else { return "***".into() };
    let (address, query) = rest.split_once('?').map_or((rest, ""), |(address, query)| (address, query));
    let address = match address.rsplit_once('@') {
        Some((user, host)) => format!("{}:***@{host}", user.split(':').next().unwrap_or_default()),
        None => address.to_owned(),
    };
    let query = if query.is_empty() { "" } else { "?***" };
    format!("{scheme}://{address}{query}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_that_says_something_counts() {
        let flags = Partial { prefix: Some("flag".into()), ..Partial::default() };
        let file = Partial { prefix: Some("file".into()), database: Some("postgres://u:hunter2@db/x?password=hunter2".into()), ..Partial::default() };
        let settings = Settings::resolve(&[&flags, &file]);
        assert_eq!(settings.prefix.as_deref(), Some("flag"));
        assert_eq!(settings.public, Some(SocketAddr::from(([127, 0, 0, 1], 8080))));
        let shown = format!("{settings:?}");
        assert!(shown.contains("postgres://u:***@db/x?***") && !shown.contains("hunter2"), "{shown}");
    }
}
