//! The accept loops. Our own, because safety is here: deadlines, bounds, and a drain that lets answers finish.
use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{HeaderMap, Method, Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use prost::Message;
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tower::ServiceExt;

use self::bounded::{Bounded, Timely, Times};
use crate::{app::App, verify};

mod bounded;
mod listener;

pub use listener::Listener;

/// Longer than the proxies in front keep a connection idle; a client that sends half a request is cut off by it too.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const TIMES: Times = Times { begin: Duration::from_secs(10), take: Duration::from_secs(30) };
/// In which a request's body must have come.
const BODY: Duration = Duration::from_secs(20);
const CONNECTIONS: usize = 10_000;
const DRAIN: Duration = Duration::from_secs(10);
const HEADERS: usize = 100;
const HEADER_BYTES: usize = 32 * 1024;

/// Serves the public listener until `stop`, then lets what is being answered finish.
pub async fn public(listener: impl Into<Listener>, router: Router, stop: impl Future<Output = ()>) {
    serve(listener.into(), stop, move |request, peer| {
        let router = router.clone();
        async move { through(router, timely(request), peer).await.map(Either::Right) }
    })
    .await;
}

/// Serves the gateway listener until `stop`: the hot path first, everything else by the router.
pub async fn gateway(listener: impl Into<Listener>, app: App, router: Router, stop: impl Future<Output = ()>) {
    let shared = Arc::new((app, router));
    serve(listener.into(), stop, move |request, peer| {
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
        _ => through(router.clone(), request, peer).await.map(Either::Right),
    }
}

/// Serves one unchanging empty 200 with these headers, by the same accept loop: what a benchmark compares verification with.
pub async fn unchanging(listener: impl Into<Listener>, headers: HeaderMap, stop: impl Future<Output = ()>) {
    serve(listener.into(), stop, move |_, _| {
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
    serve(listener.into(), stop, move |request, _| {
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

async fn serve<H, F>(listener: Listener, stop: impl Future<Output = ()>, handle: H)
where
    H: Fn(Request<Incoming>, Option<SocketAddr>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Either<Full<Bytes>, Body>>> + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(KEEP_ALIVE).max_headers(HEADERS).max_buf_size(HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(HEADER_BYTES as u32)
        .keep_alive_interval(Duration::from_secs(20));
    let (slots, graceful) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
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
        let (builder, watcher, handle) = (builder.clone(), graceful.watcher(), handle.clone());
        tokio::spawn(async move {
            let _slot = slot;
            let service = service_fn(move |request| {
                let answer = handle(request, peer);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            // an error here is the client's: it went away, or spoke no HTTP
            let _ = watcher.watch(builder.serve_connection(TokioIo::new(Bounded::new(stream, TIMES)), service).into_owned()).await;
        });
    }
    drop(listener);
    let _ = timeout(DRAIN, graceful.shutdown()).await;
}
