//! The accept loops. Our own, because safety is here: deadlines, bounds, and a drain that lets answers finish.
use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{CONNECTION, HOST, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use prost::Message;
use tokio::{
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tower::ServiceExt;

use self::{
    bounded::{Bounded, Timely, Times},
    peers::Peers,
    streams::{Answer, Asked, Over, Patience, Streams, Watch},
};
use crate::{app::App, config::Networks, verify};

mod bounded;
mod listener;
mod peers;
mod streams;

pub use listener::Listener;

/// Longer than the proxies in front keep a connection idle; a client that sends half a request is cut off by it too.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const TIMES: Times = Times { begin: Duration::from_secs(10), take: Duration::from_secs(30) };
/// The same over HTTP/2, for each answer whole.
const PATIENCE: Patience = Patience { take: TIMES.take, idle: KEEP_ALIVE };
/// In which a request's body must have come.
const BODY: Duration = Duration::from_secs(20);
const CONNECTIONS: usize = 10_000;
/// Of these, what one client may hold of the public listener.
const CONNECTIONS_OF_ONE: usize = CONNECTIONS / 10;
/// Requests at a time on one HTTP/2 connection: of a browser; of a gateway, which sends everybody's on a few.
const STREAMS: u32 = 32;
const STREAMS_OF_GATEWAYS: u32 = 256;
const DRAIN: Duration = Duration::from_secs(10);
const HEADERS: usize = 100;
const HEADER_BYTES: usize = 32 * 1024;

/// Serves the public listener until `stop`, then lets what is being answered finish. `proxies` may hold as many connections as there are.
pub async fn public(listener: impl Into<Listener>, router: Router, proxies: Networks, stop: impl Future<Output = ()>) {
    let bounds = Bounds { streams: STREAMS, peers: Some(Peers::new(CONNECTIONS_OF_ONE, proxies)) };
    serve(listener.into(), bounds, stop, move |request, peer| {
        let router = router.clone();
        async move {
            let hosts = request.headers().get_all(HOST).iter().count();
            if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
                return bad_request();
            }
            through(router, timely(request), peer).await.map(Either::Right)
        }
    })
    .await;
}

/// Serves the gateway listener until `stop`: the hot path first, everything else by the router.
pub async fn gateway(listener: impl Into<Listener>, app: App, router: Router, stop: impl Future<Output = ()>) {
    let shared = Arc::new((app, router));
    serve(listener.into(), Bounds::OF_GATEWAYS, stop, move |request, peer| {
        let shared = shared.clone();
        async move {
            let (app, router) = &*shared;
            if request.uri().path() == "/verify/nginx" && request.method() == Method::GET {
                // the body is not read: nginx announces one and sends none
                return verify::answer_nginx(app, request.headers()).await.map(Either::Left);
            }
            // in a box: a future is as large as its largest branch, and the server moves one for each request
            Box::pin(otherwise(app, router, request, peer)).await
        }
    })
    .await;
}

async fn otherwise(app: &App, router: &Router, request: Request<Incoming>, peer: Option<SocketAddr>) -> Response<Either<Full<Bytes>, Body>> {
    let request = timely(request);
    match request.uri().path() {
        "/verify/forward" => verify::answer_forward(app, request).await.map(Either::Left),
        verify::CHECK => verify::answer_check(app, request).await.map(Either::Right),
        path if verify::is_envoy(path) => verify::answer_envoy(app, request).await.map(Either::Left),
        _ if request.headers().get_all(HOST).iter().count() > 1 => bad_request(),
        _ => through(router.clone(), request, peer).await.map(Either::Right),
    }
}

/// What hyper answers a request whose head is none: nothing more, and the connection ends. Of two hosts a proxy in front may have meant the other, and
/// HTTP/1.1 asks for one (RFC 9112, section 3.2).
fn bad_request() -> Response<Either<Full<Bytes>, Body>> {
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Serves one unchanging empty 200 with these headers, by the same accept loop: what a benchmark compares verification with.
pub async fn unchanging(listener: impl Into<Listener>, headers: HeaderMap, stop: impl Future<Output = ()>) {
    serve(listener.into(), Bounds::OF_GATEWAYS, stop, move |_, _| {
        let mut response = Response::new(Either::Left(Full::new(Bytes::new())));
        response.headers_mut().clone_from(&headers);
        async move { response }
    })
    .await;
}

/// The same over gRPC: every `Check` is read, and answered by this `CheckResponse`.
///
/// # Errors
/// When `answer` is no message of that type.
pub async fn unchanging_check(listener: impl Into<Listener>, answer: Bytes, stop: impl Future<Output = ()>) -> Result<(), prost::DecodeError> {
    let answer = verify::CheckResponse::decode(answer)?;
    serve(listener.into(), Bounds::OF_GATEWAYS, stop, move |request, _| {
        let answer = answer.clone();
        async move { verify::answer_the_same(answer, timely(request)).await.map(Either::Right) }
    })
    .await;
    Ok(())
}

fn timely(request: Request<Incoming>) -> Request<Timely<Incoming>> {
    request.map(|body| Timely::new(body, BODY))
}

async fn through(router: Router, request: Request<Timely<Incoming>>, peer: Option<SocketAddr>) -> Response<Body> {
    let mut request = request.map(Body::new);
    if let Some(peer) = peer {
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// What the listeners allow differently.
struct Bounds {
    streams: u32,
    peers: Option<Arc<Peers>>,
}

impl Bounds {
    const OF_GATEWAYS: Self = Self { streams: STREAMS_OF_GATEWAYS, peers: None };
}

async fn serve<H, F>(listener: Listener, bounds: Bounds, stop: impl Future<Output = ()>, handle: H)
where
    H: Fn(Request<Incoming>, Option<SocketAddr>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Either<Full<Bytes>, Body>>> + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(KEEP_ALIVE).max_headers(HEADERS).max_buf_size(HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams)
        .max_header_list_size(HEADER_BYTES as u32)
        .keep_alive_interval(Duration::from_secs(20));
    let (slots, (leave, _)) = (Arc::new(Semaphore::new(CONNECTIONS)), watch::channel(()));
    let mut stop = std::pin::pin!(stop);
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { break };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // out of file descriptors: wait for some, do not spin
                Err(_) => { sleep(Duration::from_millis(20)).await; continue }
            },
            () = &mut stop => break,
        };
        let guest = match &bounds.peers {
            Some(peers) => match peers.admit(peer) {
                Some(guest) => Some(guest),
                None => continue,
            },
            None => None,
        };
        let (builder, mut leaving, handle) = (builder.clone(), leave.subscribe(), handle.clone());
        tokio::spawn(async move {
            let _held = (slot, guest);
            let streams = Arc::<Streams>::default();
            let mut watch = Watch::new(streams.clone(), PATIENCE);
            let stream = TokioIo::new(Bounded::new(stream, TIMES, streams.clone()));
            let service = service_fn(move |request: Request<Incoming>| {
                let asked = (request.version() == Version::HTTP_2).then(|| Asked::new(&streams));
                let answer = handle(request, peer);
                async move { Ok::<_, Infallible>(answer.await.map(|body| Answer::new(body, asked))) }
            });
            let mut connection = pin!(builder.serve_connection(stream, service));
            let mut told = pin!(leaving.changed());
            let mut is_leaving = false;
            poll_fn(|cx| {
                if !is_leaving && told.as_mut().poll(cx).is_ready() {
                    is_leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                loop {
                    // an error here is the client's: it went away, or spoke no HTTP
                    if connection.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    match watch.poll(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Over::Leave) => connection.as_mut().graceful_shutdown(),
                        Poll::Ready(Over::End) => return Poll::Ready(()),
                    }
                }
            })
            .await;
        });
    }
    drop(listener);
    // those that are left hold a receiver each
    let _ = leave.send(());
    let _ = timeout(DRAIN, leave.closed()).await;
}
