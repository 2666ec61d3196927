//! A throw-away PostgreSQL, from the installed binaries, in a temporary folder. No container, no fixed port.
//!
//! Every test process runs its own. `initdb` (most of a second) runs once per version and its result is kept under
//! `target/testkit/`; a copy of that starts in about 0.1 s, of which the copying is the most. That is as fast as sharing one
//! cluster between processes would be, and there is nothing to hand over, to lock or to forget: the same under
//! `cargo nextest` (a process per test), `cargo test` (a process per file) and a debugger.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::program::Program;
pub use crate::program::Signal;
use crate::soon::DEADLINE;
use crate::{folder, target};

mod standby;

/// Raise it when the recipe of [`make_template`] changes, so that no template of an older recipe is used.
const RECIPE: u32 = 1;

/// PostgreSQL refuses to run as root; Debian's package brings this user along.
const USER_WHEN_ROOT: &str = "postgres";

/// The owner of every test's database: an ordinary role, as an installation should have.
const OWNER: &str = "claviger";

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// As in an installation. Starting again after [`Cluster::stop`] then takes seconds, for every file is synced first.
    On,
    /// Faster; loses nothing unless the machine itself stops, so it is right for tests about SQL.
    Off,
}

/// A running PostgreSQL.
pub struct Cluster {
    program: Option<Program>,
    folder: TempDir,
    binaries: PathBuf,
    password: String,
    port: u16,
    fsync: Fsync,
    encrypts: bool,
}

/// An empty database of its own for one test; dropped with this value.
pub struct Database {
    url: String,
    name: String,
    administrator: String,
}

impl Cluster {
    /// Starts a cluster that waits for the disk, as an installation does.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start; the message says what to do.
    pub fn start() -> Self {
        Self::start_with(Fsync::On)
    }

    /// Starts a cluster. See [`Cluster::start`].
    pub fn start_with(fsync: Fsync) -> Self {
        Self::prepare(fsync, None)
    }

    /// Starts a cluster that offers TLS with this certificate and key, both in PEM.
    pub fn start_with_certificate(certificate: &str, key: &str) -> Self {
        Self::prepare(Fsync::Off, Some((certificate, key)))
    }

    fn prepare(fsync: Fsync, identity: Option<(&str, &str)>) -> Self {
        let binaries = binaries();
        let template = template(&binaries);
        let folder = folder::temporary("postgres");
        copy(&template.join("data"), &folder.path().join("data"));
        // The data keep their owner when root copies them; the folder around them does not have it yet.
        own_by_postgres(folder.path());
        let password = std::fs::read_to_string(template.join("password")).expect("it lies there");
        for (name, text) in identity.iter().flat_map(|(certificate, key)| [("server.crt", certificate), ("server.key", key)]) {
            let path = folder.path().join("data").join(name);
            std::fs::write(&path, text).expect("it is our folder");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is our file");
            own_by_postgres(&path);
        }
        let mut cluster = Self { program: None, folder, binaries, password, port: 0, fsync, encrypts: identity.is_some() };
        cluster.resume();
        cluster
    }

