//! What is sent: the kernel's request in this wire's words, always streamed and never stored.

#[cfg(test)]
mod tests;

use greenroom_kernel::{ModelRequest, OutputFormat, ToolChoice, ToolSpec};
use serde::Serialize;
use serde_json::Value;

use super::items::{Conversation, Item};
use crate::request::{is_strict, step, thinks};

/// What this wire has no words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error(
        "this provider can't hold an answer to a regular expression: ask for a JSON schema, or a local model"
    )]
    Regex,
    #[error("the Responses wire has no texts that end an answer: leave `stop` out, or set api = \"chat\"")]
    Stop,
    #[error("message {0} has an image, which only what a user says or a tool found may have")]
    Image(usize),
    #[error("message {0} is a tool's result and doesn't say of which call")]
    ResultWithoutCall(usize),
}

/// The body of a call. Cache marks have no word: this wire's providers cache by themselves. Neither has a seed.
/// Summaries of thoughts are not asked for, since some accounts are refused for asking; where they come unasked, they
/// are shown.
#[derive(Debug, Serialize)]
pub(crate) struct ResponsesRequest<'a> {
    model: &'a str,
    input: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    stream: bool,
    store: bool,
    /// OpenAI refuses to be asked for sealed thoughts of a model that has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    include: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
    /// Said outright: left out, this wire takes a schema for a strict one.
    strict: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Mode(&'static str),
    Named { r#type: &'static str, name: &'a str },
}

#[derive(Debug, Serialize)]
struct Text<'a> {
    format: Format<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    JsonObject,
    JsonSchema {
        name: &'a str,
        schema: &'a Value,
        strict: bool,
    },
}

#[derive(Debug, Serialize)]
struct Thinking {
    effort: &'static str,
}

impl<'a> ResponsesRequest<'a> {
    /// `is_openai`: whether it goes to OpenAI itself, whose models know more steps of thinking than others. `provider`: its
    /// name, since thoughts go back to the provider that thought them.
    pub(crate) fn new(
        model: &'a str,
        request: &'a ModelRequest,
        is_openai: bool,
        provider: &str,
    ) -> Result<Self, Unsayable> {
        if !request.stop.is_empty() {
            return Err(Unsayable::Stop);
        }
        let mut conversation = Conversation::of(&request.messages, provider)?;
        if request.output.is_any_object() {
            conversation.ask_for_json(&request.messages);
        }
        Ok(Self {
            model,
            input: conversation.items,
            instructions: conversation.instructions,
            stream: true,
            store: false,
            include: thinks(model, is_openai).then_some(["reasoning.encrypted_content"]),
            max_output_tokens: request.max_tokens,
            temperature: request.temperature,
            top_p: request.top_p,
            tools: request.tools.iter().map(tool).collect(),
            tool_choice: choice(&request.tool_choice),
            parallel_tool_calls: request.parallel_tools.filter(|_| !request.tools.is_empty()),
            text: text(&request.output)?,
            reasoning: request
                .reasoning
                .and_then(|wish| step(wish, model, is_openai))
                .map(|effort| Thinking { effort }),
            safety_identifier: request.end_user.as_deref(),
        })
    }
}

fn tool(tool: &ToolSpec) -> Tool<'_> {
    Tool {
        r#type: "function",
        name: &tool.name,
        description: &tool.description,
        parameters: &tool.parameters,
        strict: false,
    }
}

fn choice(choice: &ToolChoice) -> Option<Choice<'_>> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(Choice::Mode("none")),
        ToolChoice::Required => Some(Choice::Mode("required")),
        ToolChoice::Tool(name) => Some(Choice::Named {
            r#type: "function",
            name,
        }),
    }
}

fn text(output: &OutputFormat) -> Result<Option<Text<'_>>, Unsayable> {
    match output {
        OutputFormat::Text => Ok(None),
        any if any.is_any_object() => Ok(Some(Text {
            format: Format::JsonObject,
        })),
        OutputFormat::JsonSchema { name, schema } => Ok(Some(Text {
            format: Format::JsonSchema {
                name,
                schema,
                strict: is_strict(schema),
            },
        })),
        OutputFormat::Regex { .. } => Err(Unsayable::Regex),
    }
}
