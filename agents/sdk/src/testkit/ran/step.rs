//! One step of a run.

use greenroom_kernel::{Effect, Failure, ModelRequest, StepCall, StepHead, StepKind, StepOutcome};
use serde::Deserialize as _;
use serde_json::Value;

use super::json;

/// One step as the journal holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRan {
    /// Its ordinal in the task.
    pub number: u32,
    /// Its place in the agent's program.
    pub path: String,
    /// What it does.
    pub kind: StepKind,
    /// The tool's, agent's, model's or effect's name.
    pub name: Option<String>,
    /// What repeating it does.
    pub effect: Effect,
    /// Whether the caller is shown its text as it comes.
    pub visible: bool,
    /// The attempt that finished it, or began it.
    pub attempt: u32,
    /// What was asked.
    pub input: Value,
    /// What came of it, if anything did.
    pub outcome: Option<Result<Value, Failure>>,
}

impl StepRan {
    /// What a model step asked; none for other steps.
    pub fn request(&self) -> Option<ModelRequest> {
        match self.kind {
            StepKind::Model => ModelRequest::deserialize(&self.input).ok(),
            _ => None,
        }
    }

    /// `asked` is the call as it was made last.
    pub(super) fn of(head: &StepHead, asked: Option<&StepCall>, outcome: Option<&StepOutcome>) -> Self {
        Self {
            number: head.number,
            path: head.path.to_string(),
            kind: head.kind,
            name: head.name.clone(),
            effect: head.effect,
            visible: asked.is_some_and(|call| call.visible),
            attempt: head.attempt,
            input: asked.map_or(Value::Null, |call| json(&call.input)),
            outcome: outcome.map(|outcome| match outcome {
                StepOutcome::Done(result) => Ok(result.as_inline().map_or(Value::Null, json)),
                StepOutcome::Failed(failure) => Err(failure.clone()),
            }),
        }
    }
}
