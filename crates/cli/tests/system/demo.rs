//! `claviger demo`, as the README's reader meets it.
use std::process::Command;

use claviger_testkit::{http::Request, process::Server};

#[test]
fn the_printed_journey_works_as_pasted() {
    let server = Server::demo(&[]);
    server.line("Ctrl-C stops");
    let output = server.output();
    let journey: String = output
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("OPERATOR_KEY="))
        .take_while(|line| !line.contains("Ctrl-C"))
        .map(|line| format!("{line}\n"))
        .collect();
    let pasted = Command::new("bash").arg("-c").arg(&journey).output().expect("bash runs");
    let said = String::from_utf8_lossy(&pasted.stdout);
    let statuses: Vec<&str> = said.lines().filter(|line| line.starts_with("HTTP/1.1 ")).map(|line| &line[9..12]).collect();
    assert_eq!(statuses, ["200", "204", "401"], "{said}\n{}", String::from_utf8_lossy(&pasted.stderr));
}

#[test]
fn every_sample_person_can_sign_in_once() {
    let server = Server::demo(&[]);
    server.line("Ctrl-C stops");
    let output = server.output();
    let links: Vec<&str> = output.lines().map(str::trim).filter(|line| line.contains("/sign-in/")).collect();
    assert_eq!(links.len(), 6, "{output}");
    for link in links {
        let first = Request::get(link).send().expect(303);
        assert!(first.header("set-cookie").is_some_and(|cookie| cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict")));
        Request::get(link).send().expect(410);
    }
}

#[test]
fn a_temporary_data_folder_goes_with_the_demonstration() {
    let mut command =
        claviger_testkit::process::Claviger::command(&["demo", "--public", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "--api", "127.0.0.1:0"]);
    let folder = claviger_testkit::folder::temporary("tmp");
    command.env("TMPDIR", folder.path());
    let mut program = claviger_testkit::program::Program::start("claviger", &command, claviger_testkit::program::Signal::KILL);
    program.wait_for_line("`Ctrl-C stops`", claviger_testkit::soon::DEADLINE, |line| line.starts_with("Ctrl-C stops").then_some(()));
    assert!(std::fs::read_dir(folder.path()).expect("a folder").next().is_some());
    assert!(program.terminate().success());
    assert!(std::fs::read_dir(folder.path()).expect("a folder").next().is_none());
}
