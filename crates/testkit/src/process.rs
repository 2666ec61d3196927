//! The real `claviger`, as a process: started on free ports, restarted on its data, killed, and listened to.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::Arc;

use tempfile::TempDir;

use crate::folder;
use crate::http::Request;
use crate::namespace::Namespace;
use crate::program::{Program, Signal};
use crate::soon::DEADLINE;

/// The binary, and runs of it that end by themselves.
pub struct Claviger;

impl Claviger {
    /// Where the binary lies: `CLAVIGER_BIN` if that is set, else what cargo or nextest name to the tests of the crate that
    /// builds it, else `claviger` beside the `deps` folder that this test runs from.
    ///
    /// The last is as old as the last `cargo build`: only tests of `claviger-cli` itself have cargo build it anew, and
    /// `./test` builds it first.
    ///
    /// # Panics
    /// When there is none.
    pub fn build_path() -> PathBuf {
        let named = ["CLAVIGER_BIN", "CARGO_BIN_EXE_claviger", "NEXTEST_BIN_EXE_claviger"].into_iter().find_map(std::env::var_os).map(PathBuf::from);
        let path = named.unwrap_or_else(|| {
            let test = std::env::current_exe().expect("a running program has a path");
            let folder = test.parent().expect("it lies in a folder");
            let folder = match folder.file_name() {
                Some(name) if name == "deps" || name == "examples" => folder.parent(),
                _ => Some(folder),
            };
            folder.expect("it lies in a folder").join("claviger")
        });
        assert!(path.is_file(), "{} is not there: `cargo build --bin claviger` first, or set CLAVIGER_BIN", path.display());
        path
    }

    /// `claviger …`, with no setting from the environment this test runs in.
    pub fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(Self::build_path());
        command.args(arguments);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CLAVIGER_")) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs `claviger …` to its end.
    pub fn run(arguments: &[&str]) -> Output {
        Self::command(arguments).output().expect("the binary runs")
    }

    /// Runs `claviger …` and returns its standard output, trimmed.
    ///
    /// # Panics
    /// With both outputs, when it fails.
    pub fn answer(arguments: &[&str]) -> String {
        let output = Self::run(arguments);
        assert!(
            output.status.success(),
            "claviger {arguments:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("it writes UTF-8").trim_end().to_owned()
    }
}

/// A running `claviger serve` or `claviger demo`; killed when dropped.
pub struct Server {
    program: Program,
    data: Arc<TempDir>,
    command: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    public: String,
    gateway: String,
    earlier_output: String,
}

impl Server {
    /// `claviger serve --data … --public 127.0.0.1:0 --gateway 127.0.0.1:0` and these arguments, on a data folder of its own.
    ///
    /// # Panics
    /// With its output, when it does not come up.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with("serve", arguments, &[], Arc::new(folder::temporary("data")))
    }

    /// `claviger demo`, likewise, with a free port for its sample API too.
    pub fn demo(arguments: &[&str]) -> Self {
        Self::start_with("demo", arguments, &[], Arc::new(folder::temporary("data")))
    }

