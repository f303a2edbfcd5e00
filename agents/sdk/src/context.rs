//! What an agent works with: its only way to effects.

mod scope;
mod step;

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    Effect, ErrorCode, Failure, HistoryMessage, ModelRequest, StepCall, StepKind, StepPath, Timestamp,
    ToolSpec,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::run::Run;
use crate::{AgentError, ToolContext, json};
pub(crate) use scope::Scope;
pub use step::{ModelCall, Step};

/// An attempt's way to models, tools, other agents, time and people. Clones share one sequence of calls.
///
/// **Every call takes its place in the program when it is made, not when it is awaited.** Calls made one after
/// another and awaited together (`futures::join!(ctx.model(a), ctx.model(b))`) are therefore fine. Code that makes
/// calls *while* other code does, in an order that may differ from run to run, needs a [`scope`](Self::scope) for
/// each branch.
///
/// Once the run is over or cancelled, every call fails with CANCELLED.
#[derive(Clone)]
pub struct Context {
    run: Arc<Run>,
    scope: Arc<Scope>,
}

/// What another agent answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentReply {
    /// The child task that answered.
    #[serde(default)]
    pub task_id: Option<String>,
    /// Text for people.
    #[serde(default)]
    pub content: Option<String>,
    /// Data for programs.
    #[serde(default)]
    pub data: Option<Value>,
}

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Whether the approval was given.
    pub approved: bool,
    /// What the approver passed on.
    #[serde(default)]
    pub value: Value,
    /// The approver's remark.
    #[serde(default)]
    pub note: Option<String>,
    /// Nobody answered in time: that is a refusal.
    #[serde(default)]
    pub timed_out: bool,
}

/// The input of an approval step.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ask<P> {
    prompt: P,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
}

/// What a step is, but for its path.
struct Wish<'a> {
    kind: StepKind,
    name: Option<&'a str>,
    effect: Effect,
    input: Result<String, Failure>,
}

impl Context {
    pub(crate) fn new(run: Arc<Run>) -> Self {
        Self {
            run,
            scope: Arc::default(),
        }
    }

    /// Calls a model. A request that names no model uses the task's, else the default one.
    #[track_caller]
    pub fn model(&self, mut request: ModelRequest) -> ModelCall {
        if request.model.is_none() {
            request.model.clone_from(&self.run.facts.model);
        }
        let call = self.call(Wish {
            kind: StepKind::Model,
            name: request.model.as_deref(),
            effect: Effect::ReadOnly,
            input: json::request(&request, "the model request"),
        });
        ModelCall::new(Arc::clone(&self.run), call)
    }

