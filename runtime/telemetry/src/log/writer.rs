//! Lines are written by a thread of their own, so that a stuck pipe never stalls an async worker. The queue is
//! bounded: what doesn't fit is dropped and counted, and the count is said as soon as there is room.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Lines that may wait for a slow reader.
const QUEUED_LINES: usize = 4096;
/// How long a line that must not be lost holds its caller.
const URGENT_WAIT: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub(crate) struct LogWriter {
    queue: SyncSender<Command>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Command {
    Line(String),
    Flush(SyncSender<()>),
}

impl LogWriter {
    pub(crate) fn start(output: Box<dyn Write + Send>) -> std::io::Result<Self> {
        let (queue, commands) = sync_channel(QUEUED_LINES);
        std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || run(&commands, output))?;
        Ok(Self {
            queue,
            dropped: Arc::default(),
        })
    }

    /// Queues a line, or counts it as dropped.
    pub(crate) fn write(&self, line: String) {
        if self.queue.try_send(Command::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Queues a line and waits briefly for it to be out: the process may be about to end.
    pub(crate) fn write_urgent(&self, line: String) {
        self.write(line);
        self.flush(URGENT_WAIT);
    }

    /// Lines dropped since the last call.
    pub(crate) fn take_dropped(&self) -> u64 {
        if self.dropped.load(Ordering::Relaxed) == 0 {
            0
        } else {
            self.dropped.swap(0, Ordering::Relaxed)
        }
    }

    /// Waits until everything queued before is written, `within` at the longest.
    pub(crate) fn flush(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let (done, wait) = sync_channel(1);
        let mut command = Command::Flush(done);
        loop {
            match self.queue.try_send(command) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) if Instant::now() < deadline => command = back,
                Err(_) => return,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = wait.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

fn run(commands: &Receiver<Command>, mut output: Box<dyn Write + Send>) {
    while let Ok(command) = commands.recv() {
        // Nobody is left to be told that standard error is gone.
        match command {
            Command::Line(line) => {
                let _ = output.write_all(line.as_bytes());
            }
            Command::Flush(done) => {
                let _ = output.flush();
                let _ = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// An output that takes a line only when it is given leave.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_output_drops_and_counts_instead_of_blocking() {
        let (leave, gate) = mpsc::channel();
        let writer = LogWriter::start(Box::new(Stuck(gate))).unwrap();
        for _ in 0..QUEUED_LINES + 10 {
            writer.write("line\n".to_owned());
        }
        let dropped = writer.take_dropped();
        assert!((9..=10).contains(&dropped), "{dropped}");
        assert_eq!(writer.take_dropped(), 0);
        let begun = Instant::now();
        writer.flush(Duration::from_millis(20));
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(leave);
        writer.flush(Duration::from_secs(10));
    }
}
