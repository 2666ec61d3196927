//! The one binary, `claviger`: one enum, one arm per command.
use clap::{Parser, Subcommand};

mod client;
mod demo;
mod doctor;
mod print;
mod sample_api;
mod sample_data;
mod serve;
mod settings;

/// The keeper of keys: a self-hosted hub for API credentials.
#[derive(Parser)]
#[command(version, propagate_version = true)]
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
    /// The catalogue of the API's operations
    #[command(subcommand)]
    Catalogue(Catalogue),
    /// What the operator does from the command line
    #[command(subcommand)]
    Operator(Operator),
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

fn main() -> std::process::ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return print::failure(&error.into()),
    };
    let done = runtime.block_on(async {
        match Cli::parse().command {
            Command::Serve(flags) => serve::run(&flags).await,
            Command::Demo(flags) => demo::run(&flags).await,
            Command::Config(flags) => settings::show(&flags),
            Command::Doctor(flags) => doctor::run(&flags).await,
            Command::Catalogue(Catalogue::Import { file, accept, settings }) => serve::import_catalogue(&settings, &file, accept).await,
            Command::Operator(Operator::Key(OperatorKey::Create { name, settings })) => serve::create_operator_key(&settings, &name).await,
            Command::Operator(Operator::SignIn(flags)) => serve::create_sign_in_link(&flags).await,
        }
    });
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => print::failure(&error),
    }
}
