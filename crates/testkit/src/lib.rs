//! What tests need from the world outside: databases, running servers, gateways, browsers. Not for use outside tests.
//!
//! Everything here panics when something is missing and says what to install: a test is never skipped in silence.
//! Nothing here outlives the test process, however that ends (see [`program`] and [`folder`]).

pub mod browser;
pub mod clocks;
pub mod folder;
pub mod gateway;
pub mod http;
pub mod http2;
pub mod namespace;
pub mod nginx;
pub mod pgbouncer;
pub mod postgres;
pub mod process;
pub mod program;
pub mod secrets;
pub mod soon;
pub mod stub;
pub mod traefik;
mod wire;

use std::path::{Path, PathBuf};

/// The root of the working tree that this crate was compiled in.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/testkit lies two folders deep")
}

/// The folder that cargo builds into: the one this test was built into, `CARGO_TARGET_DIR` or not.
pub fn target() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    program
        .ancestors()
        .skip(1)
        .find(|folder| folder.join(".rustc_info.json").is_file())
        .map_or_else(|| repository().join("target"), Path::to_path_buf)
}
