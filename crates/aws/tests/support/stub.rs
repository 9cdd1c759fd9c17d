//! A small HTTP/1.1 server on loopback whose every answer is the caller's to make or to break.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub fault: Fault,
}

/// How an answer breaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// The connection closes before any answer.
    Reset,
    /// The length is announced and half of it is sent.
    Half,
    /// No answer ever comes.
    Silence,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<String>) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: body.into(),
            fault: Fault::None,
        }
    }

    pub fn broken(fault: Fault, body: impl Into<String>) -> Answer {
        Answer {
            fault,
            ..Answer::new(200, body)
        }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}

type Answering = dyn Fn(&str, &str) -> Answer + Send + Sync;

/// Serves until the runtime ends. `answer` gets the method and the target. `latency` passes before
/// each answer.
pub async fn serve(
    latency: Duration,
    answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let answer: Arc<Answering> = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                // A client that goes away ends its own connection only.
                let _ = converse(stream, latency, &*answer).await;
            });
        }
    });
    Ok(address)
}

async fn converse(
    mut stream: TcpStream,
    latency: Duration,
    answer: &Answering,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
        let length: usize = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .unwrap_or(0);
        while buffer.len() < head + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.drain(..head + length);
        let mut words = text.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let reply = answer(method, target);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        match reply.fault {
            Fault::Reset => return Ok(()),
            Fault::Silence => std::future::pending().await,
            Fault::None | Fault::Half => {}
        }
        let mut out = format!(
            "HTTP/1.1 {} x\r\ncontent-length: {}\r\n",
            reply.status,
            reply.body.len()
        );
        for (name, value) in &reply.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str("\r\n");
        if method != "HEAD" {
            let sent = match reply.fault {
                Fault::Half => reply.body.len() / 2,
                _ => reply.body.len(),
            };
            out.push_str(&reply.body[..sent]);
        }
        stream.write_all(out.as_bytes()).await?;
        if reply.fault == Fault::Half {
            return Ok(());
        }
    }
}
