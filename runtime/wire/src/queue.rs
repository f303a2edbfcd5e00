//! The queue between code that must not wait (a sink, an agent's context) and the one stream that sends.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// Nobody will read what would be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream is closed")]
pub struct Closed;

/// Frames on their way to one stream. Any number of writers, one reader. It has no bound of its own: what may be
/// queued is bounded by the protocol's credit. Creating one allocates nothing.
#[derive(Debug)]
pub struct FrameQueue<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    frames: VecDeque<T>,
    closed: bool,
    reader: Option<Waker>,
}

impl<T> Default for FrameQueue<T> {
    fn default() -> Self {
        Self(Mutex::new(State {
            frames: VecDeque::new(),
            closed: false,
            reader: None,
        }))
    }
}

impl<T> FrameQueue<T> {
    /// Queues a frame.
    pub fn push(&self, frame: T) -> Result<(), Closed> {
        let reader = {
            let mut state = self.0.lock();
            if state.closed {
                return Err(Closed);
            }
            state.frames.push_back(frame);
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// Refuses further frames; those queued are still read.
    pub fn close(&self) {
        let reader = {
            let mut state = self.0.lock();
            state.closed = true;
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The next frame; none when the queue is closed and read to its end.
    pub fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.0.lock();
        if let Some(frame) = state.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        match &state.reader {
            Some(reader) if reader.will_wake(cx.waker()) => {}
            _ => state.reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn frames_are_read_in_order_and_to_the_end_after_closing() {
        let queue = FrameQueue::default();
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        queue.close();
        assert_eq!(queue.push(3), Err(Closed));
        let mut read = Vec::new();
        while let Some(frame) = poll_fn(|cx| queue.poll_pop(cx)).await {
            read.push(frame);
        }
        assert_eq!(read, [1, 2]);
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken_by_a_frame_and_by_closing() {
        let queue = Arc::new(FrameQueue::default());
        let writer = Arc::clone(&queue);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            tokio::task::yield_now().await;
            writer.push("a").unwrap();
            tokio::task::yield_now().await;
            writer.close();
        });
        assert_eq!(poll_fn(|cx| queue.poll_pop(cx)).await, Some("a"));
        assert_eq!(poll_fn(|cx| queue.poll_pop(cx)).await, None);
    }
}
