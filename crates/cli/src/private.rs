//! What keeps this process to itself: its files, and its memory, which holds every key.
use std::{fs::Permissions, io::ErrorKind, os::unix::fs::PermissionsExt, path::Path};

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

/// Refuses a folder in which anybody may put another file in the place of one of ours. Those who may only look find files that they cannot read.
pub(crate) fn check_folder(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let mode = mode(path)?.unwrap_or_default();
    anyhow::ensure!(mode & 0o002 == 0, "anybody may write in {shown} (mode {mode:04o}); make it private: chmod go= {shown}");
    Ok(())
}

/// Makes a file private that an older version, or whoever copied it, left open to others; one that is not there will be made by this process.
pub(crate) fn close(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let Some(mode) = mode(path)?.filter(|mode| mode & 0o077 != 0) else { return Ok(()) };
    tracing::warn!(file = %shown, mode = format!("{mode:04o}"), "it was open to others, and is private now");
    let private = Permissions::from_mode(mode & 0o700);
    std::fs::set_permissions(path, private).with_context(|| format!("{shown} is open to others and cannot be made private: chmod go= {shown}"))
}

fn mode(path: &Path) -> anyhow::Result<Option<u32>> {
    match std::fs::metadata(path) {
        Ok(there) => Ok(Some(there.permissions().mode() & 0o777)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot look at {}", path.display())),
    }
}
