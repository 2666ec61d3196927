//! The one binary, `claviger`: one enum, one arm per command.
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod body;
mod check;
mod client;
mod demo;
mod doctor;
mod headers;
mod listening;
mod print;
mod private;
mod sample_api;
mod sample_data;
mod serve;
mod settings;
mod verify;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The keeper of keys: a self-hosted hub for API credentials.
#[derive(Parser)]
#[command(name = "claviger", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve: the console, the management API and the token endpoint on one address, verification on another
    Serve(settings::Flags),
    /// Show it all: serve with sample accounts and a sample API, and print what to try
    Demo(demo::DemoFlags),
    /// Print the settings in force, secrets masked
    Config(settings::Flags),
    /// Look for what would weaken the promise that a revocation is true everywhere when it returns
    Doctor(settings::Flags),
    /// Ask a running hub about one request, written as for curl, and print its verdict and why
    ///
    /// The exit status is 0 when the request is allowed, 1 when it is refused, and 2 when the hub cannot say or could not be asked.
    Verify(verify::Question),
    /// Measure how many verifications a running hub answers in a second, and how fast
    ///
    /// Sends one check again and again on connections that stay open. The exit status is 1 when not every answer had the same status.
    Bench(bench::Load),
    /// What can be asked of running nodes together
    #[command(subcommand)]
    Cluster(Cluster),
    /// The catalogue of the API's operations
    #[command(subcommand)]
    Catalogue(Catalogue),
    /// What the operator does from the command line
    #[command(subcommand)]
    Operator(Operator),
}

#[derive(Subcommand)]
enum Cluster {
    /// Find out on the running nodes whether a deletion is true everywhere when it returns
    ///
    /// Makes credentials in an account of its own, asks every node for them all the time, deletes them through one node after the other,
    /// and looks for an acceptance of what was sent after the deletion's answer had been received.
    ///
    /// The operator's key comes from CLAVIGER_OPERATOR_KEY, or from --key-file. The exit status is 0 when the promise held, 1 when it was
    /// broken, and 2 when not everything asked for could be shown.
    Check(check::Check),
}

#[derive(Subcommand)]
enum Catalogue {
    /// Import an OpenAPI 3.0 or 3.1 document, and print what changes for whom; works beside a running server
    Import {
        /// The document, JSON or YAML
        file: std::path::PathBuf,
        /// Import even if a fine-grained credential could do more afterwards
        #[arg(long)]
        accept: bool,
        #[command(flatten)]
        settings: settings::Flags,
    },
}

#[derive(Subcommand)]
enum Operator {
    /// Operator API keys, for the management API
    #[command(subcommand)]
    Key(OperatorKey),
    /// Print a one-time sign-in link for the operator's console
    SignIn(settings::Flags),
    /// End every session of the operator's console, and every sign-in link to it that was not used; works beside a running server
    EndSessions(settings::Flags),
}

#[derive(Subcommand)]
enum OperatorKey {
    /// Create an operator API key and print it, alone and once; works beside a running server
    Create {
        /// What it is for; its name in the audit trail
        #[arg(long)]
        name: String,
        #[command(flatten)]
        settings: settings::Flags,
    },
}

fn main() -> ExitCode {
    if let Err(error) = private::begin() {
        return print::failure(&error);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return print::failure(&error.into()),
    };
    runtime.block_on(async {
        let done = match Cli::parse().command {
            Command::Verify(question) => return verify::run(&question).await,
            Command::Cluster(Cluster::Check(check)) => return check::run(&check).await,
            Command::Bench(load) => bench::run(&load).await,
            Command::Serve(flags) => serve::run(&flags).await,
            Command::Demo(flags) => demo::run(&flags).await,
            Command::Config(flags) => settings::show(&flags),
            Command::Doctor(flags) => doctor::run(&flags).await,
            Command::Catalogue(Catalogue::Import { file, accept, settings }) => serve::import_catalogue(&settings, &file, accept).await,
            Command::Operator(Operator::Key(OperatorKey::Create { name, settings })) => serve::create_operator_key(&settings, &name).await,
            Command::Operator(Operator::SignIn(flags)) => serve::create_sign_in_link(&flags).await,
            Command::Operator(Operator::EndSessions(flags)) => serve::end_operator_sessions(&flags).await,
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => print::failure(&error),
        }
    })
}
