//! An agent, what it is given and what it answers with.

use std::sync::Arc;

use async_trait::async_trait;
use greenroom_kernel::{Failure, Principal, TaskId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{AgentError, Context, Tool, json};

/// Something that does tasks.
///
/// `run` may be called again for the same task after a crash, here or in another process. What it does must depend
/// only on the task, the context and finished steps: every effect, and every look at the outside world, goes through
/// the context.
#[async_trait]
pub trait Agent: Send + Sync + 'static {
    /// What the agent says of itself.
    fn card(&self) -> Card;

    /// Tools that only this agent has, besides the host's.
    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        Vec::new()
    }

    /// Does a task. The future is dropped some time after [`Context::cancelled`] fires. A panic loses the attempt,
    /// not the process.
    async fn run(&self, task: Task, ctx: Context) -> Result<Output, AgentError>;
}

/// What an agent says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Its name: `[A-Za-z0-9_-]{1,64}`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, for people.
    pub description: String,
    /// What it can be asked for.
    pub skills: Vec<String>,
    /// JSON Schema of its input; none accepts anything.
    pub input_schema: Option<Value>,
    /// JSON Schema of its output.
    pub output_schema: Option<Value>,
}

impl Card {
    /// A card without skills and schemas.
    pub fn new(name: impl Into<String>, version: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            description: description.into(),
            skills: Vec::new(),
            input_schema: None,
            output_schema: None,
        }
    }

    /// The same card with one more skill.
    #[must_use]
    pub fn skill(mut self, skill: impl Into<String>) -> Self {
        self.skills.push(skill.into());
        self
    }
}

/// One attempt at a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Which task.
    pub id: TaskId,
    /// Which attempt, from 1. Nothing but logging may depend on it.
    pub attempt: u32,
    /// Who asked.
    pub principal: Principal,
    /// When the task was accepted: the same in every attempt.
    pub accepted_at: Timestamp,
    /// The logical model that the caller asked for. Model calls that name none use it.
    pub model: Option<String>,
    pub(crate) input: String,
}

impl Task {
    /// The input as JSON text, as it was given.
    pub fn input_json(&self) -> &str {
        &self.input
    }

    /// The input, read as `T`; BAD_USER_INPUT where it has another shape.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, AgentError> {
        serde_json::from_str(&self.input).map_err(|error| {
            AgentError::bad_input(format!("the input does not have the expected shape: {error}"))
        })
    }

    /// What a person said: the input if it is a string, else its member `content`; BAD_USER_INPUT where there is
    /// neither.
    pub fn text(&self) -> Result<String, AgentError> {
        let text = match self.input::<Value>()? {
            Value::String(text) => Some(text),
            Value::Object(mut members) => match members.remove("content") {
                Some(Value::String(text)) => Some(text),
                _ => None,
            },
            _ => None,
        };
        text.ok_or_else(|| {
            AgentError::bad_input(
                "the input holds no text: pass a JSON string, or an object with a string `content`",
            )
        })
    }
}

/// An agent's answer: text for people, data for programs, or both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    pub(crate) content: Option<String>,
    pub(crate) data: Option<String>,
}

impl Output {
    /// Text for people.
    pub fn text(content: impl Into<String>) -> Self {
        Self {
            content: Some(content.into()),
            data: None,
        }
    }

    /// Data for programs.
    pub fn data(data: &impl Serialize) -> Result<Self, AgentError> {
        Self::default().with_data(data)
    }

    /// The same answer with text for people.
    #[must_use]
    pub fn with_text(mut self, content: impl Into<String>) -> Self {
        self.content = Some(content.into());
        self
    }

    /// The same answer with data for programs.
    pub fn with_data(mut self, data: &impl Serialize) -> Result<Self, AgentError> {
        let text = serde_json::to_string(data)?;
        self.data = Some(text);
        Ok(self)
    }

    /// The text for people.
    pub fn content(&self) -> Option<&str> {
        self.content.as_deref()
    }

    /// The data for programs, as JSON text.
    pub fn data_json(&self) -> Option<&str> {
        self.data.as_deref()
    }

    pub(crate) fn checked(self) -> Result<Self, Failure> {
        json::fits(
            self.content.as_deref().unwrap_or_default(),
            "the answer's content",
        )?;
        json::fits(self.data.as_deref().unwrap_or_default(), "the answer's data")?;
        Ok(self)
    }
}
