//! One HTTP/2 request without TLS, by prior knowledge (RFC 9113, section 3.3): what a gateway makes of it must be what it makes of HTTP/1.1.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// Status and header fields, in lower case, of the answer to a GET of `path` with these fields.
///
/// # Panics
/// When there is no answer.
pub fn get(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> (u16, Vec<(String, String)>) {
    let mut request = hyper::Request::get(format!("http://{address}{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    send(address, request.body(Empty::<Bytes>::new()).expect("a request")).expect("an answer")
}

/// The status of the answer to an extended CONNECT for a WebSocket at `path` (RFC 8441); `None` when the peer takes none.
pub fn websocket(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Option<u16> {
    let mut request = hyper::Request::connect(format!("http://{address}{path}")).extension(Protocol::from_static("websocket"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    Some(send(address, request.body(Empty::new()).expect("a request")).ok()?.0)
}

fn send(address: SocketAddr, request: hyper::Request<Empty<Bytes>>) -> hyper::Result<(u16, Vec<(String, String)>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.expect("it listens");
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        // what the peer can do is known from its first frame on
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let found = answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let status = answer.status().as_u16();
        answer.into_body().collect().await?;
        Ok((status, found))
    })
}
