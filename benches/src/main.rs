//! What is fast, measured side by side. Run by `./bench`; not for finding regressions of a few per cent on a busy machine.
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

mod decision;
mod fixture;
mod grpc;
mod management;
mod numbers;
mod over_http;
mod paired;
mod peers;
mod report;
mod revoke;
mod scale;
mod served;
mod server;
mod timing;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of the management API.
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        // this program starts itself again, so that the servers and their clients are processes of their own
        ["serve", "verifying"] => server::verifying(),
        ["serve", "bare"] => server::bare(),
        ["serve", "unchanging-check"] => server::unchanging_check(),
        ["ask-by-grpc", address, check] => grpc::load(address, check),
        ["grpc", to] => grpc::measure().and_then(|numbers| report::write(to.as_ref(), &numbers)),
        ["decision", to] => decision::measure(40).and_then(|numbers| report::write(to.as_ref(), &numbers)),
        ["decisions", scheme, count] => count.parse().map_err(Into::into).and_then(|count| decision::only(scheme, count)),
        ["fill", folder, credentials] => credentials.parse().map_err(Into::into).and_then(|credentials| scale::fill(folder.as_ref(), credentials)),
        ["scale", credentials, to] => credentials.parse().map_err(Into::into).and_then(|credentials| scale(credentials, to.as_ref())),
        ["management", to] => management::measure(ROUNDS).and_then(|numbers| report::write(to.as_ref(), &numbers)),
        ["timing"] => timing::measure(),
        ["revoke"] => revoke::measure(),
        ["peers", to] => revoke::measure().and_then(|()| peers::measure()).and_then(|numbers| report::write(to.as_ref(), &numbers)),
        [to] => measure(PathBuf::from(to)),
        _ => Err(anyhow::anyhow!("give the file to write the numbers to")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(to: PathBuf) -> anyhow::Result<()> {
    let mut numbers = over_http::measure()?;
    numbers.extend(grpc::measure()?);
    numbers.extend(decision::measure(40)?);
    numbers.extend(management::measure(ROUNDS)?);
    report::write(&to, &numbers)
}

fn scale(credentials: u64, to: &Path) -> anyhow::Result<()> {
    let mut numbers = scale::memory(credentials.min(1_000_000))?;
    numbers.extend(scale::measure(credentials, 20)?);
    report::write(to, &numbers)
}
