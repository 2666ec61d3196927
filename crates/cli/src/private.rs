//! What keeps this process to itself: its files, and its memory, which holds every key.
use std::{io::ErrorKind, os::unix::fs::PermissionsExt, path::Path};

use anyhow::Context;
use rustix::{
    fs::Mode,
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask},
};

/// To be called first of all. Files are made for their owner alone (whoever needs another mode sets it), and memory is shown to nobody: no core
/// dump, be it a file or handed to a program, and no debugger of the same user.
pub(crate) fn begin() -> anyhow::Result<()> {
    umask(Mode::RWXG | Mode::RWXO);
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("core dumps cannot be switched off")?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).context("core dumps cannot be switched off")
}

/// Refuses a file or folder that others than its owner may open; one that is not there will be made by this process.
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    let path_shown = path.display();
    let mode = match std::fs::metadata(path) {
        Ok(there) => there.permissions().mode() & 0o777,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot look at {path_shown}")),
    };
    anyhow::ensure!(mode & 0o077 == 0, "{path_shown} is open to others (mode {mode:04o}); make it private: chmod go= {path_shown}");
    Ok(())
}
