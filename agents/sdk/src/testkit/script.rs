//! What the world around an agent answers: models, other agents, people.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    ErrorCode, Failure, FinishReason, HistoryMessage, Limits, ModelAnswer, ModelRequest, Principal, Subject,
    TenantId, Timestamp, ToolCall, Usage,
};
use serde::Serialize;
use serde_json::Value;

use super::Probe;
use crate::{AgentError, AgentReply, Tool};

/// What a scripted model answers one call with.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(crate) what: What,
    pub(crate) takes: Duration,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Answer {
        answer: ModelAnswer,
        pieces: Vec<String>,
    },
    Failure(Failure),
    Never,
}

impl Reply {
    /// This text, at once.
    pub fn text(text: impl Into<String>) -> Self {
        Self::pieces([text])
    }

    /// This text as it streams, piece by piece.
    pub fn pieces(pieces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let pieces: Vec<String> = pieces.into_iter().map(Into::into).collect();
        let answer = ModelAnswer {
            content: pieces.concat(),
            reasoning: Vec::new(),
            tool_calls: Vec::new(),
            finish: FinishReason::Stop,
            usage: Usage::default(),
            provider: "testkit".to_owned(),
            model: "scripted".to_owned(),
        };
        Self::new(What::Answer { answer, pieces })
    }

    /// The model asks for a tool.
    pub fn tool_call(name: impl Into<String>, arguments: impl Serialize) -> Self {
        Self::text("").and_tool_call(name, arguments)
    }

    /// The same answer, asking for one more tool. Does nothing to a failure.
    #[must_use]
    pub fn and_tool_call(mut self, name: impl Into<String>, arguments: impl Serialize) -> Self {
        if let What::Answer { answer, .. } = &mut self.what {
            answer.finish = FinishReason::ToolCalls;
            answer.tool_calls.push(ToolCall {
                id: format!("call-{}", answer.tool_calls.len()),
                name: name.into(),
                arguments: serde_json::to_string(&arguments).unwrap_or_else(|error| error.to_string()),
            });
        }
        self
    }

    /// This answer, whole.
    pub fn answer(answer: ModelAnswer) -> Self {
        let pieces = vec![answer.content.clone()];
        Self::new(What::Answer { answer, pieces })
    }

    /// The same answer, ended for this reason: `Length` where it was cut off. Does nothing to a failure.
    #[must_use]
    pub fn finish(mut self, finish: FinishReason) -> Self {
        if let What::Answer { answer, .. } = &mut self.what {
            answer.finish = finish;
        }
        self
    }

    /// The same answer, having used so much. Does nothing to a failure.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        if let What::Answer { answer, .. } = &mut self.what {
            answer.usage = usage;
        }
        self
    }

    /// The model can't be had, after all retries: the step fails.
    pub fn failure(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::failed(Failure::new(code, message))
    }

    /// The step fails with exactly this, which may say that it is worth repeating, and when.
    pub fn failed(failure: Failure) -> Self {
        Self::new(What::Failure(failure))
    }

    /// No answer ever comes: only a deadline ends the wait.
    pub fn never() -> Self {
        Self::new(What::Never)
    }

    /// The same reply after this time on the kit's clock.
    #[must_use]
    pub fn takes(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }

    fn new(what: What) -> Self {
        Self {
            what,
            takes: Duration::ZERO,
        }
    }
}

type ModelBy = dyn Fn(&ModelRequest) -> Reply + Send + Sync;
type AgentBy = dyn Fn(&Value) -> Result<AgentReply, AgentError> + Send + Sync;

/// How models answer.
#[derive(Clone)]
pub(crate) enum Models {
    /// The first model step gets the first, however often it is asked again.
    InOrder(Vec<Reply>),
    By(Arc<ModelBy>),
}

/// How a person answers an approval.
#[derive(Debug, Clone)]
pub(crate) enum Person {
    Approves(Value),
    Rejects,
    Ignores,
}

/// Everything that an agent is run with.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) input: String,
    pub(crate) history: Vec<HistoryMessage>,
    pub(crate) principal: Principal,
    pub(crate) model: Option<String>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) starts_at: Timestamp,
    pub(crate) limits: Limits,
    pub(crate) models: Models,
    pub(crate) agents: HashMap<String, Arc<AgentBy>>,
    pub(crate) people: Vec<Person>,
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    pub(crate) probes: Vec<Probe>,
    pub(crate) patience: Duration,
}

impl Script {
    pub(crate) fn model(&self, index: usize, request: &ModelRequest) -> Reply {
        match &self.models {
            Models::By(answers) => answers(request),
            Models::InOrder(replies) => replies.get(index).cloned().unwrap_or_else(|| {
                let why = format!(
                    "the script has {} model answers, and this is call {}",
                    replies.len(),
                    index + 1
                );
                Reply::failure(ErrorCode::Unavailable, why)
            }),
        }
    }

    pub(crate) fn agent(&self, name: &str, input: &str) -> Result<String, Failure> {
        let Some(answers) = self.agents.get(name) else {
            let why = format!("no agent {name:?} in the script: add it by Bench::agent or Bench::agent_by");
            return Err(Failure::new(ErrorCode::NotFound, why));
        };
        let input = serde_json::from_str(input).map_err(|error| Failure::bad_input(error.to_string()))?;
        crate::json::canonical(
            &answers(&input).map_err(AgentError::into_failure)?,
            "the scripted answer of an agent",
        )
    }
}

/// Whom tasks are from, unless a test says otherwise.
#[allow(clippy::expect_used, reason = "both are written here, and are ids")]
pub(crate) fn somebody() -> Principal {
    Principal {
        tenant: TenantId::parse("dev").expect("an id"),
        subject: Subject::parse("dev").expect("an id"),
        scopes: Vec::new(),
        tier: String::new(),
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}
