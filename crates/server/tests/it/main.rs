//! The server's tests: the real routers on a real database of each test's own, at a time that stands still.

mod accounts;
mod bad_input;
mod batch;
mod common;
mod console;
mod contract;
mod credentials;
mod csrf;
mod events;
mod gateways;
mod headers;
mod idempotency;
mod indistinguishable;
mod journey;
mod junk;
mod kinds;
mod members;
mod oauth;
mod one_token;
mod permissions;
mod requests;
mod routes;
mod sessions;
mod tokens;
mod verify;
