//! The binary as its users meet it: help, settings, and what it prints where.
use std::{
    io::{BufRead, BufReader, Lines},
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::Path,
    process::{ChildStdout, Command, Output, Stdio},
};

/// The binary without anything of this machine's own in its environment.
fn claviger(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command.env_clear().env("CLAVIGER_LOG", "warn").args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    claviger(arguments).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[track_caller]
fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
fn fail(output: &Output) -> String {
    assert!(!output.status.success(), "{}", text(&output.stdout));
    assert!(output.stdout.is_empty(), "results only on standard output: {}", text(&output.stdout));
    text(&output.stderr)
}

/// Every command, as clap lists them.
const COMMANDS: [&str; 15] = [
    "serve",
    "demo",
    "config",
    "doctor",
    "verify",
    "bench",
    "cluster",
    "cluster check",
    "catalogue",
    "catalogue import",
    "operator",
    "operator key",
    "operator key create",
    "operator sign-in",
    "operator end-sessions",
];

#[test]
fn the_help_of_every_command() {
    let mut all = String::new();
    for command in [""].into_iter().chain(COMMANDS) {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        all += &format!("$ claviger {}\n{}\n", arguments.join(" "), succeed(&run(&arguments)));
    }
    insta::assert_snapshot!("help", all);
}

#[test]
fn every_command_there_is_has_its_help_in_the_snapshot() {
    // what clap lists under Commands, at every level
    fn walk(path: &[String], found: &mut Vec<String>) {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = succeed(&run(&arguments));
        let Some((_, commands)) = help.split_once("Commands:\n") else { return };
        for line in commands.lines().take_while(|line| line.starts_with("  ")) {
            let name = line.split_whitespace().next().expect("a name");
            if name != "help" {
                let path: Vec<String> = path.iter().cloned().chain([name.to_owned()]).collect();
                found.push(path.join(" "));
                walk(&path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(&[], &mut found);
    assert_eq!(found, COMMANDS);
}

#[test]
fn the_settings_in_force_by_default() {
    insta::assert_snapshot!("config", succeed(&run(&["config"])));
}

#[test]
fn flags_count_over_environment_over_file_over_defaults_and_secrets_are_masked() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("claviger.toml");
    let settings =
        "prefix = \"file\"\npublic = \"127.0.0.1:1\"\ngateway = \"127.0.0.1:2\"\ndatabase = \"postgres://u:hunter2@db/x?password=hunter2\"\n";
    std::fs::write(&file, settings).expect("written");
    let mut command = claviger(&["config", "--prefix", "flag", "--config", file.to_str().expect("UTF-8")]);
    let shown = succeed(&command.env("CLAVIGER_PREFIX", "env").env("CLAVIGER_PUBLIC", "127.0.0.1:3").output().expect("it runs"));
    insta::assert_snapshot!("config_of_all_sources", shown);
    assert!(!shown.contains("hunter2"));
}

#[test]
fn what_config_prints_is_a_file_it_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("claviger.toml");
    let shown = succeed(&run(&[
        "config",
        "--prefix",
        "own",
        "--lease",
        "3",
        "--trusted-proxies",
        "10.0.0.0/8,2001:db8::7",
        "--public-url",
        "https://keys.example.com/",
    ]));
    std::fs::write(&file, &shown).expect("written");
    assert_eq!(succeed(&run(&["config", "--config", file.to_str().expect("UTF-8")])), shown);
}

#[test]
fn wrong_settings_are_refused_with_the_place_and_without_the_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("claviger.toml");
    let path = file.to_str().expect("UTF-8");
    for (settings, said) in
        [("databse = \"postgres://u:hunter2@db/x\"\n", "unknown field"), ("public = \"nowhere\"\n", "claviger.toml"), ("= hunter2", "claviger.toml")]
    {
        std::fs::write(&file, settings).expect("written");
        let error = fail(&run(&["config", "--config", path]));
        assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
    }
    for arguments in [
        &["config", "--public", "nowhere"][..],
        &["config", "--public-url", "keys.example.com"],
        &["config", "--advertise", "10.0.0.5"],
        &["config", "--advertise", ":8081"],
        &["config", "--advertise", "10.0.0.5:0"],
        &["config", "--advertise", "http://10.0.0.5:8081"],
        &["config", "--advertise", "u:hunter2@10.0.0.5:8081"],
        &["config", "--lease", "0"],
        &["config", "--lease", "61"],
        &["config", "--prefix", "A"],
        &["config", "--kinds", "/nowhere"],
        &["config", "--nonsense"],
        &["nonsense"],
        &["config", "--config", "/nowhere"],
    ] {
        fail(&run(arguments));
    }
    let data = folder.path().join("data");
    let error = fail(&run(&["config", "--trusted-proxies", "10.0.0.1/8"]));
    assert!(error.contains("addresses or networks"), "{error}");
    let error = fail(&run(&["operator", "key", "create", "--name", "x", "--data", data.to_str().expect("UTF-8"), "--prefix", "Too Long!"]));
    assert!(error.contains("prefix"), "{error}");
}

#[test]
fn an_operator_key_is_alone_on_standard_output_and_another_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    drop(Serving::start(data.to_str().expect("UTF-8")));
    let create = || succeed(&run(&["operator", "key", "create", "--name", "ci", "--data", data.to_str().expect("UTF-8")]));
    let (first, second) = (create(), create());
    for key in [&first, &second] {
        assert!(key.starts_with("clv_operator_") && key.ends_with('\n') && key.lines().count() == 1, "one line");
    }
    assert_ne!(first, second);
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join("keyring.json"))), (0o700, 0o400));
    fail(&run(&["operator", "key", "create", "--name", " ", "--data", data.to_str().expect("UTF-8")]));
    fail(&run(&["operator", "key", "create", "--data", data.to_str().expect("UTF-8")]));
}

