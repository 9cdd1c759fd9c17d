//! A connection to a client that can be broken from within.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How the connection is to end. Shared with who decides it.
#[derive(Debug, Default)]
pub(crate) struct Breaking {
    cut: AtomicBool,
    reset: AtomicBool,
}

impl Breaking {
    /// Ends the connection as soon as all that was written so far is on its way.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    /// Makes the end, when it comes, a reset: the client's next read fails.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Release);
    }
}

#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    breaking: Arc<Breaking>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, breaking: Arc<Breaking>) -> Wire {
        Wire { stream, breaking }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.breaking.reset.load(Ordering::Acquire) {
            // On a socket that the client has reset there is nothing left to do.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        match Pin::new(&mut wire.stream).poll_flush(context) {
            // Hyper asks for this after it has handed over all that it had.
            Poll::Ready(Ok(())) if wire.breaking.cut.load(Ordering::Acquire) => {
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
            flushed => flushed,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.breaking.reset.load(Ordering::Acquire) {
            // A reset is no orderly end, and one that comes after it would be seen first.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut wire.stream).poll_shutdown(context)
    }
}
