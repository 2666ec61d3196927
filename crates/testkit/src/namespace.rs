//! A process on a network of its own, as on another machine: one cable to whoever asks it, one to the database, which can be pulled.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::geteuid;

use crate::soon::assert_soon;

/// The plan of a network that one process will be alone on. Its cables are gone with that process.
pub struct Namespace {
    number: u32,
}

impl Namespace {
    /// Another one than any that this test process has had.
    ///
    /// # Panics
    /// When this is not root's process: nobody else may lay cables.
    pub fn plan() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        assert!(geteuid().is_root(), "this test lays cables between network namespaces: run it as root, with CAP_NET_ADMIN and CAP_SYS_ADMIN");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        assert!(number < 32, "a /24 for each test process");
        Self { number }
    }

    /// Where the process is reached, and may listen.
    pub fn own_address(&self) -> String {
        address(self.number * 8 + 2)
    }

    /// Where the database's side of its cable ends, on which something here may listen once the process runs.
    pub fn database_address(&self) -> String {
        address(self.number * 8 + 5)
    }

    /// What to begin a command with so that it runs there, when [`Namespace::lay_cables`] has been called for it.
    pub(crate) fn entry(&self) -> Vec<String> {
        // the own address comes last
        let wait = format!("ip link set lo up; until ip -o -4 address show | grep -qw {}; do sleep 0.02; done; exec \"$@\"", self.own_address());
        ["unshare", "--net", "--", "sh", "-c", &wait, "sh"].map(str::to_owned).to_vec()
    }

    /// Connects a process that was begun with [`Namespace::entry`].
    pub(crate) fn lay_cables(&self, process: u32) {
        let of = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
        let its_own = || of(&process.to_string()).is_some_and(|there| Some(there) != of("self"));
        assert_soon("the process has a network of its own: is `unshare` (util-linux) there, and allowed?", its_own);
        let process = process.to_string();
        for (far, near, first) in [("database", self.cable("d"), 4), ("askers", self.cable("a"), 0)] {
            let host = |at: u32| format!("{}/30", address(self.number * 8 + first + at));
            ip(&["link", "add", &near, "type", "veth", "peer", "name", far, "netns", &process]);
            ip(&["address", "add", &host(1), "dev", &near]);
            ip(&["link", "set", &near, "up"]);
            inside(&process, &["link", "set", far, "up"]);
            inside(&process, &["address", "add", &host(2), "dev", far]);
        }
    }

    /// Pulls the database's cable, or plugs it in again.
    pub fn plug(&self, is_in: bool) {
        ip(&["link", "set", &self.cable("d"), if is_in { "up" } else { "down" }]);
    }

    /// At most 15 letters.
    fn cable(&self, kind: &str) -> String {
        format!("clv{}{kind}{}", std::process::id(), self.number)
    }
}

/// Of the /24 of this test process.
fn address(last: u32) -> String {
    let process = std::process::id() % 0x8000;
    format!("10.{}.{}.{last}", 128 + process / 256, process % 256)
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments));
}

fn inside(process: &str, arguments: &[&str]) {
    run(Command::new("nsenter").args(["--net", "--target", process, "--", "ip"]).args(arguments));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: `apt-get install iproute2 util-linux`"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
