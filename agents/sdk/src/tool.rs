//! Tools: named effects with arguments, which agents and models call.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use greenroom_kernel::{Effect, ToolSpec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::AgentError;

/// Something an agent can use, run in its host. Each call is a step: journaled, and not run again once finished.
#[async_trait]
pub trait Tool: Send + Sync + 'static {
    /// Name, description and JSON Schema of the arguments, as a model is shown them.
    fn spec(&self) -> ToolSpec;

    /// What calling it again does. Decides what happens when a process dies during a call.
    fn effect(&self) -> Effect;

    /// Calls it.
    async fn call(&self, arguments: Value, call: ToolContext) -> Result<Value, AgentError>;
}

/// What a tool knows of its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolContext {
    /// The same for every run of the same call: pass it on as idempotency key.
    pub key: String,
    /// Which attempt of the task calls.
    pub attempt: u32,
}

type Call = dyn Fn(Value, ToolContext) -> BoxFuture<'static, Result<Value, AgentError>> + Send + Sync;

/// A closure as a tool.
#[derive(Clone)]
pub struct FnTool {
    spec: ToolSpec,
    effect: Effect,
    call: Arc<Call>,
}

impl FnTool {
    /// A tool that reads its arguments as `A` and answers with `R`. `parameters` is the JSON Schema of the
    /// arguments.
    pub fn new<A, R, F, Fut>(
        name: impl Into<String>,
        description: impl Into<String>,
        effect: Effect,
        parameters: Value,
        call: F,
    ) -> Self
    where
        A: DeserializeOwned,
        R: Serialize,
        F: Fn(A, ToolContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, AgentError>> + Send + 'static,
    {
        let call = move |arguments, context| -> BoxFuture<'static, Result<Value, AgentError>> {
            let arguments = match serde_json::from_value(arguments) {
                Ok(arguments) => arguments,
                Err(error) => {
                    let error = AgentError::bad_input(format!("the tool's arguments are wrong: {error}"));
                    return Box::pin(std::future::ready(Err(error)));
                }
            };
            let answer = call(arguments, context);
            Box::pin(async move { Ok(serde_json::to_value(answer.await?)?) })
        };
        Self {
            spec: ToolSpec {
                name: name.into(),
                description: description.into(),
                parameters,
                cache: None,
            },
            effect,
            call: Arc::new(call),
        }
    }
}

#[async_trait]
impl Tool for FnTool {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    async fn call(&self, arguments: Value, call: ToolContext) -> Result<Value, AgentError> {
        (self.call)(arguments, call).await
    }
}
