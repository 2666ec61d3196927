//! The body that a gateway hands over with a check: bounded, because it is held until the signature over its digest has been verified.
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;

use crate::problem::{Code, Problem};

/// The largest body that is read for a check, in bytes.
pub(super) const LIMIT: usize = 1024 * 1024;

/// A body of whatever server.
pub(crate) trait HandedBody: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send> + Send + Unpin {}

impl<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send> + Send + Unpin> HandedBody for B {}

/// All of it.
///
/// # Errors
/// When it is longer than a mebibyte, or breaks off.
pub(crate) async fn read<B: HandedBody>(body: B) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match Limited::new(body, LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::new(Code::BodyTooLarge, "A body of at most 1 MiB can be checked.")),
        Err(_) => Err(Problem::new(Code::HeaderInvalid, "The body ended early.")),
    }
}
