//! One attempt at the kit's hands: the agent's future, polled here, and the frames both ways.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::task::AtomicWaker;
use greenroom_kernel::{ErrorCode, Failure, FromAgent, StepCost, StepHead, StepOutcome, Timestamp, ToAgent};

use super::watch::{Here, within};
use crate::host::stream::panic_message;
use crate::run::Run;
use crate::{AgentError, Output};

type Work = BoxFuture<'static, Result<Output, AgentError>>;

/// How often one turn may wake itself: an agent that does so for ever is taken out of its loop.
const TURNS: usize = 100_000;

pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) run: Arc<Run>,
    work: Option<Work>,
    pub(crate) to_agent: VecDeque<ToAgent>,
    pub(crate) from_agent: VecDeque<FromAgent>,
    pub(crate) performs: Vec<Performing>,
    /// What the caller was shown.
    pub(crate) text: String,
    wakes: Arc<Wakes>,
}

/// A step that the supervisor runs.
pub(crate) struct Performing {
    pub(crate) head: StepHead,
    /// When it ends; none for never.
    pub(crate) due: Option<Timestamp>,
    pub(crate) outcome: StepOutcome,
    pub(crate) cost: StepCost,
    /// Text that the caller is shown.
    pub(crate) shown: String,
}

#[derive(Default)]
struct Wakes {
    woken: AtomicBool,
    outer: AtomicWaker,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.outer.wake();
    }
}

impl Attempt {
    pub(crate) fn new(number: u32, run: Arc<Run>, work: Work) -> Self {
        // The kit polls many times within one turn of its own task, which tokio would take for greed.
        let work = tokio::task::unconstrained(work).boxed();
        Self {
            number,
            run,
            work: Some(work),
            to_agent: VecDeque::new(),
            from_agent: VecDeque::new(),
            performs: Vec::new(),
            text: String::new(),
            wakes: Arc::default(),
        }
    }

    /// Lets the agent go as far as it can; what it says is queued.
    pub(crate) fn poll(&mut self, cx: &mut TaskContext<'_>) {
        self.wakes.outer.register(cx.waker());
        let waker = Waker::from(Arc::clone(&self.wakes));
        let mut inner = TaskContext::from_waker(&waker);
        for _ in 0..TURNS {
            self.wakes.woken.store(false, Ordering::Release);
            self.poll_work(&mut inner);
            while let Poll::Ready(Some(frame)) = self.run.poll_frame(&mut inner) {
                self.from_agent.push_back(frame);
            }
            if self.work.is_none() || !self.wakes.woken.load(Ordering::Acquire) {
                return;
            }
        }
    }

    fn poll_work(&mut self, cx: &mut TaskContext<'_>) {
        let Some(work) = &mut self.work else { return };
        let polled = panic::catch_unwind(AssertUnwindSafe(|| within(Here::Between, || work.poll_unpin(cx))));
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
        self.die();
        // Refused only when the run is over: then nobody wants it.
        drop(self.run.send(last));
    }

    /// Completes when the agent wants to be polled, or has something to say.
    pub(crate) fn poll_woken(&self, cx: &TaskContext<'_>) -> Poll<()> {
        self.wakes.outer.register(cx.waker());
        if self.wakes.woken.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Whether the agent waits for something that only the supervisor can give.
    pub(crate) fn waits_for_supervisor(&self) -> bool {
        !self.performs.is_empty()
    }

    /// The stream is gone, and the agent is told.
    pub(crate) fn cut(&mut self, why: &str) {
        self.run.end(Failure::new(ErrorCode::Cancelled, why));
        self.run.cancelled.cancel();
        self.to_agent.clear();
        self.from_agent.clear();
        self.performs.clear();
    }

    /// The agent's future is gone; a panic in it on the way is the agent's.
    pub(crate) fn die(&mut self) {
        if let Some(work) = self.work.take() {
            drop(panic::catch_unwind(AssertUnwindSafe(|| {
                within(Here::Between, || drop(work));
            })));
        }
    }
}
