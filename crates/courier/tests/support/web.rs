//! A web server that answers as it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::{Identity, Wire};

#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
}

/// What a server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Status line and headers as they are, then this body with its length.
    Reply(&'static str, String),
    /// Nothing, and the connection stays open.
    Hang,
    /// Nothing, and the connection is closed.
    Drop,
    /// These bytes, and the connection is closed.
    Raw(&'static str),
}

pub(crate) struct Web {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Web {
    /// Gives each request the next of the answers, and every later one the last.
    pub(crate) async fn start(answers: Vec<Answer>, tls: Option<&Identity>) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let acceptor = tls.map(|identity| identity.acceptor.clone());
        let all = Arc::clone(&received);
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, all, answers) =
                    (acceptor.clone(), Arc::clone(&all), answers.clone());
                tokio::spawn(async move {
                    let wire = match acceptor {
                        None => Wire::Plain(stream),
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => Wire::Tls(Box::new(stream)),
                            // Who does not believe us is gone.
                            Err(_) => return,
                        },
                    };
                    serve(wire, connection, &all, &answers).await;
                });
            }
        });
        Web { port, received }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(wire: Wire, connection: usize, all: &Mutex<Vec<Received>>, answers: &[Answer]) {
    let mut stream = BufReader::new(wire);
    while let Some(request) = read(&mut stream, connection).await {
        let at = {
            let mut all = all.lock().unwrap();
            all.push(request);
            all.len() - 1
        };
        match answers.get(at).or(answers.last()).unwrap() {
            Answer::Reply(head, body) => {
                let answer = format!(
                    "HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Answer::Raw(bytes) => {
                let _ = stream.write_all(bytes.as_bytes()).await;
                return;
            }
            Answer::Hang => std::future::pending().await,
            Answer::Drop => return,
        }
    }
}

async fn read(stream: &mut BufReader<Wire>, connection: usize) -> Option<Received> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received {
        line: line.trim_end().to_owned(),
        headers,
        body,
        connection,
    })
}