#[test]
fn a_command_about_an_installation_makes_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let catalogue = folder.path().join("openapi.yaml");
    std::fs::write(&catalogue, "openapi: 3.1.0\npaths: {}\n").expect("written");
    let mistyped = folder.path().join("mistyped");
    let data = mistyped.to_str().expect("UTF-8");
    for command in
        [&["doctor"][..], &["operator", "sign-in"], &["operator", "end-sessions"], &["catalogue", "import", catalogue.to_str().expect("UTF-8")]]
    {
        let error = fail(&run(&[command, &["--data", data]].concat()));
        assert!(error.contains("there is no key ring in") && error.contains(data), "{command:?}: {error}");
        assert!(!mistyped.exists(), "{command:?}");
    }
    // a key ring without a database, as a node on PostgreSQL has it that is not told where that is
    let lone = folder.path().join("lone");
    let data_of_lone = lone.to_str().expect("UTF-8");
    succeed(&run(&["operator", "key", "create", "--name", "x", "--data", data_of_lone]));
    std::fs::remove_file(lone.join("claviger.db")).expect("removed");
    let error = fail(&run(&["doctor", "--data", data_of_lone]));
    assert!(error.contains("--database") && !lone.join("claviger.db").exists(), "{error}");
    // a folder in which anybody may put another key ring
    std::fs::set_permissions(&lone, std::fs::Permissions::from_mode(0o777)).expect("changed");
    let error = fail(&run(&["doctor", "--data", data_of_lone]));
    assert!(error.contains("mode 0777"), "{error}");
    // but one that prepares one does, and says so
    let made = run(&["operator", "key", "create", "--name", "x", "--data", data]);
    assert!(String::from_utf8_lossy(&made.stderr).contains("there was no installation") && made.status.success(), "{made:?}");
    let said = succeed(&run(&["doctor", "--data", data]));
    assert!(said.contains("database: ") && !said.contains("encrypted"), "there is no connection to a file: {said}");
}

