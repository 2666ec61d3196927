//! What an HTTP/2 client owes: to take the answers it asked for, and to ask at all. A full TCP connection shows neither: a client that grants no
//! window, or answers nothing but pings, reads all that it is sent.
//!
//! An answer counts as taken when its last byte was handed to the connection (what then waits there is `Bounded`'s). Counted in atomics, without a
//! timer or an allocation for each request; HTTP/1 has none of it.
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// Laps of the watch for which an answer may wait to be taken, and one more.
const LAPS: usize = 4;

/// What is under way on one connection.
#[derive(Default)]
pub(super) struct Streams {
    is_http2: AtomicBool,
    asked: AtomicU32,
    done: AtomicU32,
    /// Which of `untaken` is counted in now.
    lap: AtomicUsize,
    /// Answers that are not yet taken, by the lap in which they were given.
    untaken: [AtomicU32; LAPS],
}

impl Streams {
    pub(super) fn note_http2(&self) {
        self.is_http2.store(true, Relaxed);
    }

    pub(super) fn is_http2(&self) -> bool {
        self.is_http2.load(Relaxed)
    }
}

/// One request, until its answer is taken.
pub(super) struct Asked {
    streams: Arc<Streams>,
    answered: Option<usize>,
}

impl Asked {
    pub(super) fn new(streams: &Arc<Streams>) -> Self {
        streams.asked.fetch_add(1, Relaxed);
        Self { streams: streams.clone(), answered: None }
    }

    fn answered(mut self) -> Self {
        let lap = self.streams.lap.load(Relaxed);
        self.streams.untaken[lap].fetch_add(1, Relaxed);
        self.answered = Some(lap);
        self
    }

    /// A piece of the same answer, as old as it.
    fn piece(&self) -> Self {
        self.streams.asked.fetch_add(1, Relaxed);
        if let Some(lap) = self.answered {
            self.streams.untaken[lap].fetch_add(1, Relaxed);
        }
        Self { streams: self.streams.clone(), answered: self.answered }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.streams.done.fetch_add(1, Relaxed);
        if let Some(lap) = self.answered {
            self.streams.untaken[lap].fetch_sub(1, Relaxed);
        }
    }
}

/// An answer's body; over HTTP/2 it is known whether it was taken.
pub(super) struct Answer<B> {
    body: B,
    asked: Option<Asked>,
}

