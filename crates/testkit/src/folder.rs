//! Temporary folders which are gone when the test process is, whether it returned, panicked or was killed.
//!
//! A destructor is not enough: statics are never dropped, and `kill -9` drops nothing. So all folders of a process lie in
//! one parent, and a small shell holds the reading end of a pipe to this process: when the pipe ends, it removes the parent.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// What the shell does. A killed database may still be writing for a moment, so it tries until nothing is left.
const REMOVE_AT_THE_END: &str = r#"
trap '' INT TERM HUP
while read -r _; do :; done
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    rm -rf -- "$1" 2>/dev/null && exit
    sleep 0.1
done
"#;

struct Parent {
    path: PathBuf,
    /// Never waited for: it ends after this process does.
    _remover: Child,
}

static PARENT: OnceLock<Parent> = OnceLock::new();

/// A new, empty folder, readable by its owner alone; removed when dropped, and in any case when the process ends.
pub fn temporary(name: &str) -> TempDir {
    let parent = PARENT.get_or_init(Parent::create);
    tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(&parent.path)
        .expect("a temporary folder can be made")
}

impl Parent {
    fn create() -> Self {
        // Others may pass through (PostgreSQL runs as its own user when the tests run as root), not look around.
        let path = tempfile::Builder::new()
            .prefix("claviger-test-")
            .permissions(std::fs::Permissions::from_mode(0o711))
            .disable_cleanup(true)
            .tempdir()
            .expect("a temporary folder can be made")
            .keep();
        // A session of its own, so that neither Ctrl-C nor a test runner that kills the process group takes it along.
        let remover = Command::new("setsid")
            .args(["sh", "-c", REMOVE_AT_THE_END, "claviger-test-remover"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`setsid` and `sh` are there (package util-linux)");
        Self { path, _remover: remover }
    }
}
