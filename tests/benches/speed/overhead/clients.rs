//! Clients of a chat completion over HTTP/1.1 on kept connections, as cheap as they can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::upstream::EVENTS;

/// How the upstream is asked to stream.
#[derive(Clone, Copy)]
pub(crate) enum Answers {
    /// Many events, as fast as they go.
    Fast,
    /// One token.
    One,
    /// One token, and then nothing.
    Held,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Whole,
    Streamed(Answers),
}

impl Kind {
    fn body(self) -> String {
        let (stream, word) = match self {
            Self::Whole => ("", "Hello!"),
            Self::Streamed(answers) => {
                let word = match answers {
                    Answers::Fast => "fast",
                    Answers::One => "one",
                    Answers::Held => "held",
                };
                (r#","stream":true,"stream_options":{"include_usage":true}"#, word)
            }
        };
        format!(
            r#"{{"model":"m","messages":[{{"role":"system","content":"You are a helpful assistant."}},{{"role":"user","content":"{word}"}}],"temperature":0.7{stream}}}"#
        )
    }

    /// What one answer counts for.
    fn counts(self) -> u64 {
        match self {
            Self::Streamed(Answers::Fast) => EVENTS as u64,
            Self::Whole | Self::Streamed(_) => 1,
        }
    }
}

struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
    kind: Kind,
}

fn ends_with(bytes: &[u8], end: &[u8]) -> bool {
    bytes.len() >= end.len() && &bytes[bytes.len() - end.len()..] == end
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

impl Client {
    async fn connect(address: &str, kind: Kind) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let body = kind.body();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer sk-test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self {
            stream,
            request: request.into_bytes(),
            buffer: Vec::with_capacity(64 << 10),
            kind,
        }
    }

    async fn ask(&mut self) {
        self.stream.write_all(&self.request).await.unwrap();
        self.buffer.clear();
    }

    async fn more(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
        assert!(read > 0, "hung up: {}", String::from_utf8_lossy(&self.buffer));
    }

    /// Reads until the first token, or all of an answer that isn't streamed.
    async fn first(&mut self) {
        match self.kind {
            Kind::Whole => self.rest().await,
            Kind::Streamed(_) => {
                while !holds(&self.buffer, b" token") {
                    self.more().await;
                }
            }
        }
    }

    /// Reads to the end.
    async fn rest(&mut self) {
        loop {
            let over = match self.kind {
                Kind::Whole => ends_with(&self.buffer, b"\"service_tier\":\"default\"}"),
                Kind::Streamed(_) => ends_with(&self.buffer, b"0\r\n\r\n"),
            };
            if over {
                break;
            }
            self.more().await;
        }
        assert!(
            self.buffer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&self.buffer)
        );
        if matches!(self.kind, Kind::Streamed(_)) {
            assert!(
                holds(&self.buffer, b"[DONE]"),
                "{}",
                String::from_utf8_lossy(&self.buffer)
            );
        }
    }
}

/// One answer of each kind, looked at.
pub(crate) async fn check(address: &str) {
    for kind in [
        Kind::Whole,
        Kind::Streamed(Answers::One),
        Kind::Streamed(Answers::Fast),
    ] {
        let mut client = Client::connect(address, kind).await;
        client.ask().await;
        client.rest().await;
    }
}

/// What `at_once` clients get done that ask one after another for `time`.
pub(crate) async fn saturate(address: &str, kind: Kind, at_once: usize, time: Duration) -> u64 {
    let done = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let mut client = Client::connect(address, kind).await;
        let done = Arc::clone(&done);
        tasks.spawn(async move {
            while begin.elapsed() < time {
                client.ask().await;
                client.rest().await;
                done.fetch_add(kind.counts(), Ordering::Relaxed);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    done.load(Ordering::Relaxed)
}

/// Delays, in order.
pub(crate) struct Delays(Vec<Duration>);

impl Delays {
    /// At a percentile, in microseconds.
    pub(crate) fn at(&self, percentile: f64) -> f64 {
        let last = self.0.len() - 1;
        self.0[(last as f64 * percentile) as usize].as_secs_f64() * 1e6
    }
}

/// Asks at a steady pace, whatever the answers take, and measures the time to the first token.
pub(crate) async fn paced(address: &str, kind: Kind, per_second: u32, time: Duration) -> Delays {
    const CONNECTIONS: u32 = 8;
    let begin = Instant::now() + Duration::from_millis(50);
    let step = Duration::from_secs(1) / per_second;
    let mut tasks = JoinSet::new();
    for first in 0..CONNECTIONS {
        let mut client = Client::connect(address, kind).await;
        tasks.spawn(async move {
            let mut delays = Vec::new();
            for n in (first..).step_by(CONNECTIONS as usize) {
                let due = begin + step * n;
                if due > begin + time {
                    return delays;
                }
                tokio::time::sleep_until(due.into()).await;
                let asked = Instant::now();
                client.ask().await;
                client.first().await;
                delays.push(asked.elapsed());
                client.rest().await;
            }
            delays
        });
    }
    let mut delays = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        delays.extend(ended.unwrap());
    }
    delays.sort_unstable();
    Delays(delays)
}

/// Streams that have begun and go on.
pub(crate) struct Held(#[allow(dead_code, reason = "they are open for as long as this lives")] Vec<Client>);

/// Opens so many streams.
pub(crate) async fn hold(address: &str, streams: usize) -> Held {
    let mut held = Vec::new();
    for _ in 0..streams {
        let mut client = Client::connect(address, Kind::Streamed(Answers::Held)).await;
        client.ask().await;
        client.first().await;
        held.push(client);
    }
    Held(held)
}
