//! HTTP/1.1 as a server speaks it, down to the byte, so that it can be spoken wrongly.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest request that is read.
const REQUEST_AT_MOST: usize = 4 << 20;

/// One request.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

/// One connection from the gateway.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// The next request; none when the peer is gone.
    pub(super) async fn request(&mut self) -> Option<Request> {
        let (end, length) = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
                break (end + 4, length.map_or(0, |length| length.trim().parse().unwrap()));
            }
            self.more().await?;
        };
        while self.buffer.len() < end + length {
            self.more().await?;
        }
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let mut line = head.lines().next()?.split(' ');
        let (method, path) = (line.next()?.to_owned(), line.next()?.to_owned());
        let body = self.buffer[end..end + length].to_vec();
        self.buffer.drain(..end + length);
        Some(Request { method, path, body })
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.ok()?;
        (read > 0 && self.buffer.len() < REQUEST_AT_MOST).then_some(())
    }

    /// The head of an answer.
    pub(super) async fn head(&mut self, status: u16, headers: &[(&str, &str)]) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.raw(head.as_bytes()).await
    }

    /// Bytes as they are.
    pub(super) async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// One chunk of a body.
    pub(super) async fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.raw(&chunked(bytes)).await
    }

    /// Waits; fails at once when the peer leaves.
    pub(super) async fn pause(&mut self, time: Duration) -> io::Result<()> {
        let mut byte = [0; 1];
        tokio::select! {
            read = self.stream.read(&mut byte) => match read {
                Ok(0) | Err(_) => Err(io::ErrorKind::ConnectionReset.into()),
                Ok(_) => panic!("the gateway spoke before it was answered"),
            },
            () = tokio::time::sleep(time) => Ok(()),
        }
    }

    /// Ends the connection as a crashed process does.
    pub(super) fn reset(self) {
        // Fails on a connection that is gone already.
        let _ = self.stream.set_zero_linger();
    }
}

/// A chunk as HTTP/1.1 frames it.
pub(super) fn chunked(bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out
}

/// A moment from now as HTTP writes it.
pub(super) fn date(ahead: u64) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let seconds = now.as_secs() + ahead;
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March 2000, in eras of 400 years; from 2026 on for long.
    let since = days - 11_017;
    let (era, of_era) = (since / 146_097, since % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = 2000 + era * 400 + year_of_era + u64::from(month >= 10);
    let names = [
        "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb",
    ];
    let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let (weekday, month) = (weekdays[(days % 7) as usize], names[month as usize]);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}
