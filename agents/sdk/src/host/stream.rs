//! A run: a task that drives the agent, and the response stream of its call.
//!
//! The agent works in a task of its own, together with its heartbeats: an agent that blocks its thread holds up
//! neither the connection nor other runs, and is noticed because no heartbeat leaves.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt as _};
use greenroom_kernel::{ErrorCode, Failure, FromAgent};
use greenroom_proto::v1 as pb;
use greenroom_wire::{Malformed, decode_to_agent, encode_from_agent, status_from_failure};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::{Status, Streaming};

use super::Hosting;
use crate::run::Run;
use crate::{AgentError, Output};

type Work = BoxFuture<'static, Result<Output, AgentError>>;

/// Why a run's stream ends with an error: the supervisor broke the protocol.
type Broken = Arc<OnceLock<Status>>;

/// The frames of a run, as they are sent. Dropped, the agent is told, and may clean up.
pub(super) struct RunStream {
    run: Arc<Run>,
    broken: Broken,
    told: bool,
    _counted: TaskTrackerToken,
}

/// Drives the agent to its end.
struct Driver {
    run: Arc<Run>,
    broken: Broken,
    grace: Duration,
    inbound: Option<Streaming<pb::RunRequest>>,
    work: Option<Work>,
    heartbeat: Duration,
    /// When the next heartbeat is due; made when the agent first waits.
    beat: Option<Pin<Box<Sleep>>>,
    stopping: Stopping,
}

/// How far cancellation has come.
enum Stopping {
    /// Not watched yet: the agent has not waited.
    Unwatched,
    /// Nobody cancelled.
    No(Pin<Box<WaitForCancellationFutureOwned>>),
    /// Cancelled: the agent has until then.
    Grace(Pin<Box<Sleep>>),
}

impl RunStream {
    /// Starts the agent's work.
    pub(super) fn start(
        hosting: &Hosting,
        run: Arc<Run>,
        inbound: Streaming<pb::RunRequest>,
        work: Work,
        heartbeat: Duration,
    ) -> Self {
        let broken = Broken::default();
        let driver = Driver {
            run: Arc::clone(&run),
            broken: Arc::clone(&broken),
            grace: hosting.grace,
            inbound: Some(inbound),
            work: Some(work),
            heartbeat,
            beat: None,
            stopping: Stopping::Unwatched,
        };
        hosting.runs.spawn_on(driver, &hosting.runtime);
        Self {
            run,
            broken,
            told: false,
            _counted: hosting.runs.token(),
        }
    }
}

impl Driver {
    /// Takes what the supervisor sent. An error ends the run: the supervisor broke the protocol.
    fn poll_inbound(&mut self, cx: &mut TaskContext<'_>) -> Result<(), Malformed> {
        while let Some(inbound) = &mut self.inbound {
            match inbound.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(frame))) => self.run.receive(decode_to_agent(frame)?),
                Poll::Ready(Some(Err(_)) | None) => {
                    self.inbound = None;
                    self.run.end(Failure::new(
                        ErrorCode::Cancelled,
                        "the supervisor answers no further calls",
                    ));
                }
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Lets the agent work; its end becomes the run's last frame.
    fn poll_work(&mut self, cx: &mut TaskContext<'_>) {
        let Some(work) = &mut self.work else { return };
        let polled = panic::catch_unwind(AssertUnwindSafe(|| work.poll_unpin(cx)));
        let last = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(result)) => {
                match result.map_err(AgentError::into_failure).and_then(Output::checked) {
                    Ok(output) => FromAgent::Completed {
                        content: output.content,
                        data: output.data,
                    },
                    // By CANCELLED a host says that it leaves; this is some step's failure, passed on.
                    Err(failure) if failure.code == ErrorCode::Cancelled && !self.run.is_over() => {
                        FromAgent::Failed(Failure {
                            code: ErrorCode::AgentFailed,
                            ..failure
                        })
                    }
                    Err(failure) => FromAgent::Failed(failure),
                }
            }
            Err(cause) => FromAgent::Panicked(panic_message(cause.as_ref())),
        };
        self.drop_work();
        self.finish(Some(last));
    }

    /// Ends the stream behind what is queued and `last`.
    fn finish(&mut self, last: Option<FromAgent>) {
        if let Some(last) = last {
            // Refused only when the run is over already: then nobody wants it.
            drop(self.run.send(last));
        }
        self.run.close();
    }

    /// Drops the agent's future; a panic in it on the way is the agent's, not the host's.
    fn drop_work(&mut self) {
        if let Some(work) = self.work.take() {
            drop(panic::catch_unwind(AssertUnwindSafe(|| drop(work))));
        }
    }

    fn poll_stopping(&mut self, cx: &mut TaskContext<'_>) {
        loop {
            match &mut self.stopping {
                Stopping::Unwatched => {
                    let cancelled = self.run.cancelled.clone().cancelled_owned();
                    self.stopping = Stopping::No(Box::pin(cancelled));
                }
                Stopping::No(cancelled) => {
                    if cancelled.poll_unpin(cx).is_pending() {
                        return;
                    }
                    self.run
                        .end(Failure::new(ErrorCode::Cancelled, "the host is shutting down"));
                    self.stopping = Stopping::Grace(Box::pin(tokio::time::sleep(self.grace)));
                }
                Stopping::Grace(over) => {
                    if over.poll_unpin(cx).is_ready() {
                        self.drop_work();
                        self.finish(None);
                    }
                    return;
                }
            }
        }
    }

    fn poll_beat(&mut self, cx: &mut TaskContext<'_>) {
        let period = self.heartbeat;
        let beat = self
            .beat
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(period)));
        while beat.poll_unpin(cx).is_ready() {
            // Refused only when the run is over: then nobody waits for a sign of life.
            drop(self.run.send(FromAgent::Heartbeat));
            beat.as_mut().reset(Instant::now() + period);
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Err(malformed) = this.poll_inbound(cx) {
            // Only a first reason counts.
            drop(this.broken.set(status_from_failure(&malformed.by_caller())));
            this.run.cancelled.cancel();
            this.run.close();
        }
        this.poll_work(cx);
        if this.work.is_some() {
            this.poll_stopping(cx);
        }
        if this.work.is_none() {
            return Poll::Ready(());
        }
        this.poll_beat(cx);
        Poll::Pending
    }
}

impl Stream for RunStream {
    type Item = Result<pb::RunResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.run.poll_frame(cx).map(|frame| match frame {
            Some(frame) => {
                Some(encode_from_agent(frame).map_err(|malformed| status_from_failure(&malformed.by_agent())))
            }
            None if this.told => None,
            None => {
                this.told = true;
                this.broken.get().cloned().map(Err)
            }
        })
    }
}

impl Drop for RunStream {
    fn drop(&mut self) {
        self.run.cancelled.cancel();
        self.run
            .end(Failure::new(ErrorCode::Cancelled, "the supervisor is gone"));
        self.run.close();
    }
}

pub(crate) fn panic_message(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().copied();
    let text = text.or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