    /// The cluster of this process, without fsync, for all tests that are content with a database.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start_with(Fsync::Off))
    }

    /// A new, empty database. Its URL carries a role that owns the database and nothing else, and a password.
    pub fn fresh_database(&self) -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        // a primary that has lost its standby must not keep us from cleaning up
        let administrator = format!("{}?options=-c%20synchronous_commit%3Dlocal", self.administrator_url());
        run_sql(&administrator, &format!("CREATE DATABASE {name} OWNER {OWNER}"))
            .unwrap_or_else(|error| panic!("{name} could not be created: {error}\n{}", self.output()));
        Database { url: self.url(OWNER, &name), name, administrator }
    }

    /// The URL of the database `postgres` for the superuser, for tests which cut connections or look from outside.
    pub fn administrator_url(&self) -> String {
        self.url("postgres", "postgres")
    }

    /// Stops the cluster at once, as a power cut would: every connection is lost. The data stay.
    pub fn stop(&mut self) {
        drop(self.program.take());
    }

    /// Starts a stopped cluster again, on its data and, but for the first time, on its port.
    pub fn resume(&mut self) {
        assert!(self.program.is_none(), "the cluster is running");
        let mut why = String::new();
        // Another process may take the port between our look and PostgreSQL's.
        for _ in 0..5 {
            let port = if self.port == 0 { free_port() } else { self.port };
            let program = self.launch(port);
            let ready = program.find_line(DEADLINE, |line| line.contains("database system is ready to accept").then_some(()));
            if ready.is_ok() {
                self.port = port;
                self.program = Some(program);
                return;
            }
            why = program.to_string();
        }
        panic!("PostgreSQL did not start\n{why}");
    }

    /// Stops the cluster, and starts it again as a standby that follows nobody: it can be read from, and never written to.
    pub fn become_standby(&mut self) {
        self.stop();
        let signal = self.folder.path().join("data/standby.signal");
        std::fs::write(&signal, "").expect("it is our folder");
        own_by_postgres(&signal);
        self.resume();
    }

    /// The server's log.
    pub fn output(&self) -> String {
        self.program.as_ref().map_or_else(String::new, Program::output)
    }

    fn launch(&self, port: u16) -> Program {
        let mut command = as_postgres(&self.binaries.join("postgres"));
        command.arg("-D").arg(self.folder.path().join("data"));
        command.args(["-p", &port.to_string()]);
        let settings = [
            ("fsync", if self.fsync == Fsync::On { "on" } else { "off" }),
            ("listen_addresses", "127.0.0.1"),
            ("ssl", if self.encrypts { "on" } else { "off" }),
            // A path below a long TMPDIR would not fit into a socket's address.
            ("unix_socket_directories", ""),
            ("max_connections", "200"),
            ("shared_buffers", "16MB"),
            // Its workers come at moments that no test chose.
            ("autovacuum", "off"),
            ("log_min_messages", "log"),
        ];
        for (name, value) in settings {
            command.args(["-c", &format!("{name}={value}")]);
        }
        // SIGQUIT is an immediate shutdown: no checkpoint, but shared memory is given back, which SIGKILL would not do.
        Program::start("PostgreSQL", &command, Signal::QUIT)
    }

    fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }
}

