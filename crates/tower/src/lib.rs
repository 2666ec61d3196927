//! A [tower](https://docs.rs/tower) layer that asks a Claviger about every request, and lets through only what it allows.
//!
//! The request goes on without its credential, with an [`Identity`] among its extensions. Whatever is not a clear yes ends here: a refusal with
//! Claviger's own status, challenge and problem body (RFC 9457), everything else (no answer, a late one, a strange one) with 503.
//!
//! ```no_run
//! use axum::{Extension, Router, routing::get};
//! use claviger_tower::{DigestLayer, Identity, VerifyLayer};
//!
//! let verify = VerifyLayer::new("http://127.0.0.1:8081").expect("an address");
//! let app: Router = Router::new()
//!     .route("/orders", get(|Extension(who): Extension<Identity>| async move { format!("hello {}", who.account) }))
//!     .layer(DigestLayer::new(1 << 20)) // bodies that were signed, up to 1 MiB
//!     .layer(verify);
//! ```
//!
//! Put it around the whole router: nested routers see a shortened path, and what is asked about must be what the client has sent.

mod ask;
mod digest;
mod identity;
mod service;

pub use digest::{DigestLayer, DigestService};
pub use identity::Identity;
pub use service::{Body, VerifyLayer, VerifyService};
