//! `10.0.0.0/8, 2001:db8::7`: addresses and networks in a list.
use std::{fmt, net::IpAddr, str::FromStr};

use claviger_domain::network::Network;
use serde::Deserialize;

/// Some networks; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Networks(Vec<Network>);

impl Networks {
    /// Whether `address` lies in one of them.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl FromStr for Networks {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let networks = text.split(',').map(|network| network.trim().parse()).collect::<Result<_, _>>();
        networks.map(Self).map_err(|_| "addresses or networks with commas between them, such as `10.0.0.0/8, 2001:db8::7`")
    }
}

impl TryFrom<String> for Networks {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, network) in self.0.iter().enumerate() {
            write!(f, "{}{network}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_is_written_and_nonsense_is_not() {
        let networks: Networks = "10.0.0.0/8,2001:db8::7".parse().expect("a list");
        assert_eq!(networks.to_string(), "10.0.0.0/8, 2001:db8::7/128");
        assert_eq!(networks.to_string().parse(), Ok(networks));
        for text in ["", ",", "10.0.0.0/8,", "10.0.0.1/8", "proxy.example.com", "10.0.0.0/8 192.0.2.1"] {
            assert!(text.parse::<Networks>().is_err(), "{text:?}");
        }
    }
}
