//! The words and the rules of Claviger. No async, no I/O, no clock and no chance of its own: both are arguments.
#![warn(missing_docs)]

pub mod access;
pub mod account;
pub mod base62;
pub mod catalogue;
pub mod chance;
pub mod credential;
pub mod email;
pub mod event;
pub mod id;
pub mod invalid;
pub mod judge;
pub mod keyed;
pub mod kind;
pub mod network;
pub mod policy;
pub mod redaction;
pub mod schemes;
pub mod secret;
pub mod time;
pub mod token;
