//! The connection under an SMTP conversation, with one thing watched: what comes with the answer to
//! STARTTLS.
//!
//! Whatever a server (or somebody between) sends in the clear after that answer would be read as
//! answers under TLS: an old trick ("NO STARTTLS", Poddebniak et al., USENIX Security 2021) by which a
//! mail seems accepted that was not. A server has nothing to say there before our side has begun TLS, so
//! such bytes end the connection.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection, plain or of TLS.
pub(super) struct Watched<S> {
    stream: S,
    peer: SocketAddr,
    /// The answer to STARTTLS as far as it was read; `None`: it was not asked for, or is over.
    answer: Option<Vec<u8>>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, peer: SocketAddr) -> Watched<S> {
        Watched {
            stream,
            peer,
            answer: None,
        }
    }
}

impl<S> fmt::Debug for Watched<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.peer).finish()
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Watched<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let (Poll::Ready(Ok(())), Some(answer)) = (&polled, &mut self.answer) {
            answer.extend_from_slice(buffer.filled().get(before..).unwrap_or_default());
            match after_reply(answer) {
                None => {}
                Some(0) => self.answer = None,
                Some(_) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "something was sent in the clear after the answer to STARTTLS",
                    )));
                }
            }
        }
        polled
    }
}

/// How many bytes follow the first whole reply; `None`: it is not whole yet. A reply's last line has a
/// space after its code (RFC 5321, section 4.2.1).
fn after_reply(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(end) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let line = &bytes[at..at + end];
        at += end + 1;
        if line.get(3) != Some(&b'-') {
            return Some(bytes.len() - at);
        }
    }
    None
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.eq_ignore_ascii_case(b"STARTTLS\r\n") {
            self.answer = Some(Vec::new());
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_ends_with_the_line_that_has_no_dash() {
        assert_eq!(after_reply(b"220 go"), None);
        assert_eq!(after_reply(b"220 go\r\n"), Some(0));
        assert_eq!(after_reply(b"220-a\r\n220 go\r\n"), Some(0));
        assert_eq!(after_reply(b"220-a\r\n"), None);
        assert_eq!(after_reply(b"220 go\r\n250 ok\r\n"), Some(8));
        assert_eq!(after_reply(b"\n\n"), Some(1));
    }
}
