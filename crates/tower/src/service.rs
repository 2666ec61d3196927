//! The layer, and the service that it makes.
use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

use crate::ask::{Hub, Question, strip};

/// The body of an answer: the service's own, or a refusal.
pub type Body<B> = Either<B, Full<Bytes>>;

type FindClient = Arc<dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync>;

/// Puts a [`VerifyService`] around a service. Clones share their connections.
#[derive(Clone)]
pub struct VerifyLayer {
    hub: Hub,
    find_client: FindClient,
    secure: bool,
}

impl std::fmt::Debug for VerifyLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyLayer").field("hub", &self.hub).finish_non_exhaustive()
    }
}

impl VerifyLayer {
    /// Asks the Claviger whose gateway listener is at `address`, such as `http://127.0.0.1:8081`.
    ///
    /// # Errors
    /// When that is no address.
    pub fn new(address: &str) -> Result<Self, http::uri::InvalidUri> {
        Ok(Self { hub: Hub::new(address)?, find_client: Arc::new(|_| None), secure: false })
    }

    /// How long a check may take until the answer is 503; two seconds when nothing is said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.hub.timeout = timeout;
        self
    }

    /// Whether clients send their requests over TLS, which ends before this service. Without it that is known only where the request says so
    /// itself, as over HTTP/2; signatures that cover `@scheme` or `@target-uri` (RFC 9421, section 2.2) depend on it.
    #[must_use]
    pub const fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// How to find the client's address among a request's extensions. Without it a credential that is bound to networks is refused.
    ///
    /// With axum: `|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())`.
    #[must_use]
    pub fn client_ip(mut self, find: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.find_client = Arc::new(find);
        self
    }
}

impl<S> Layer<S> for VerifyLayer {
    type Service = VerifyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        VerifyService { inner, layer: self.clone() }
    }
}

/// Asks, and passes on what is allowed.
#[derive(Clone, Debug)]
pub struct VerifyService<S> {
    inner: S,
    layer: VerifyLayer,
}

impl<S, B, R> Service<Request<B>> for VerifyService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Body<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // the one that was ready is the one to call
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let question = Question::about(&request, (self.layer.find_client)(request.extensions()), self.layer.secure);
        let hub = self.layer.hub.clone();
        Box::pin(async move {
            match hub.ask(question).await {
                Err(refusal) => Ok(refusal.map(Either::Right)),
                Ok(identity) => {
                    strip(request.headers_mut());
                    request.extensions_mut().insert(identity);
                    Ok(inner.call(request).await?.map(Either::Left))
                }
            }
        })
    }
}
