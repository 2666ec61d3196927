//! The only place that writes to the terminal: results on standard output, everything else on standard error.
use std::{io::Write, process::ExitCode};

/// One line of a command's result. A reader that went away is no failure of ours.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Why a command failed, with its causes.
pub(crate) fn failure(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "claviger: {error:#}");
    ExitCode::FAILURE
}

/// Logs on standard error: for people on a terminal, as JSON lines elsewhere. `CLAVIGER_LOG` sets the level.
pub(crate) fn start_log(default: &str) {
    use std::io::IsTerminal;

    let filter = tracing_subscriber::EnvFilter::try_from_env("CLAVIGER_LOG").unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        log.json().init();
    }
}
