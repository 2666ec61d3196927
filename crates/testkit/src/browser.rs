//! Console journeys: scripts in `tests/console/` which drive Debian's Chromium, run from here with their output kept.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::program::{Program, Signal};
use crate::{folder, repository, target};

/// A whole journey with screenshots, on a machine that is busy with other tests.
const DEADLINE: Duration = Duration::from_secs(240);

/// Runs `node script` with these variables and fails with its output. Returns the output.
///
/// Screenshots go to `$CLAVIGER_ARTIFACTS`, else to `screenshots` in the target folder. The browser is `$CHROMIUM`, else
/// Debian's.
///
/// # Panics
/// When the journey fails, or something that it needs is not installed; the message says what.
pub fn run_journey(script: &Path, environment: &[(&str, &str)]) -> String {
    let console = repository().join("tests/console");
    assert!(
        console.join("node_modules/playwright-core").is_dir(),
        "the console's tests need their packages: `npm ci` in tests/console, or `./test`, which does it"
    );
    let mut command = Command::new("node");
    // The browser's profile lies there, and goes with it even if Node.js is killed.
    let temporary = folder::temporary("browser");
    command.arg(script).current_dir(&console).env("TMPDIR", temporary.path());
    if std::env::var_os("CLAVIGER_ARTIFACTS").is_none() {
        command.env("CLAVIGER_ARTIFACTS", target().join("screenshots"));
    }
    command.envs(environment.iter().copied());
    let mut node = Program::start("node", &command, Signal::TERM);
    let status = node.wait(DEADLINE);
    assert_ne!(status.code(), Some(127), "the console's tests need Node.js 20 or newer: `apt-get install nodejs npm`");
    assert!(status.success(), "{}: {status}\n{node}", script.display());
    node.output()
}
