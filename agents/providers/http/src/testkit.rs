//! A server on a socket that says exactly what its script says, byte by byte, and tells what it was asked. For the
//! tests of wire families.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "only tests are built with it, and a test may fail where it stands"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What the server does next.
#[derive(Debug, Clone)]
pub enum Step {
    /// Writes.
    Send(Vec<u8>),
    /// Writes every byte by itself, as one HTTP chunk each.
    Trickle(Vec<u8>),
    /// Reads until the client is gone, then reports it.
    AwaitClose,
    /// Closes the connection.
    Close,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which connection it came on, from 0.
    pub connection: usize,
    /// The request line and the headers.
    pub head: String,
    /// The body, null unless it is JSON.
    pub body: Value,
}

impl Seen {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    scripts: Mutex<std::vec::IntoIter<Vec<Step>>>,
}

/// The server.
pub struct Fake {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    requests: mpsc::UnboundedReceiver<()>,
    closed: mpsc::UnboundedReceiver<()>,
    _tasks: JoinSet<()>,
}

impl Fake {
    /// Serves one script a request, in order.
    pub async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            scripts: Mutex::new(scripts.into_iter()),
            ..Shared::default()
        });
        let (asked, requests) = mpsc::unbounded_channel();
        let (gone, closed) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let serving = shared.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                connections.spawn(serve(
                    socket,
                    number,
                    serving.clone(),
                    asked.clone(),
                    gone.clone(),
                ));
            }
        });
        Self {
            address,
            shared,
            requests,
            closed,
            _tasks: tasks,
        }
    }

    /// Its base URL for a wire whose version is part of it.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request until now.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Waits until a request has arrived.
    pub async fn asked(&mut self) {
        let asked = tokio::time::timeout(Duration::from_secs(10), self.requests.recv()).await;
        asked.expect("a request in time").unwrap();
    }

    /// Waits, a second at most, until a script that awaits it saw its client leave.
    pub async fn closed_within_a_second(&mut self) {
        let closed = tokio::time::timeout(Duration::from_secs(1), self.closed.recv()).await;
        closed.expect("the upstream call closed within a second").unwrap();
    }
}

async fn serve(
    mut socket: TcpStream,
    connection: usize,
    shared: Arc<Shared>,
    asked: mpsc::UnboundedSender<()>,
    gone: mpsc::UnboundedSender<()>,
) {
    while let Some((head, body)) = request(&mut socket).await {
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        shared.seen.lock().unwrap().push(Seen {
            connection,
            head,
            body,
        });
        let _ = asked.send(());
        let script = shared
            .scripts
            .lock()
            .unwrap()
            .next()
            .expect("a script for every request");
        for step in script {
            match step {
                Step::Send(bytes) => {
                    if socket.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Trickle(bytes) => {
                    for byte in bytes {
                        if socket.write_all(&chunk(&[byte])).await.is_err() {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                }
                Step::AwaitClose => {
                    let mut rest = [0; 1024];
                    while socket.read(&mut rest).await.is_ok_and(|n| n > 0) {}
                    let _ = gone.send(());
                    return;
                }
                Step::Close => return,
            }
        }
    }
}

async fn request(socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length: usize = head
                .lines()
                .filter_map(|l| l.split_once(':'))
                .find(|(k, _)| k.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, v)| v.trim().parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some((head, bytes[end + 4..end + 4 + length].to_vec()));
            }
        }
        match socket.read(&mut buffer).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
}

/// One HTTP chunk.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// The head of an event stream.
pub fn head() -> Step {
    Step::Send(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec(),
    )
}

/// Text of an event stream, in one HTTP chunk.
pub fn raw(text: &str) -> Step {
    Step::Send(chunk(text.as_bytes()))
}

/// Events, one HTTP chunk each.
pub fn data(events: &[&str]) -> Step {
    let chunks = events.iter().map(|e| chunk(format!("data: {e}\n\n").as_bytes()));
    Step::Send(chunks.collect::<Vec<_>>().concat())
}

/// The end of a body.
pub fn end() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

/// A whole answer.
pub fn answer(status: u16, headers: &str, body: &str) -> Vec<Step> {
    let text = format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    vec![Step::Send(text.into_bytes())]
}
