//! The settings of a server: flags over `CLAVIGER_*` environment over a file over defaults. Each stands here once; help and documents come from it.
use std::{fmt, net::SocketAddr, path::PathBuf};

use serde::Deserialize;

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

            /// Every setting with its value as text; secrets masked.
            #[must_use]
            pub fn shown(&self) -> Vec<(&'static str, Option<String>)> {
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
    /// How browsers and integrations reach the public listener, such as https://keys.example.com; the issuer of tokens.
    public_url: String = None, false;
    /// The first word of every credential made here: 2 to 10 characters of a-z and 0-9.
    prefix: String = Some("clv".to_owned()), false;
    /// A TOML file of account kinds that adds to the built-in ones, or replaces some.
    kinds: PathBuf = None, false;
    /// The length of every node's lease, in seconds, 1 to 60: an outage of the database survived, against the wait for a node that is cut off. Without it, what the nodes have.
    lease: Seconds = None, false;
    /// How a node makes sure that it is not behind: lease, read_index or direct.
    revocation: Mode = Some(Mode::Lease), false;
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
}

trait Shown {
    fn to_shown(&self) -> String;
}

impl Shown for String {
    fn to_shown(&self) -> String {
        self.clone()
    }
}

impl Shown for PathBuf {
    fn to_shown(&self) -> String {
        self.display().to_string()
    }
}

impl Shown for SocketAddr {
    fn to_shown(&self) -> String {
        self.to_string()
    }
}

/// A number of seconds, in a file as a number or as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub struct Seconds(pub u64);

impl TryFrom<toml::Value> for Seconds {
    type Error = &'static str;

    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        match value {
            toml::Value::Integer(seconds) => u64::try_from(seconds).map(Self).map_err(|_| WANTED),
            toml::Value::String(text) => text.parse(),
            _ => Err(WANTED),
        }
    }
}

impl std::str::FromStr for Seconds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| WANTED)
    }
}

const WANTED: &str = "a whole number of seconds";

impl Shown for Seconds {
    fn to_shown(&self) -> String {
        self.0.to_string()
    }
}

impl Shown for Mode {
    fn to_shown(&self) -> String {
        self.to_string()
    }
}

/// A URL keeps its shape and loses its password, wherever it stands; what is no URL is masked whole.
fn mask(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return "***".to_owned() };
    let (address, query) = rest.split_once('?').map_or((rest, ""), |(address, query)| (address, query));
    let address = match address.rsplit_once('@') {
        Some((user, host)) => format!("{}:***@{host}", user.split(':').next().unwrap_or_default()),
        None => address.to_owned(),
    };
    let query = if query.is_empty() { "" } else { "?***" };
    format!("{scheme}://{address}{query}")
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