impl<B> Answer<B> {
    /// `asked`: None over HTTP/1.
    pub(super) fn new(body: B, asked: Option<Asked>) -> Self {
        Self { body, asked: asked.map(Asked::answered) }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Piece;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, B::Error>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else { return Poll::Ready(None) };
        let is_last = self.body.is_end_stream();
        let asked = &mut self.asked;
        let piece = |bytes| Piece { bytes, _asked: if is_last { asked.take() } else { asked.as_ref().map(Asked::piece) } };
        Poll::Ready(Some(frame.map(|frame| frame.map_data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A part of an answer; whoever sends it drops it when all of it was sent.
pub(super) struct Piece {
    bytes: Bytes,
    _asked: Option<Asked>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        self.bytes.copy_to_bytes(length)
    }
}

/// How long a client may leave both undone.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Until an answer is taken to its end; up to a third more.
    pub(super) take: Duration,
    /// Without a request; up to a third of `take` more.
    pub(super) idle: Duration,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The client is told to go, and ends what it may have begun.
    Leave,
    /// At once.
    End,
}

/// Looks at the streams of a connection again and again, if it speaks HTTP/2.
pub(super) struct Watch {
    streams: Arc<Streams>,
    lap: Duration,
    /// How many laps without a request are too many.
    idle_laps: u32,
    next: Option<Pin<Box<Sleep>>>,
    asked: u32,
    idle: u32,
}

impl Watch {
    pub(super) fn new(streams: Arc<Streams>, patience: Patience) -> Self {
        let lap = patience.take / (LAPS as u32 - 1);
        let idle_laps = patience.idle.as_millis().div_ceil(lap.as_millis().max(1)) as u32;
        Self { streams, lap, idle_laps, next: None, asked: 0, idle: 0 }
    }

    /// Ready when the client has let its time pass. To be polled again then: it goes on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        if !self.streams.is_http2() {
            return Poll::Pending;
        }
        loop {
            let lap = self.lap;
            let next = self.next.get_or_insert_with(|| Box::pin(sleep(lap)));
            ready!(next.as_mut().poll(cx));
            next.as_mut().reset(Instant::now() + lap);
            if let Some(over) = self.look() {
                return Poll::Ready(over);
            }
        }
    }

    /// At the end of a lap.
    fn look(&mut self) -> Option<Over> {
        // the next lap counts where answers were counted that are three laps old by now
        let lap = (self.streams.lap.load(Relaxed) + 1) % LAPS;
        if self.streams.untaken[lap].load(Relaxed) > 0 {
            return Some(Over::End);
        }
        self.streams.lap.store(lap, Relaxed);
        let (done, asked) = (self.streams.done.load(Relaxed), self.streams.asked.load(Relaxed));
        self.idle = if done == asked && asked == self.asked { self.idle + 1 } else { 0 };
        self.asked = asked;
        match self.idle {
            laps if laps < self.idle_laps => None,
            laps if laps == self.idle_laps => Some(Over::Leave),
            _ => Some(Over::End),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    const PATIENCE: Patience = Patience { take: Duration::from_secs(30), idle: Duration::from_secs(75) };

    fn watched() -> (Arc<Streams>, Watch) {
        let streams = Arc::<Streams>::default();
        (streams.clone(), Watch::new(streams, PATIENCE))
    }

    fn answer(streams: &Arc<Streams>) -> Answer<Full<Bytes>> {
        Answer::new(Full::new(Bytes::from_static(b"answer")), Some(Asked::new(streams)))
    }

    #[test]
    fn an_answer_that_is_not_taken_ends_its_connection_between_thirty_and_forty_seconds_after_it_was_given() {
        for laps_before in 0..6 {
            let (streams, mut watch) = watched();
            for _ in 0..laps_before {
                assert_eq!(watch.look(), None);
            }
            let _untaken = answer(&streams);
            for _ in 0..10 {
                // others are taken, and change nothing
                drop(answer(&streams));
            }
            assert_eq!([watch.look(), watch.look(), watch.look(), watch.look()], [None, None, None, Some(Over::End)]);
        }
    }

    #[tokio::test]
    async fn an_answer_is_taken_when_its_last_piece_was_sent_and_not_when_that_was_read() {
        let (streams, mut watch) = watched();
        let mut body = answer(&streams);
        let piece = body.frame().await.expect("a frame").expect("no error").into_data().ok().expect("data");
        drop(body);
        assert_eq!([watch.look(), watch.look(), watch.look(), watch.look()], [None, None, None, Some(Over::End)]);
        drop(piece);
        assert_eq!(watch.look(), None);
    }

    #[test]
    fn who_takes_what_it_asks_for_may_stay_for_ever_and_so_may_who_waits_for_an_answer() {
        let (streams, mut watch) = watched();
        for _ in 0..100 {
            drop(answer(&streams));
            assert_eq!(watch.look(), None);
        }
        let _waiting = Asked::new(&streams);
        for _ in 0..100 {
            assert_eq!(watch.look(), None);
        }
    }

    #[test]
    fn who_asks_nothing_is_told_to_go_and_then_cut_off() {
        let (streams, mut watch) = watched();
        drop(answer(&streams));
        assert_eq!(watch.look(), None);
        let looks: Vec<_> = (0..9).map(|_| watch.look()).collect();
        assert_eq!(looks, [None, None, None, None, None, None, None, Some(Over::Leave), Some(Over::End)]);
    }
}