    /// Calls a tool of this agent or host. Its failure keeps its code; an unknown tool is NOT_FOUND.
    #[track_caller]
    pub fn tool(&self, name: &str, arguments: impl Serialize) -> Step<'static, Value> {
        let Some(tool) = self.run.facts.tools.get(name).cloned() else {
            // It takes its place all the same: what follows must not move when a tool is added.
            drop(self.scope.next_path());
            return Step::failed(Failure::new(
                ErrorCode::NotFound,
                format!("no tool named {name:?} here"),
            ));
        };
        let arguments = json::canonical(&arguments, "the tool's arguments");
        let call = self.call(Wish {
            kind: StepKind::Tool,
            name: Some(name),
            effect: tool.effect(),
            input: arguments.clone(),
        });
        let context = call.as_ref().map(|call| ToolContext {
            key: format!("{}/{}", self.run.facts.task, call.path),
            attempt: self.run.facts.attempt,
        });
        let (Ok(context), Ok(arguments)) = (context, arguments) else {
            return Step::supervised(&self.run, call, "the tool's result");
        };
        Step::own(&self.run, call, "the tool's result", async move {
            let arguments =
                json::read(&arguments, "the tool's arguments").map_err(AgentError::from_failure)?;
            tool.call(arguments, context).await
        })
    }

    /// Hands a task to another agent and waits for its answer: a child task, inheriting deadline, limits and
    /// cancellation.
    #[track_caller]
    pub fn agent(&self, name: &str, input: impl Serialize) -> Step<'static, AgentReply> {
        self.supervised(
            StepKind::Agent,
            Some(name),
            Effect::Idempotent,
            json::canonical(&input, "the child task's input"),
        )
    }

    /// A side effect of the agent's own. `work` runs only when no earlier attempt finished the step; its result is
    /// journaled, and equal in every attempt. An [`Effect::Idempotent`] one should pass on a key, such as
    /// [`key`](Self::key).
    #[track_caller]
    pub fn step<'a, T, F>(&self, name: &str, effect: Effect, work: F) -> Step<'a, T>
    where
        T: Serialize + DeserializeOwned + Send + 'a,
        F: Future<Output = Result<T, AgentError>> + Send + 'a,
    {
        let call = self.call(Wish {
            kind: StepKind::Effect,
            name: Some(name),
            effect,
            input: Ok("null".to_owned()),
        });
        Step::own(&self.run, call, "the step's result", work)
    }

    /// Waits. Survives restarts: what is left of it is not waited for twice.
    #[track_caller]
    pub fn sleep(&self, time: Duration) -> Step<'static, ()> {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.supervised(
            StepKind::Timer,
            None,
            Effect::ReadOnly,
            Ok(format!("{{\"ms\":{ms}}}")),
        )
    }

    /// Asks a person, and waits without occupying anything: the attempt usually ends here, and another one goes on
    /// from the answer.
    #[track_caller]
    pub fn approval(&self, prompt: impl Serialize) -> Step<'static, Approval> {
        self.ask(&Ask {
            prompt,
            timeout_ms: None,
        })
    }

    /// Asks a person; no answer in time is a refusal.
    #[track_caller]
    pub fn approval_within(&self, prompt: impl Serialize, time: Duration) -> Step<'static, Approval> {
        self.ask(&Ask {
            prompt,
            timeout_ms: Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        })
    }

    #[track_caller]
    fn ask(&self, ask: &Ask<impl Serialize>) -> Step<'static, Approval> {
        let input = json::canonical(ask, "the approval's prompt");
        self.supervised(StepKind::Approval, None, Effect::Idempotent, input)
    }

    /// The time, journaled: the same in every attempt.
    #[track_caller]
    pub fn now(&self) -> Step<'static, Timestamp> {
        let clock = Arc::clone(&self.run.facts.clock);
        self.step("now", Effect::ReadOnly, async move { Ok(clock.now()) })
    }

    /// A random number, the same in every attempt. Costs no step.
    pub fn random(&self) -> u64 {
        self.scope.draw(self.run.facts.seed)
    }

    /// Shows the caller more text. Waits while much of it is unsent.
    pub async fn emit(&self, text: impl Into<String>) -> Result<(), AgentError> {
        let text = text.into();
        json::fits(&text, "the emitted text")?;
        Ok(self.run.emit(text).await?)
    }

    /// A context for a concurrent branch: its calls are named within the place of this one's next call.
    #[must_use]
    pub fn scope(&self) -> Self {
        Self {
            run: Arc::clone(&self.run),
            scope: self.scope.nested(),
        }
    }

    /// The conversation before this turn, oldest first, bounded.
    pub fn history(&self) -> &[HistoryMessage] {
        &self.run.facts.history
    }

    /// The tools that [`tool`](Self::tool) knows, by name, as a model is shown them.
    pub fn tools(&self) -> Vec<ToolSpec> {
        let mut specs: Vec<_> = self.run.facts.tools.values().map(|tool| tool.spec()).collect();
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        specs
    }

    /// An idempotency key: the same in every attempt, another for every task and `name`.
    pub fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.run.facts.task)
    }

    /// When the task must be done.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.run.facts.deadline
    }

    /// Completes when nobody waits for this attempt any more. The agent may clean up shortly.
    pub async fn cancelled(&self) {
        self.run.cancelled.cancelled().await;
    }

    /// Whether nobody waits for this attempt any more.
    pub fn is_cancelled(&self) -> bool {
        self.run.cancelled.is_cancelled()
    }

    #[track_caller]
    fn supervised<T: DeserializeOwned + Send + 'static>(
        &self,
        kind: StepKind,
        name: Option<&str>,
        effect: Effect,
        input: Result<String, Failure>,
    ) -> Step<'static, T> {
        let call = self.call(Wish {
            kind,
            name,
            effect,
            input,
        });
        Step::supervised(&self.run, call, "the step's result")
    }

    /// Gives the call its place, whether or not it can be made.
    #[track_caller]
    fn call(&self, wish: Wish<'_>) -> Result<StepCall, Failure> {
        let path: Result<StepPath, Failure> = self.scope.next_path();
        #[cfg(feature = "testkit")]
        if let (Some(watch), Ok(path)) = (&self.run.facts.watch, &path) {
            watch.asked(path, std::panic::Location::caller());
        }
        Ok(StepCall {
            path: path?,
            kind: wish.kind,
            name: wish.name.map(str::to_owned),
            effect: wish.effect,
            input: wish.input?,
            visible: false,
        })
    }
}
