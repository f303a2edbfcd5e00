//! A run as the response stream of its call: the agent is polled by whoever sends its frames, so that a run costs
//! no task and no channel of its own. Only an agent whose stream is lost moves to a task, for its grace time.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
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

/// The agent's half of a run.
pub(super) struct RunStream {
    hosting: Arc<Hosting>,
    run: Arc<Run>,
    inbound: Option<Streaming<pb::RunRequest>>,
    work: Option<Work>,
    heartbeat: Duration,
    /// When the next heartbeat is due; made when the agent first waits.
    beat: Option<Pin<Box<Sleep>>>,
    stopping: Stopping,
    _counted: TaskTrackerToken,
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
    pub(super) fn new(
        hosting: Arc<Hosting>,
        run: Arc<Run>,
        inbound: Streaming<pb::RunRequest>,
        work: Work,
        heartbeat: Duration,
    ) -> Self {
        Self {
            _counted: hosting.runs.token(),
            hosting,
            run,
            inbound: Some(inbound),
            work: Some(work),
            heartbeat,
            beat: None,
            stopping: Stopping::Unwatched,
        }
    }

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
                    self.stopping = Stopping::Grace(Box::pin(tokio::time::sleep(self.hosting.grace)));
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

impl Stream for RunStream {
    type Item = Result<pb::RunResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.work.is_some() {
            if let Err(malformed) = this.poll_inbound(cx) {
                this.run.cancelled.cancel();
                this.run.close();
                return Poll::Ready(Some(Err(status_from_failure(&malformed.by_caller()))));
            }
            this.poll_work(cx);
        }
        if this.work.is_some() {
            this.poll_stopping(cx);
        }
        if this.work.is_some() {
            this.poll_beat(cx);
        }
        this.run.poll_frame(cx).map(|frame| {
            let sent = encode_from_agent(frame?);
            Some(sent.map_err(|malformed| status_from_failure(&malformed.by_agent())))
        })
    }
}

impl Drop for RunStream {
    /// The stream is lost: the agent is told, and may clean up.
    fn drop(&mut self) {
        self.run.cancelled.cancel();
        self.run
            .end(Failure::new(ErrorCode::Cancelled, "the supervisor is gone"));
        self.run.close();
        if let Some(work) = self.work.take() {
            let last_words = tokio::time::timeout(self.hosting.grace, work);
            self.hosting.runs.spawn_on(last_words, &self.hosting.runtime);
        }
    }
}

fn panic_message(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().copied();
    let text = text.or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
