//! How many connections each client may hold, so that one cannot take all of them.
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use claviger_domain::network::subscriber;

use crate::config::Networks;

/// Who is connected. Loopback and trusted proxies, behind which all clients may be, are not counted.
pub(super) struct Peers {
    most: usize,
    proxies: Networks,
    connected: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection, until it is dropped.
pub(super) struct Guest(Option<(Arc<Peers>, IpAddr)>);

impl Peers {
    pub(super) fn new(most: usize, proxies: Networks) -> Arc<Self> {
        Arc::new(Self { most, proxies, connected: Mutex::default() })
    }

    /// None when this one has as many as it may have.
    pub(super) fn admit(self: &Arc<Self>, peer: Option<SocketAddr>) -> Option<Guest> {
        let Some(address) = peer.map(|peer| peer.ip().to_canonical()).filter(|ip| !ip.is_loopback() && !self.proxies.contain(*ip)) else {
            return Some(Guest(None));
        };
        let address = subscriber(address);
        let mut connected = self.connected();
        let count = connected.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Guest(Some((self.clone(), address))))
    }

    fn connected(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some((peers, address)) = self.0.take() else { return };
        let mut connected = peers.connected();
        if let Some(count) = connected.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                connected.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ip: &str) -> Option<SocketAddr> {
        Some(SocketAddr::new(ip.parse().expect("an address"), 50_000))
    }

    #[test]
    fn a_client_has_so_many_connections_however_it_spells_its_address_and_leaves_room_when_one_ends() {
        let peers = Peers::new(2, Networks::default());
        for [first, second, third, stranger] in
            [["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"], ["2001:db8::1", "2001:db8::2", "2001:db8::3:4:5:6", "2001:db8:0:1::1"]]
        {
            let (_first, second) = (peers.admit(at(first)).expect("one"), peers.admit(at(second)).expect("two"));
            assert!(peers.admit(at(third)).is_none(), "{third}");
            assert!(peers.admit(at(stranger)).is_some(), "{stranger}");
            drop(second);
            assert!(peers.admit(at(third)).is_some(), "{third}");
        }
        assert!(peers.connected().is_empty(), "nothing is kept of who left");
    }

    #[test]
    fn loopback_and_trusted_proxies_are_not_counted() {
        let peers = Peers::new(0, "10.0.0.0/8".parse().expect("networks"));
        for uncounted in [at("127.0.0.1"), at("::1"), at("::ffff:127.0.0.1"), at("10.1.2.3"), at("::ffff:10.1.2.3"), None] {
            assert!(peers.admit(uncounted).is_some(), "{uncounted:?}");
        }
        assert!(peers.admit(at("192.0.2.1")).is_none());
    }
}