#[test]
fn the_version_is_claviger_s() {
    assert_eq!(succeed(&run(&["--version"])), format!("claviger {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_is_made_is_for_its_owner_alone_and_what_was_open_to_others_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let set_mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("changed");
    // as a careless shell has it: the key ring alone sets its own mode
    let careless = || {
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 022; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_claviger")]).env_clear();
        shell.args(["serve", "--public", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "--data", data.to_str().expect("UTF-8")]);
        shell
    };
    std::fs::create_dir(&data).expect("a folder");
    set_mode(&data, 0o777);
    let error = fail(&careless().stdin(Stdio::null()).output().expect("it runs"));
    assert!(error.contains("mode 0777") && error.contains("chmod go="), "{error}");
    assert_eq!(std::fs::read_dir(&data).expect("a folder").count(), 0, "nothing was made there");
    set_mode(&data, 0o755);
    let assert_private = || {
        let serving = Serving::of(careless());
        for file in std::fs::read_dir(&data).expect("a folder") {
            let file = file.expect("a file");
            assert_eq!(file.metadata().expect("there").permissions().mode() & 0o077, 0, "{:?}", file.path());
        }
        drop(serving);
    };
    assert_private();
    set_mode(&data.join("claviger.db"), 0o644);
    assert_private();
}

#[test]
fn a_taken_port_is_named_with_the_flag_that_changes_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (command, flag, other) in
        [("serve", "--public", "--gateway"), ("serve", "--gateway", "--public"), ("demo", "--public", "--gateway"), ("demo", "--gateway", "--public")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let error = fail(&run(&[command, flag, &address, other, "127.0.0.1:0", "--data", data.to_str().expect("UTF-8")]));
        assert!(error.contains(&address) && error.contains(flag), "{command} {flag}: {error}");
    }
}

#[test]
fn a_crash_leaves_no_core() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    // as for a developer who wants cores
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -S -c \"$(ulimit -H -c)\"; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_claviger")]).current_dir(folder.path()).env_clear();
    shell.args(["serve", "--public", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "--data", data.to_str().expect("UTF-8")]);
    let (mut serving, _) = Serving::of(shell);
    let process = serving.0.id().to_string();
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).expect("it runs");
    let of_cores: Vec<_> = limits.lines().filter_map(|line| line.strip_prefix("Max core file size")).flat_map(str::split_whitespace).collect();
    assert_eq!(of_cores, ["0", "0", "bytes"], "{limits}");
    assert!(Command::new("kill").args(["-ABRT", &process]).status().expect("kill runs").success());
    let ended = serving.0.wait().expect("it ends");
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false));
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").map(|file| file.expect("a file").file_name()).collect();
    assert_eq!(left, ["data"]);
}

/// A running server, ended with this value; and what it prints.
struct Serving(std::process::Child, Lines<BufReader<ChildStdout>>);

impl Serving {
    /// Once it serves for the first time.
    fn start(data: &str) -> (Self, [String; 3]) {
        Self::of(claviger(&["serve", "--data", data, "--public", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]))
    }

    fn of(mut command: Command) -> (Self, [String; 3]) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut serving = Self(child, lines);
        let values = ["Public:", "Gateway:", "Sign in:"].map(|name| {
            let line = serving.1.next().expect("a line").expect("UTF-8");
            line.strip_prefix(name).unwrap_or_else(|| panic!("{name}: {line}")).trim().to_owned()
        });
        (serving, values)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn serve_prints_its_addresses_and_the_first_link_works_beside_commands_and_stops_when_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("UTF-8");
    let (mut serving, [public, gateway, link]) = Serving::start(data);
    assert!(public.starts_with("http://127.0.0.1:") && gateway.starts_with("http://127.0.0.1:") && public != gateway);
    assert!(link.starts_with(&format!("{public}/sign-in/")), "{link}");
    for file in std::fs::read_dir(data).expect("a folder") {
        let file = file.expect("a file");
        assert_eq!(file.metadata().expect("there").permissions().mode() & 0o077, 0, "{:?}", file.path());
    }
    let key = succeed(&run(&["operator", "key", "create", "--name", "beside", "--data", data]));
    assert!(key.starts_with("clv_operator_"));
    // a second server would miss what this one revokes
    let second = fail(&run(&["serve", "--data", data, "--public", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]));
    assert!(second.contains("another Claviger is serving"), "{second}");
    let stopped = Command::new("kill").args(["-TERM", &serving.0.id().to_string()]).status().expect("kill runs");
    assert!(stopped.success());
    assert!(serving.0.wait().expect("it ends").success(), "SIGTERM is no failure");
    assert!(serving.1.next().is_none(), "nothing else was printed");
}
