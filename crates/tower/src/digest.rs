//! Compares the body with the digest that was signed: the check has seen the head only.
use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use data_encoding::BASE64;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use md5::Md5;
use sha2::{Digest, Sha256, Sha512};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Body, Identity,
    ask::{cannot_say, problem},
};

/// Goes between a [`VerifyLayer`](crate::VerifyLayer) and the service: a signed request whose body is not the one that was signed ends here,
/// with 400.
///
/// The body of a signed request is held in memory until it is whole. Others stream through: a request that signs nothing has no digest. A
/// service that takes signed bodies only refuses what has no [`Identity::content_digest`].
#[derive(Clone, Copy, Debug)]
pub struct DigestLayer {
    longest: usize,
}

impl DigestLayer {
    /// Takes signed bodies of up to so many bytes; longer ones are refused with 413.
    #[must_use]
    pub const fn new(longest: usize) -> Self {
        Self { longest }
    }
}

impl<S> Layer<S> for DigestLayer {
    type Service = DigestService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DigestService { inner, longest: self.longest }
    }
}

/// Compares, and passes on what is as it was signed.
#[derive(Clone, Debug)]
pub struct DigestService<S> {
    inner: S,
    longest: usize,
}

impl<S, B, R> Service<Request<B>> for DigestService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: BodyExt + From<Bytes> + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // the one that was ready is the one to call
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let longest = self.longest;
        Box::pin(async move {
            match compared(request, longest).await {
                Err(refusal) => Ok(refusal.map(Either::Right)),
                Ok(request) => Ok(inner.call(request).await?.map(Either::Left)),
            }
        })
    }
}

/// The same request, if its body is the one that was signed or none had to be.
async fn compared<B>(request: Request<B>, longest: usize) -> Result<Request<B>, Response<Full<Bytes>>>
where
    B: BodyExt + From<Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // nobody has checked it, or a check that does not name its digest
    let identity = request.extensions().get::<Identity>().ok_or_else(cannot_say)?;
    let Some(signed) = identity.content_digest.clone() else { return Ok(request) };
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, longest).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                r#"{"type":"about:blank","title":"Content Too Large","status":413,"code":"body_too_large","detail":"A signed body may not be as long as this."}"#,
            ));
        }
        Err(_) => {
            return Err(problem(
                StatusCode::BAD_REQUEST,
                r#"{"type":"about:blank","title":"Bad Request","status":400,"code":"body_unreadable","detail":"The body ended before it was whole."}"#,
            ));
        }
    };
    match is_digest_of(&signed, &body) {
        Some(true) => Ok(Request::from_parts(parts, B::from(body))),
        Some(false) => Err(problem(
            StatusCode::BAD_REQUEST,
            r#"{"type":"about:blank","title":"Bad Request","status":400,"code":"content_digest_mismatch","detail":"The body is not the one that was signed."}"#,
        )),
        None => Err(cannot_say()),
    }
}

/// Whether a digest, as Claviger writes it (RFC 9530, section 2: one, in base64 between colons), is that of this body. None if it cannot be read.
fn is_digest_of(digest: &str, body: &[u8]) -> Option<bool> {
    let (hash, value) = digest.split_once("=:")?;
    let value = BASE64.decode(value.strip_suffix(':')?.as_bytes()).ok()?;
    Some(match hash {
        "sha-256" => value == Sha256::digest(body).as_slice(),
        "sha-512" => value == Sha512::digest(body).as_slice(),
        "md5" => value == Md5::digest(body).as_slice(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_compared_by_its_own_hash_and_an_unknown_one_says_nothing() {
        for (digest, is) in [
            ("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", Some(true)),
            ("md5=:Sd/dVLAcvNLSq16eXua5uQ==:", Some(true)),
            ("sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:", Some(true)),
            ("sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJweg==:", Some(false)),
            ("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", Some(false)),
            ("crc32=:AAAA:", None),
            ("sha-256=:X48E", None),
            ("-", None),
        ] {
            assert_eq!(is_digest_of(digest, br#"{"hello": "world"}"#), is, "{digest}");
        }
    }
}
