//! An API that knows who calls. Beside `claviger demo`:
//!
//! ```sh
//! cargo run -p claviger-tower --example hello
//! curl -i http://127.0.0.1:8083/orders -H "X-API-Key: …"
//! ```
use std::net::SocketAddr;

use axum::{Extension, Router, extract::ConnectInfo, routing::get};
use claviger_tower::{Identity, VerifyLayer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let verify = VerifyLayer::new("http://127.0.0.1:8081")?
        .client_ip(|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip()));
    let app = Router::new().route("/orders", get(orders)).layer(verify);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8083").await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

async fn orders(Extension(who): Extension<Identity>) -> String {
    format!("hello {}, you may {}\n", who.account, who.scopes.join(" "))
}
