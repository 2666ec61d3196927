//! A client's time: to begin, to send a body, to take its answer. Whoever lets one pass would else hold a connection for ever.
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::BoxError;
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::streams::Streams;

/// How HTTP/2 begins (RFC 9113, 3.4); what begins otherwise is HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long each may take.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// Until it is known which HTTP the client speaks.
    pub(super) begin: Duration,
    /// In which none of an answer is taken.
    pub(super) take: Duration,
}

/// A connection that fails when its client does not begin in time, or takes nothing of what it is sent.
pub(super) struct Bounded<S> {
    stream: S,
    /// Told when it is HTTP/2.
    streams: Arc<Streams>,
    /// What is still missing of the preface, and until when; None as soon as it is all there, or something else is.
    begins: Option<(&'static [u8], Pin<Box<Sleep>>)>,
    /// Until when it must take something; None while nothing waits.
    takes: Option<Pin<Box<Sleep>>>,
    patience: Duration,
}

impl<S> Bounded<S> {
    pub(super) fn new(stream: S, times: Times, streams: Arc<Streams>) -> Self {
        Self { stream, streams, begins: Some((PREFACE, Box::pin(sleep(times.begin)))), takes: None, patience: times.take }
    }

    fn hear(&mut self, said: &[u8]) {
        if let Some((missing, _)) = &mut self.begins {
            match missing.strip_prefix(said) {
                Some(rest) if !rest.is_empty() => *missing = rest,
                // more than is missing may have come at once
                _ => {
                    if said.starts_with(missing) {
                        self.streams.note_http2();
                    }
                    self.begins = None;
                }
            }
        }
    }

    fn sent(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if sent.is_ready() {
            self.takes = None;
            return sent;
        }
        let patience = self.patience;
        ready!(self.takes.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.sent(cx, sent)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.sent(cx, sent)
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

/// A request's body that fails when it has not come in time.
pub(super) struct Timely<B> {
    body: B,
    within: Duration,
    /// Since it was first waited for.
    ends: Option<Pin<Box<Sleep>>>,
}

impl<B> Timely<B> {
    pub(super) const fn new(body: B, within: Duration) -> Self {
        Self { body, within, ends: None }
    }
}

impl<B: Body<Error: Into<BoxError>> + Unpin> Body for Timely<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let within = self.within;
        ready!(self.ends.get_or_insert_with(|| Box::pin(sleep(within))).as_mut().poll(cx));
        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const AT_ONCE: Times = Times { begin: Duration::ZERO, take: Duration::ZERO };

    /// A client that has said these pieces, and the server that has heard them.
    async fn after(pieces: &str) -> (DuplexStream, Bounded<DuplexStream>) {
        let (mut client, server) = duplex(64);
        let mut server = Bounded::new(server, AT_ONCE, Arc::default());
        for piece in pieces.split('|') {
            client.write_all(piece.as_bytes()).await.expect("there is room");
            let mut heard = vec![0; piece.len()];
            server.read_exact(&mut heard).await.expect("it is there");
            assert_eq!(heard, piece.as_bytes());
        }
        (client, server)
    }

    /// A body of which nothing comes.
    struct Never;

    impl Body for Never {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Pending
        }
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
        for (pieces, is_http2) in [
            ("G", false),
            ("P|O", false),
            ("PP", false),
            ("PRI * HTTP/1", false),
            ("PRI * HTTP/2.0\r\n|\r\nSM\r\n\r\n", true),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n|more", true),
            ("PRI * HTTP/2.0\r\n|\r\nSM\r\n\r\nmore", true),
        ] {
            let (_client, server) = after(pieces).await;
            assert!(server.begins.is_none(), "{pieces:?}");
            assert_eq!(server.streams.is_http2(), is_http2, "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn who_takes_nothing_is_cut_off_and_who_takes_it_in_pieces_is_not() {
        let (mut client, server) = duplex(4);
        let mut server = Bounded::new(server, AT_ONCE, Arc::default());
        for piece in [&b"take"[..], b"this"] {
            server.write_all(piece).await.expect("there is room");
            let mut taken = [0; 4];
            client.read_exact(&mut taken).await.expect("it is there");
            assert_eq!((&taken[..], server.takes.is_none()), (piece, true));
        }
        let error = server.write_all(b"and this").await.expect_err("half of it is not taken");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_in_time_fails_and_one_that_is_there_does_not() {
        let error = Timely::new(Never, Duration::ZERO).collect().await.map(|_| ()).expect_err("it never comes");
        assert_eq!(error.downcast_ref::<io::Error>().map(io::Error::kind), Some(io::ErrorKind::TimedOut));
        let whole = Timely::new(Full::new(Bytes::from_static(b"whole")), Duration::ZERO).collect().await.expect("it is there");
        assert_eq!(whole.to_bytes(), "whole");
    }
}
