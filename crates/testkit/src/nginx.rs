//! Debian's real nginx with the files of `deploy/nginx/`, in a temporary folder and on free ports.
//!
//! Of the shipped files only the two that say where things are (`upstreams.conf`, `listen.conf`) are replaced; every other
//! is used as it is shipped. What surrounds them is the least that lets nginx run as any user.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::postgres::free_port;
use crate::program::{Program, Signal};
use crate::soon::DEADLINE;
use crate::{folder, repository};

/// The two files that an operator edits, and that a test writes.
const EDITED: [&str; 2] = ["upstreams.conf", "listen.conf"];

/// A running nginx; stopped when dropped.
pub struct Nginx {
    program: Program,
    folder: TempDir,
    port: u16,
}

/// What an operator's own configuration has around and besides the shipped files.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Further servers of the upstream `claviger`, as `host:port`.
    pub more_clavigers: Vec<String>,
    /// Lines for `http { }`.
    pub http: String,
    /// Lines for `server { }`.
    pub server: String,
}

impl Nginx {
    /// nginx in front of `api`, asking `claviger` (the gateway listener); both as `host:port`.
    ///
    /// # Panics
    /// When nginx is not installed or refuses the configuration; the message says which.
    pub fn start(claviger: impl ToString, api: impl ToString) -> Self {
        Self::start_in(&Surroundings::default(), claviger, api)
    }

    /// As [`Nginx::start`], in the configuration of an operator who has more in it.
    pub fn start_in(surroundings: &Surroundings, claviger: impl ToString, api: impl ToString) -> Self {
        let (claviger, api) = (claviger.to_string(), api.to_string());
        let mut why = String::new();
        // Another process may take the port between our look and nginx's.
        for _ in 0..5 {
            let folder = folder::temporary("nginx");
            let port = free_port();
            write_configuration(&folder, port, &claviger, &api, surroundings);
            let path = folder.path().to_str().expect("temporary paths are text");
            let mut command = Command::new(binary());
            command.args(["-p", path, "-c", "nginx.conf", "-e", "stderr"]);
            let program = Program::start("nginx", &command, Signal::TERM);
            let up = program.find_line(DEADLINE, |line| line.contains("start worker process ").then_some(()));
            if up.is_ok() {
                return Self { program, folder, port };
            }
            why = program.to_string();
        }
        panic!("nginx did not start\n{why}");
    }

    /// `http://127.0.0.1:…` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The folder it runs in; `body` below it takes uploads which do not stream.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The error log and the access log, for a secret scan.
    pub fn logs(&self) -> String {
        let access = std::fs::read_to_string(self.folder.path().join("access.log"));
        format!("{}{}", self.program.output(), access.unwrap_or_default())
    }
}

/// nginx is often in a folder which only root has in its PATH.
fn binary() -> PathBuf {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("nginx"))
        .find(|path| path.is_file())
        .expect("nginx is not installed, and this test needs it: `apt-get install nginx` (any version from 1.22)")
}

fn write_configuration(folder: &TempDir, port: u16, claviger: &str, api: &str, surroundings: &Surroundings) {
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("it is our folder");
    };
    let shipped = repository().join("deploy/nginx");
    std::fs::create_dir(folder.path().join("claviger")).expect("it is our folder");
    for file in std::fs::read_dir(&shipped).expect("deploy/nginx is there") {
        let name = file.expect("it can be read").file_name();
        let name = name.to_str().expect("file names are text");
        if name.ends_with(".conf") && !EDITED.contains(&name) {
            std::fs::copy(shipped.join(name), folder.path().join("claviger").join(name)).expect("it is our folder");
        }
    }
    let more: String = surroundings.more_clavigers.iter().map(|address| format!("server {address}; ")).collect();
    write(
        "claviger/upstreams.conf",
        &format!("upstream claviger {{ server {claviger}; {more}keepalive 4; }}\nupstream api {{ server {api}; keepalive 4; }}\n"),
    );
    write("claviger/listen.conf", &format!("listen 127.0.0.1:{port};\n{}\n", surroundings.server));
    // As root the workers would become somebody who cannot write into this folder.
    let user = if geteuid().is_root() { "user root root;" } else { "" };
    write(
        "nginx.conf",
        &format!(
            "{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
    access_log access.log;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    types {{ text/html html; image/png png; }}
{}
    include claviger/site.conf;
}}
",
            surroundings.http
        ),
    );
}
