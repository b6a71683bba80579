//! Connections that can be cut: before an answer's first byte, or in the middle of its body.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

const OPEN: u8 = 0;
const CUT: u8 = 1;
const HALVE: u8 = 2;

/// The connection that a request came by.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// From 1.
    pub(crate) id: u64,
    state: Arc<AtomicU8>,
}

impl Connection {
    /// Of a request that came by none.
    #[cfg(test)]
    pub(crate) fn none() -> Connection {
        Connection { id: 0, state: Arc::default() }
    }

    /// Not one more byte.
    pub(crate) fn cut(&self) {
        self.state.store(CUT, Ordering::SeqCst);
    }

    /// The next answer's head and the first half of its body, and not one more byte.
    pub(crate) fn halve(&self) {
        self.state.store(HALVE, Ordering::SeqCst);
    }
}

/// A listener whose connections have numbers and can be cut.
pub(crate) struct Wires {
    listener: TcpListener,
    next: AtomicU64,
}

impl Wires {
    pub(crate) fn new(listener: TcpListener) -> Wires {
        Wires { listener, next: AtomicU64::new(1) }
    }
}

impl Listener for Wires {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, from) = Listener::accept(&mut self.listener).await;
        let connection =
            Connection { id: self.next.fetch_add(1, Ordering::SeqCst), state: Arc::new(AtomicU8::new(OPEN)) };
        (Wire { stream, connection }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Wires>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Wires>) -> Connection {
        stream.io().connection.clone()
    }
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    connection: Connection,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.connection.state.load(Ordering::SeqCst) {
            CUT => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            HALVE => {
                let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").map_or(bytes.len(), |end| end + 4);
                let keep = head + (bytes.len() - head) / 2;
                let written = Pin::new(&mut self.stream).poll_write(cx, &bytes[..keep]);
                if matches!(written, Poll::Ready(Ok(_))) {
                    self.connection.cut();
                }
                written
            }
            _ => Pin::new(&mut self.stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
