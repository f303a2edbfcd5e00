//! One attempt, seen from the agent's side: the frames to its supervisor, and the calls that wait for an answer.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use greenroom_kernel::{
    Clock, ErrorCode, Failure, FromAgent, HistoryMessage, Payload, StepAnswer, StepCall, StepOutcome,
    StepPath, TaskId, Timestamp, ToAgent,
};
use greenroom_wire::FrameQueue;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::Tool;

/// Pieces of text that may wait to be sent before `emit` waits itself.
const UNSENT_TEXTS: usize = 64;

pub(crate) type Tools = Arc<HashMap<String, Arc<dyn Tool>>>;

/// What an attempt knows from its start.
pub(crate) struct Facts {
    pub(crate) task: TaskId,
    pub(crate) attempt: u32,
    pub(crate) history: Vec<HistoryMessage>,
    pub(crate) model: Option<String>,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) seed: u64,
    pub(crate) tools: Tools,
    pub(crate) clock: Arc<dyn Clock>,
    /// Who looks on while the agent works: the test kit.
    #[cfg(feature = "testkit")]
    pub(crate) watch: Option<Arc<crate::testkit::Watch>>,
}

pub(crate) struct Run {
    pub(crate) facts: Facts,
    pub(crate) cancelled: CancellationToken,
    frames: FrameQueue<FromAgent>,
    waiting: Mutex<HashMap<StepPath, oneshot::Sender<StepAnswer>>>,
    credit: Semaphore,
    texts: Semaphore,
    /// Why nothing more can be asked.
    over: OnceLock<Failure>,
}

impl Run {
    pub(crate) fn new(facts: Facts, credit: u32, cancelled: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            facts,
            cancelled,
            frames: FrameQueue::default(),
            waiting: Mutex::default(),
            credit: Semaphore::new(credit as usize),
            texts: Semaphore::new(UNSENT_TEXTS),
            over: OnceLock::new(),
        })
    }

    /// The next frame to send.
    pub(crate) fn poll_frame(&self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<FromAgent>> {
        let frame = self.frames.poll_pop(cx);
        if let std::task::Poll::Ready(Some(FromAgent::Emit(_))) = &frame {
            self.texts.add_permits(1);
        }
        frame
    }

    /// Queues a frame that needs no credit.
    pub(crate) fn send(&self, frame: FromAgent) -> Result<(), Failure> {
        self.frames.push(frame).map_err(|_| self.why_over())
    }

    /// Queues text, waiting while too much of it is unsent.
    pub(crate) async fn emit(&self, text: String) -> Result<(), Failure> {
        let slot = self.texts.acquire().await.map_err(|_| self.why_over())?;
        self.send(FromAgent::Emit(text))?;
        slot.forget();
        Ok(())
    }

    /// Takes a frame from the supervisor.
    pub(crate) fn receive(&self, frame: ToAgent) {
        match frame {
            ToAgent::Answer { path, answer } => self.answered(&path, answer),
            ToAgent::Credit(calls) => self.credit.add_permits(calls as usize),
            ToAgent::Cancel(reason) => {
                self.end(Failure::new(ErrorCode::Cancelled, format!("cancelled: {reason}")));
                self.cancelled.cancel();
            }
        }
    }

    fn answered(&self, path: &StepPath, answer: StepAnswer) {
        let Some(caller) = self.waiting.lock().remove(path) else {
            tracing::debug!(step = %path, "an answer to a call that does not wait for one is ignored");
            return;
        };
        if matches!(answer, StepAnswer::Finished(_)) {
            self.credit.add_permits(1);
        }
        if let Err(StepAnswer::Go) = caller.send(answer) {
            self.abandon(path.clone());
        }
    }

    /// A step that was told to go has no caller any more, and certainly did not happen.
    fn abandon(&self, path: StepPath) {
        let outcome = StepOutcome::Failed(Failure::new(
            ErrorCode::Cancelled,
            "the agent gave the step up before it began",
        ));
        // When the run is over as well, there is nobody to tell.
        drop(self.send(FromAgent::Report { path, outcome }));
        self.credit.add_permits(1);
    }

    /// Nothing more can be asked: open calls and later ones fail with `why`. The first reason stays.
    pub(crate) fn end(&self, why: Failure) {
        // Only a first reason counts.
        drop(self.over.set(why));
        self.credit.close();
        self.texts.close();
        self.waiting.lock().clear();
    }

    /// Closes the way to the supervisor, behind what is queued.
    pub(crate) fn close(&self) {
        self.end(Failure::new(ErrorCode::Cancelled, "the run is over"));
        self.frames.close();
    }

    /// Whether nothing more can be asked.
    pub(crate) fn is_over(&self) -> bool {
        self.over.get().is_some()
    }

    fn why_over(&self) -> Failure {
        let lost = || Failure::new(ErrorCode::Cancelled, "the run is over");
        self.over.get().cloned().unwrap_or_else(lost)
    }

    /// Asks for a step, once there is credit for it.
    pub(crate) async fn open(self: &Arc<Self>, call: StepCall) -> Result<OpenCall, Failure> {
        let credit = self.credit.acquire().await.map_err(|_| self.why_over())?;
        let (answer, waiting) = oneshot::channel();
        let path = call.path.clone();
        {
            let mut callers = self.waiting.lock();
            // Checked under the lock that `end` clears the callers under: nobody waits for ever.
            if self.over.get().is_some() {
                return Err(self.why_over());
            }
            callers.insert(path.clone(), answer);
        }
        self.send(FromAgent::Call(call))?;
        credit.forget();
        Ok(OpenCall {
            run: Arc::clone(self),
            path,
            stage: Stage::Waiting(waiting),
        })
    }
}

/// A call that holds a credit until it is over, also when its caller drops it.
pub(crate) struct OpenCall {
    run: Arc<Run>,
    path: StepPath,
    stage: Stage,
}

enum Stage {
    Waiting(oneshot::Receiver<StepAnswer>),
    Going,
    Over,
}

impl OpenCall {
    /// The supervisor's answer. After [`StepAnswer::Go`] the caller runs the step and reports it.
    pub(crate) async fn answer(&mut self) -> Result<StepAnswer, Failure> {
        let Stage::Waiting(waiting) = &mut self.stage else {
            return Err(Failure::internal("a call is answered once"));
        };
        let answer = waiting.await;
        self.stage = match answer {
            Ok(StepAnswer::Go) => Stage::Going,
            Ok(StepAnswer::Finished(_)) | Err(_) => Stage::Over,
        };
        answer.map_err(|_| self.run.why_over())
    }

    /// Says what came of the step.
    pub(crate) fn report(mut self, result: &Result<String, Failure>) -> Result<(), Failure> {
        let outcome = match result {
            Ok(text) => StepOutcome::Done(Payload::inline(text.as_str())),
            Err(failure) => StepOutcome::Failed(failure.clone()),
        };
        let path = self.path.clone();
        self.run.send(FromAgent::Report { path, outcome })?;
        self.stage = Stage::Over;
        self.run.credit.add_permits(1);
        Ok(())
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        match &mut self.stage {
            Stage::Waiting(waiting) => {
                waiting.close();
                if let Ok(StepAnswer::Go) = waiting.try_recv() {
                    self.run.abandon(self.path.clone());
                }
            }
            // Given up half-way: whether it happened is not known, so nothing is reported.
            Stage::Going => self.run.credit.add_permits(1),
            Stage::Over => {}
        }
    }
}
