//! The two ends of a pipe to a server: what is read is bounded, what is written is counted.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::LONGEST;

/// What is known of a pipe.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauge {
    written: Arc<AtomicU64>,
    too_long: Arc<AtomicBool>,
}

impl Gauge {
    /// Bytes that have left.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// For a connection without a pipe: a request was handed over.
    pub(super) fn sent(&self) {
        self.written.fetch_add(1, Ordering::SeqCst);
    }

    /// A line was longer than is read.
    pub(super) fn too_long(&self) -> bool {
        self.too_long.load(Ordering::SeqCst)
    }

    pub(super) fn mark_too_long(&self) {
        self.too_long.store(true, Ordering::SeqCst);
    }
}

/// Ends with an error where a line does not.
pub(super) struct Bounded<R> {
    inner: R,
    line: usize,
    gauge: Gauge,
}

impl<R> Bounded<R> {
    pub(super) fn new(inner: R, gauge: Gauge) -> Bounded<R> {
        Bounded { inner, line: 0, gauge }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buf);
        let mut over = false;
        for (at, part) in buf.filled()[before..].split(|byte| *byte == b'\n').enumerate() {
            self.line = if at == 0 { self.line + part.len() } else { part.len() };
            over |= self.line > LONGEST;
        }
        if over {
            self.gauge.mark_too_long();
            return Poll::Ready(Err(io::Error::other("a line is longer than is read")));
        }
        polled
    }
}

/// Counts what has left.
pub(super) struct Counted<W> {
    inner: W,
    gauge: Gauge,
}

impl<W> Counted<W> {
    pub(super) fn new(inner: W, gauge: Gauge) -> Counted<W> {
        Counted { inner, gauge }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Counted<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, buf);
        if let Poll::Ready(Ok(bytes)) = &polled {
            self.gauge.written.fetch_add(*bytes as u64, Ordering::SeqCst);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
