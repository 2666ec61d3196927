//! A link between a node and its database that can be cut, one way or both, and made slow. What is sent meanwhile arrives afterwards, as with TCP.
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// What happens to what is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    /// From the node to the database.
    pub(crate) up_is_cut: bool,
    /// From the database to the node.
    pub(crate) down_is_cut: bool,
    pub(crate) delay: Duration,
}

impl Weather {
    pub(crate) const FAIR: Self = Self { up_is_cut: false, down_is_cut: false, delay: Duration::ZERO };
    pub(crate) const CUT: Self = Self { up_is_cut: true, down_is_cut: true, delay: Duration::ZERO };
}

/// A link. Its threads end with their connections, or with the test process.
pub(crate) struct Link {
    address: String,
    weather: Arc<(Mutex<Weather>, Condvar)>,
    upstream: Arc<Mutex<String>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    trap: Arc<Trap>,
}

/// Lets a COMMIT through and keeps its reply: what a writer does not know when it dies just then.
#[derive(Default)]
struct Trap {
    /// Only commits of transactions in which one of these was named.
    names: Mutex<Vec<String>>,
    held: AtomicUsize,
}

/// Looks at what a connection sends.
#[derive(Default)]
struct Watcher {
    has_named: bool,
    /// Whether replies are kept from now on.
    holds: Arc<AtomicBool>,
}

impl Watcher {
    fn see(&mut self, sent: &[u8], trap: &Trap) {
        let contains = |word: &str| sent.windows(word.len()).any(|window| window == word.as_bytes());
        self.has_named |= trap.names.lock().expect("no panic").iter().any(|name| contains(name));
        if self.has_named && contains("COMMIT") && !self.holds.swap(true, Ordering::SeqCst) {
            trap.held.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Link {
    pub(crate) fn to(upstream: &str) -> Self {
        Self::at("127.0.0.1", upstream)
    }

    /// On every address: a node on a network of its own finds it at the end of its cable, which is yet to be laid.
    pub(crate) fn at_every_address(upstream: &str) -> Self {
        Self::at("0.0.0.0", upstream)
    }

    fn at(host: &str, upstream: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a free port");
        let address = format!("127.0.0.1:{}", listener.local_addr().expect("an address").port());
        let weather = Arc::new((Mutex::new(Weather::FAIR), Condvar::new()));
        let upstream = Arc::new(Mutex::new(upstream.to_owned()));
        let open = Arc::new(Mutex::new(Vec::new()));
        let trap = Arc::new(Trap::default());
        let (shared, to, noted, traps) = (weather.clone(), upstream.clone(), open.clone(), trap.clone());
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                noted.lock().expect("no panic").extend(near.try_clone());
                let (shared, to, trap) = (shared.clone(), to.clone(), traps.clone());
                thread::spawn(move || {
                    // a connection that is begun while the link is cut hangs like any other
                    wait_until(&shared, |weather| !weather.up_is_cut && !weather.down_is_cut);
                    let upstream = to.lock().expect("no panic").clone();
                    let Ok(far) = TcpStream::connect(upstream) else { return };
                    let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { return };
                    let (down, mut watcher) = (shared.clone(), Watcher::default());
                    let holds = watcher.holds.clone();
                    thread::spawn(move || copy(far_too, near_too, &down, |weather| weather.down_is_cut, |_| !holds.load(Ordering::SeqCst)));
                    let watch = |sent: &[u8]| {
                        watcher.see(sent, &trap);
                        true
                    };
                    copy(near, far, &shared, |weather| weather.up_is_cut, watch);
                });
            }
        });
        Self { address, weather, upstream, open, trap }
    }

    /// From now on connections lead there. Those that are open stay where they are, as when an address is moved between machines.
    pub(crate) fn lead_to(&self, upstream: &str) {
        upstream.clone_into(&mut self.upstream.lock().expect("no panic"));
    }

    /// `127.0.0.1:…`, where the database seems to be.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends every second connection that is open.
    pub(crate) fn end_every_second(&self) {
        for connection in self.open.lock().expect("no panic").drain(..).step_by(2) {
            let _ended = connection.shutdown(Shutdown::Both);
        }
    }

    /// From now on a COMMIT gets through and its reply does not, if its transaction names one of these.
    pub(crate) fn hold_replies_to_commits_about(&self, names: Vec<String>) {
        *self.trap.names.lock().expect("no panic") = names;
    }

    /// How many commits were let through whose replies were kept.
    pub(crate) fn held(&self) -> usize {
        self.trap.held.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, weather: Weather) {
        *self.weather.0.lock().expect("no panic") = weather;
        self.weather.1.notify_all();
    }
}

fn wait_until(weather: &(Mutex<Weather>, Condvar), fair: impl Fn(&Weather) -> bool) -> Duration {
    let mut now = weather.0.lock().expect("no panic");
    while !fair(&now) {
        now = weather.1.wait(now).expect("no panic");
    }
    now.delay
}

/// `passes` sees what was read, and says whether it goes on; what does not is lost.
fn copy(
    mut from: TcpStream,
    mut to: TcpStream,
    weather: &(Mutex<Weather>, Condvar),
    is_cut: impl Fn(&Weather) -> bool,
    mut passes: impl FnMut(&[u8]) -> bool,
) {
    let mut buffer = [0; 16 * 1024];
    let _ = to.set_nodelay(true);
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let delay = wait_until(weather, |weather| !is_cut(weather));
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        if passes(&buffer[..read]) && to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    wait_until(weather, |weather| !is_cut(weather));
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