impl Database {
    /// `postgres://claviger:…@127.0.0.1:…/…`, ready for `--database`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a statement as the database's owner, past every program under test.
    pub fn run(&self, sql: &str) {
        run_sql(&self.url, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Cuts every connection to this database, as a failover would.
    pub fn cut_connections(&self) {
        let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        run_sql(&self.administrator, &sql).expect("the cluster is up");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A cluster that a test stopped has no databases to drop.
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _stopped = run_sql(&self.administrator, &sql);
    }
}

/// The folder with `initdb` and `postgres`: the newest of Debian's, else that of the PATH.
fn binaries() -> PathBuf {
    let of_debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let folder = entry.ok()?;
            let version: u32 = folder.file_name().to_str()?.parse().ok()?;
            Some((version, folder.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").is_file() && bin.join("postgres").is_file())
        .max()
        .map(|(_, bin)| bin);
    let of_the_path = || std::env::split_paths(&std::env::var_os("PATH")?).find(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file());
    of_debian.or_else(of_the_path).expect(
        "PostgreSQL is not installed, and these tests need its server: `apt-get install postgresql` (any version from 13), \
         or put the folder with `initdb` and `postgres` into PATH",
    )
}

/// The folder with what `initdb` made, made now if this is the first time: `data/` and `password`.
fn template(binaries: &Path) -> PathBuf {
    let version = Command::new(binaries.join("postgres")).arg("--version").output().expect("`postgres --version` runs");
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
    let version = String::from_utf8_lossy(&version.stdout);
    let version = version.split_whitespace().nth(2).expect("the third word is the version");
    let kept = target().join("testkit");
    std::fs::create_dir_all(&kept).expect("the target folder can be written");
    let template = kept.join(format!("postgres-{version}-recipe-{RECIPE}-user-{}", geteuid().as_raw()));
    let lock = File::create(kept.join("lock")).expect("the target folder can be written");
    // Given back when the file is closed, also by a process that is killed.
    lock.lock().expect("the target folder's file system has locks");
    if !template.is_dir() {
        make_template(binaries, &template);
    }
    template
}

fn make_template(binaries: &Path, template: &Path) {
    // Not in place: the target folder may lie where PostgreSQL's own user cannot go.
    let folder = folder::temporary("initdb");
    let data = folder.path().join("data");
    let password_file = folder.path().join("password");
    let password = random_password();
    std::fs::write(&password_file, &password).expect("it is our folder");
    for path in [folder.path(), &password_file] {
        own_by_postgres(path);
    }
    let mut initdb = as_postgres(&binaries.join("initdb"));
    initdb
        .args(["--username=postgres", "--auth=scram-sha-256", "--no-sync"])
        .args(["--encoding=UTF8", "--no-locale", "--wal-segsize=1"])
        .arg(format!("--pwfile={}", password_file.display()))
        .arg(format!("--pgdata={}", data.display()));
    finish(initdb, "");
    let mut single_user = as_postgres(&binaries.join("postgres"));
    single_user.arg("--single").arg("-D").arg(&data).arg("postgres");
    finish(single_user, &format!("CREATE ROLE {OWNER} LOGIN PASSWORD '{password}'\n"));
    let unfinished = template.with_extension("unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).expect("it is in our target folder");
    }
    copy(folder.path(), &unfinished);
    std::fs::rename(&unfinished, template).expect("both lie in the target folder");
}

/// Runs a command to its end; its output is in the panic when it fails.
fn finish(mut command: Command, input: &str) {
    use std::io::Write;
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("it is a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("our own child");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `cp -a`, which keeps the owner.
fn copy(from: &Path, to: &Path) {
    let mut cp = Command::new("cp");
    cp.args(["-a", "--reflink=auto"]).arg(from).arg(to);
    finish(cp, "");
}

/// The program itself, or as PostgreSQL's user when this process is root's. `setpriv` becomes the program, so ids stay true.
pub(crate) fn as_postgres(program: &Path) -> Command {
    let mut command = if user_when_root().is_some() {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid", USER_WHEN_ROOT, "--regid", USER_WHEN_ROOT]).args(["--init-groups", "--"]).arg(program);
        setpriv
    } else {
        Command::new(program)
    };
    command.current_dir("/").env("LC_ALL", "C").env("TZ", "UTC");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("PG")) {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn own_by_postgres(path: &Path) {
    if let Some((user, group)) = user_when_root() {
        chown(path, Some(user), Some(group)).expect("root may change owners");
    }
}

/// The numbers of PostgreSQL's user and group when this process is root's.
fn user_when_root() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("there are users");
    let line = users.lines().find(|line| line.split(':').next() == Some(USER_WHEN_ROOT)).unwrap_or_else(|| {
        panic!(
            "PostgreSQL does not run as root and there is no user `{USER_WHEN_ROOT}`: `adduser --system --group \
                 {USER_WHEN_ROOT}`, or run the tests as an ordinary user"
        )
    });
    let mut fields = line.split(':').skip(2).map(str::parse);
    match (fields.next(), fields.next()) {
        (Some(Ok(user)), Some(Ok(group))) => Some((user, group)),
        _ => panic!("/etc/passwd: {line}"),
    }
}

fn random_password() -> String {
    use std::io::Read;
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom").and_then(|mut chance| chance.read_exact(&mut bytes)).expect("the kernel has random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A port that was free a moment ago, for programs that cannot be told "any".
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("there is a free port").port()
}

/// Runs statements. On a thread of its own, so that tests may call this with or without a runtime around them.
///
/// # Errors
/// What the server says, or that it is not there.
pub fn run_sql(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let run = async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        let connection = tokio::spawn(connection);
        let outcome = client.batch_execute(sql).await;
        drop(client);
        // Until the server knows that we are gone, for it counts connections.
        let _closed = connection.await;
        outcome
    };
    std::thread::scope(|scope| {
        scope
            .spawn(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts").block_on(run))
            .join()
            .expect("it does not panic")
    })
}