    /// Any of the two, with an environment, on a given data folder; two servers may share one.
    pub fn start_with(command: &str, arguments: &[&str], environment: &[(&str, &str)], data: Arc<TempDir>) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        let environment: Vec<(String, String)> = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let any = "127.0.0.1:0";
        let program = launch(command, &arguments, &environment, data.path(), any, any);
        let (public, gateway) = addresses(&program);
        Self { program, data, command: command.to_owned(), arguments, environment, public, gateway, earlier_output: String::new() }
    }

    /// `claviger serve` on a network of its own.
    pub fn start_in(namespace: &Namespace, arguments: &[&str], environment: &[(&str, &str)], data: Arc<TempDir>) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        let environment: Vec<(String, String)> = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let any = format!("{}:0", namespace.own_address());
        let inner = command_of("serve", &arguments, &environment, data.path(), &any, &any);
        let entry = namespace.entry();
        let mut command = Command::new(&entry[0]);
        command.args(&entry[1..]).arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let program = Program::start("claviger", &command, Signal::KILL);
        namespace.lay_cables(program.id());
        let (public, gateway) = addresses(&program);
        Self { program, data, command: "serve".to_owned(), arguments, environment, public, gateway, earlier_output: String::new() }
    }

    /// `http://127.0.0.1:…` of the public listener and a path.
    pub fn public(&self, path: &str) -> String {
        format!("{}{path}", self.public)
    }

    /// `http://127.0.0.1:…` of the gateway listener and a path.
    pub fn gateway(&self, path: &str) -> String {
        format!("{}{path}", self.gateway)
    }

    /// `127.0.0.1:…` of the gateway listener, as a gateway's configuration wants it.
    pub fn gateway_address(&self) -> &str {
        self.gateway.trim_start_matches("http://")
    }

    /// The rest of the first line that begins with this, such as `Sample API: `; it waits for the line.
    pub fn line(&self, beginning: &str) -> String {
        self.program.wait_for_line(&format!("`{beginning}…`"), DEADLINE, |line| Some(line.strip_prefix(beginning)?.trim().to_owned()))
    }

    /// The one-time link of the first operator: the rest of the line `Sign in: …`.
    pub fn sign_in_link(&self) -> String {
        self.line("Sign in: ")
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The data folder, to be kept or given to another server.
    pub fn shared_data(&self) -> Arc<TempDir> {
        Arc::clone(&self.data)
    }

    /// Runs `claviger operator key create` beside the running server and returns the key.
    pub fn operator_key(&self, name: &str) -> String {
        let data = self.data.path().to_str().expect("temporary paths are text");
        let mut arguments = vec!["operator", "key", "create", "--name", name, "--data", data];
        // A server on PostgreSQL has no database in its data folder.
        if let Some(at) = self.arguments.iter().position(|a| a == "--database") {
            arguments.extend(["--database", &self.arguments[at + 1]]);
        }
        let mut command = Claviger::command(&arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a key is text").trim_end().to_owned()
    }

    /// Everything written to both outputs since the first start, restarts included.
    pub fn output(&self) -> String {
        format!("{}{}", self.earlier_output, self.program.output())
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// `kill -9`.
    pub fn kill9(&mut self) -> ExitStatus {
        self.program.kill()
    }

    /// SIGTERM, and waits for the end: what it was doing is finished first.
    pub fn terminate(&mut self) -> ExitStatus {
        self.program.terminate()
    }

    /// Sends any signal and does not wait.
    pub fn signal(&self, signal: Signal) {
        self.program.signal(signal);
    }

    /// Sends SIGTERM and does not wait.
    pub fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    /// Starts it again on the same data and the same ports, so that gateways in front find it. Kills it first if it runs.
    pub fn restart(&mut self) {
        self.program.kill();
        self.earlier_output.push_str(&self.program.output());
        let port = |url: &str| url.trim_start_matches("http://").to_owned();
        self.program = launch(&self.command, &self.arguments, &self.environment, self.data.path(), &port(&self.public), &port(&self.gateway));
        (self.public, self.gateway) = addresses(&self.program);
    }

    /// A request to the public listener.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, &self.public(path))
    }
}

fn launch(command: &str, arguments: &[String], environment: &[(String, String)], data: &Path, public: &str, gateway: &str) -> Program {
    Program::start("claviger", &command_of(command, arguments, environment, data, public, gateway), Signal::KILL)
}

fn command_of(command: &str, arguments: &[String], environment: &[(String, String)], data: &Path, public: &str, gateway: &str) -> Command {
    let data = data.to_str().expect("temporary paths are text");
    let mut all = vec![command, "--data", data, "--public", public, "--gateway", gateway];
    if command == "demo" && !arguments.iter().any(|a| a == "--api") {
        all.extend(["--api", "127.0.0.1:0"]);
    }
    all.extend(arguments.iter().map(String::as_str));
    let mut command = Claviger::command(&all);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// What it wrote behind `Public:` and `Gateway:`.
fn addresses(program: &Program) -> (String, String) {
    let address = |beginning: &str| {
        program.wait_for_line(&format!("`{beginning}http://…`"), DEADLINE, |line| {
            let address = line.strip_prefix(beginning)?.trim().trim_end_matches('/');
            address.starts_with("http").then(|| address.to_owned())
        })
    };
    (address("Public: "), address("Gateway: "))
}
