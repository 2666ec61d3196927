//! The time a client has to begin: until it is known which HTTP it speaks, nothing else would end a connection that stays silent.
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How HTTP/2 begins (RFC 9113, 3.4); what begins otherwise is HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose reads fail when it has not begun in time.
pub(super) struct Opening<S> {
    stream: S,
    /// What is still missing of the preface, and until when; None as soon as it is all there, or something else is.
    begins: Option<(&'static [u8], Pin<Box<Sleep>>)>,
}

impl<S> Opening<S> {
    /// One that must begin `within` this time.
    pub(super) fn new(stream: S, within: Duration) -> Self {
        Self { stream, begins: Some((PREFACE, Box::pin(sleep(within)))) }
    }

    fn hear(&mut self, said: &[u8]) {
        if let Some((missing, _)) = &mut self.begins {
            match missing.strip_prefix(said) {
                Some(rest) if !rest.is_empty() => *missing = rest,
                _ => self.begins = None,
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                self.hear(buf.filled().get(before..).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
            Poll::Pending if self.begins.is_some() => {
                if let Some((_, until)) = &mut self.begins {
                    ready!(until.as_mut().poll(cx));
                }
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            other => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opening<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// A client that has said these pieces, and the server that has heard them.
    async fn after(pieces: &str) -> (DuplexStream, Opening<DuplexStream>) {
        let (mut client, server) = duplex(64);
        let mut server = Opening::new(server, Duration::ZERO);
        for piece in pieces.split('|') {
            client.write_all(piece.as_bytes()).await.expect("there is room");
            let mut heard = vec![0; piece.len()];
            server.read_exact(&mut heard).await.expect("it is there");
            assert_eq!(heard, piece.as_bytes());
        }
        (client, server)
    }

    #[tokio::test]
    async fn who_does_not_begin_in_time_is_cut_off() {
        for pieces in ["", "P", "PRI * |HTTP|/2.0\r\n", "P|R|I| "] {
            let (_client, mut server) = after(pieces).await;
            let error = server.read(&mut [0]).await.expect_err("its time is over");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }

    #[tokio::test]
    async fn who_has_begun_may_take_its_time() {
        for pieces in ["G", "P|O", "PP", "PRI * HTTP/1", "PRI * HTTP/2.0\r\n|\r\nSM\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n|more"] {
            let (_client, server) = after(pieces).await;
            assert!(server.begins.is_none(), "{pieces:?}");
        }
    }
}
