//! HTTP: the console, the management API, the token endpoint, verification; and the app layer they share.

pub mod app;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod keyring;
pub mod problem;
pub mod requests;
pub mod serve;
pub mod traces;
pub mod verify;

mod api;
mod body;
mod console;
mod legacy;
mod metrics;
mod oauth;
mod openapi;
mod request;
mod router;
mod sharded;
mod tokens;

pub use openapi::openapi;
pub use router::{PUBLIC, gateway, public};
pub use tokens::Tokens;
