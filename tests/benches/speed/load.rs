//! Callers over HTTP/1.1 on kept connections, as cheap as they can be, and what a process used meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

pub(crate) const MUTATION: &str = r#"{"query":"mutation($input: ExecuteTaskInput!) { executeTaskOnAgent(input: $input) { id status agent } }","variables":{"input":{"agent":"echo","input":{"content":"hello"}}}}"#;

/// One connection.
pub(crate) struct Caller {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Caller {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "POST /graphql HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{MUTATION}",
            MUTATION.len()
        );
        Self {
            stream,
            request: request.into_bytes(),
            buffer: Vec::with_capacity(4096),
        }
    }

    /// One call; fails on anything but a completed task.
    pub(crate) async fn call(&mut self) {
        self.stream.write_all(&self.request).await.unwrap();
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(
                read > 0,
                "the server hung up: {}",
                String::from_utf8_lossy(&self.buffer)
            );
            let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..end])
                .unwrap()
                .to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .expect("a length");
            let length: usize = length.trim().parse().unwrap();
            if self.buffer.len() >= end + 4 + length {
                let body = &self.buffer[end + 4..];
                let well = body.windows(11).any(|part| part == b"\"COMPLETED\"");
                assert!(well, "{}", String::from_utf8_lossy(body));
                return;
            }
        }
    }
}

/// Calls made by `callers` that call one after another for `time`.
pub(crate) async fn drive(address: &str, callers: usize, time: Duration) -> u64 {
    let calls = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let mut caller = Caller::connect(address).await;
        let calls = Arc::clone(&calls);
        tasks.spawn(async move {
            while begin.elapsed() < time {
                caller.call().await;
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    calls.load(Ordering::Relaxed)
}

/// Processor seconds that a process has used, all threads together.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

/// Resident memory of a process, in MiB.
pub(crate) fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
}

/// The middle of some durations, in milliseconds.
pub(crate) fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}
