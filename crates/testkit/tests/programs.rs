//! Nothing that a test started is there when the test is not: no process, no folder, however the test ended.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use claviger_testkit::folder;
use claviger_testkit::postgres::{Cluster, Fsync};
use claviger_testkit::program::{Program, Signal, Silence};
use claviger_testkit::soon::{DEADLINE, assert_soon};

fn shell(script: &str) -> Program {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Program::start("a script", &command, Signal::KILL)
}

fn lives(process: &str) -> bool {
    // A zombie has been killed; that nobody has reaped it yet is the machine's affair.
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn lines_of_both_outputs_are_kept_and_found() {
    let mut program = shell("echo one; echo two >&2; echo three; exit 7");
    let found = program.wait_for_line("a three", DEADLINE, |line| line.strip_prefix("thr").map(str::to_owned));
    assert_eq!(found, "ee");
    assert_eq!(program.wait(DEADLINE).code(), Some(7));
    assert!(program.output().contains("two\n"));
    assert_eq!(program.standard_output(), "one\nthree\n");
}

#[test]
fn a_program_that_ends_too_early_is_told_from_one_that_is_silent() {
    let nothing = |_: &str| None::<()>;
    assert_eq!(shell("exit 0").find_line(DEADLINE, nothing), Err(Silence::Ended));
    let silent = shell("exec sleep 600");
    let found = silent.find_line(Duration::from_millis(50), nothing);
    assert_eq!(found, Err(Silence::TookTooLong));
}

#[test]
fn a_program_is_the_process_itself_and_takes_its_children_along() {
    let mut program = shell("sleep 600 & echo $$ $!; wait");
    let line = program.wait_for_line("its numbers", DEADLINE, |line| Some(line.to_owned()));
    let (own, child) = line.split_once(' ').expect("two numbers");
    assert_eq!(own, program.id().to_string());
    program.kill();
    assert!(!lives(own));
    assert_soon("its child is dead", || !lives(child));
}

#[test]
fn a_program_may_end_as_it_likes_on_sigterm() {
    let mut program = shell("trap 'echo drained; exit 3' TERM; echo up; while :; do sleep 0.02; done");
    program.wait_for_line("up", DEADLINE, |line| (line == "up").then_some(()));
    assert_eq!(program.terminate().code(), Some(3));
    assert!(program.output().ends_with("drained\n"));
}

/// Not a test: what the next one runs, and kills.
#[test]
#[ignore = "started by the test below, to be killed"]
fn the_victim() {
    let held = folder::temporary("victim");
    let program = shell("trap '' TERM; echo up; while :; do sleep 0.02; done");
    program.wait_for_line("up", DEADLINE, |line| (line == "up").then_some(()));
    Cluster::shared();
    let _second = Cluster::start_with(Fsync::On);
    std::fs::write(std::env::var_os("VICTIM_SAYS").expect("the test below says where"), format!("{}\n{}", program.id(), held.path().display()))
        .expect("it can be written");
    match std::env::var("VICTIM_DIES").as_deref() {
        Ok("by panic") => panic!("as wished"),
        Ok("by return") => {}
        _ => std::thread::sleep(DEADLINE * 10),
    }
}

fn nothing_is_left_of_a_victim_that_dies(how: &str) {
    let ours = folder::temporary("reports");
    let report = ours.path().join("report");
    let mut command = Command::new(std::env::current_exe().expect("a test has a path"));
    command.args(["--exact", "the_victim", "--ignored"]).env("VICTIM_SAYS", &report).env("VICTIM_DIES", how);
    let mut victim = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("a test runs");
    assert_soon("the victim reports", || std::fs::read_to_string(&report).is_ok_and(|text| text.contains("/victim-")));
    let text = std::fs::read_to_string(&report).expect("it is there");
    let (script, held) = text.split_once('\n').expect("two lines");
    let held = PathBuf::from(held);
    let parent = held.parent().expect("all folders lie in one");
    if how == "by kill -9" {
        assert!(lives(script));
        // a process that PostgreSQL has just forked is called as its parent for a moment
        assert_soon("both databases run", || postmasters(parent) == 2);
        victim.kill().expect("it is ours");
    }
    victim.wait().expect("it is ours");
    assert_soon("the script is dead", || !lives(script));
    assert_soon("both databases are dead", || postmasters(parent) == 0);
    assert_soon("the folders are gone", || !parent.exists());
}

/// How many processes have this folder in their command line.
fn postmasters(folder: &Path) -> usize {
    let folder = folder.to_str().expect("temporary paths are text");
    std::fs::read_dir("/proc")
        .expect("there is /proc")
        .flatten()
        .filter(|process| {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command);
            command.contains("postgres\0-D") && command.contains(folder)
        })
        .count()
}

#[test]
fn nothing_is_left_of_a_test_process_that_returns() {
    nothing_is_left_of_a_victim_that_dies("by return");
}

#[test]
fn nothing_is_left_of_a_test_process_that_panics() {
    nothing_is_left_of_a_victim_that_dies("by panic");
}

#[test]
fn nothing_is_left_of_a_test_process_that_is_killed() {
    nothing_is_left_of_a_victim_that_dies("by kill -9");
}
