//! What is sent: the kernel's request in the provider's words, always streamed.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use greenroom_kernel::{
    ANY_OBJECT_IN_WORDS, ModelRequest, OutputFormat, ToolChoice, ToolSpec, closed_schema, object_schema,
};
use greenroom_provider_claude::{Sampling, Takes};
use serde::Serialize;
use serde_json::Value;

use crate::blocks::{Inside, Mark};
use crate::takes::takes;
use crate::thinking::{Thinking, Thought};
use crate::turns::{Turn, turns};

/// What this wire has no words for.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error(
        "this provider can't hold an answer to a regular expression: ask for a JSON schema, or a local model"
    )]
    Regex,
    #[error("this provider's temperature is from 0 to 1, and {0} was asked for")]
    Temperature(f32),
    #[error("a tool's message must name the call that it answers in tool_call_id")]
    ResultOfNothing,
    #[error("this provider takes no image in {0}: put it into a user's message")]
    ImageOf(&'static str),
}

#[derive(Debug, Serialize)]
pub(crate) struct MessagesRequest<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<Inside<'a>>,
    messages: Vec<Turn<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: Cow<'a, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Mark>,
}

#[derive(Debug, Serialize)]
struct Choice<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

#[derive(Debug, Serialize)]
struct OutputConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
}

impl OutputConfig {
    fn is_empty(&self) -> bool {
        self.format.is_none() && self.effort.is_none()
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format {
    JsonSchema { schema: Value },
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

impl<'a> MessagesRequest<'a> {
    /// `max_tokens` is for a request without a bound.
    pub(crate) fn new(model: &'a str, request: &'a ModelRequest, max_tokens: u32) -> Result<Self, Unsayable> {
        let takes = takes(model);
        let thought = Thought::of(takes, request, max_tokens);
        let in_words = request.output.is_any_object().then_some(ANY_OBJECT_IN_WORDS);
        let (system, messages) = turns(&request.messages, in_words)?;
        let (temperature, top_p) = sampling(takes, &thought, request)?;
        Ok(Self {
            model,
            max_tokens: thought.max_tokens,
            system,
            messages,
            stream: true,
            temperature,
            top_p,
            stop_sequences: &request.stop,
            tools: request.tools.iter().map(tool).collect(),
            tool_choice: choice(request),
            thinking: thought.thinking,
            output_config: OutputConfig {
                format: format(&request.output)?,
                effort: thought.effort,
            },
            metadata: request.end_user.as_deref().map(|user_id| Metadata { user_id }),
        })
    }
}

/// What a model has no word for is left out, like a seed: it samples as it always does. A value that no model of this
/// wire has is refused.
fn sampling(
    takes: Takes,
    thought: &Thought,
    request: &ModelRequest,
) -> Result<(Option<f32>, Option<f32>), Unsayable> {
    if takes.sampling == Sampling::None || thought.is_asked_for() {
        return Ok((None, None));
    }
    if let Some(temperature) = request.temperature.filter(|t| !(0.0..=1.0).contains(t)) {
        return Err(Unsayable::Temperature(temperature));
    }
    let top_p = request
        .top_p
        .filter(|_| takes.sampling == Sampling::All || request.temperature.is_none());
    Ok((request.temperature, top_p))
}

fn choice(request: &ModelRequest) -> Option<Choice<'_>> {
    let one_by_one = request.parallel_tools == Some(false);
    let (kind, name) = match &request.tool_choice {
        // The wire refuses a choice where there is none, and there nothing can be chosen anyway.
        ToolChoice::Auto | ToolChoice::None if request.tools.is_empty() => return None,
        ToolChoice::Auto if one_by_one => ("auto", None),
        ToolChoice::Auto => return None,
        ToolChoice::None => ("none", None),
        ToolChoice::Required => ("any", None),
        ToolChoice::Tool(name) => ("tool", Some(name.as_str())),
    };
    Some(Choice {
        kind,
        name,
        disable_parallel_tool_use: one_by_one && kind != "none",
    })
}

fn format(output: &OutputFormat) -> Result<Option<Format>, Unsayable> {
    match output {
        OutputFormat::Text => Ok(None),
        // The wire holds answers to closed objects alone, and this one may have any members.
        any if any.is_any_object() => Ok(None),
        OutputFormat::JsonSchema { schema, .. } => Ok(Some(Format::JsonSchema {
            schema: closed_schema(schema),
        })),
        OutputFormat::Regex { .. } => Err(Unsayable::Regex),
    }
}

fn tool(tool: &ToolSpec) -> Tool<'_> {
    Tool {
        name: &tool.name,
        description: &tool.description,
        input_schema: object_schema(&tool.parameters),
        cache_control: Mark::of(tool.cache),
    }
}
