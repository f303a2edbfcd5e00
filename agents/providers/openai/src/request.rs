//! What is sent: the kernel's request in the provider's words, always streamed.

mod effort;
mod format;
mod message;
#[cfg(test)]
mod tests;

use greenroom_kernel::{ModelMessage, ModelRequest, ModelRole, ToolChoice, ToolSpec};
use serde::Serialize;
use serde_json::Value;

use crate::config::MaxTokensField;
pub(crate) use effort::{step, thinks};
use format::ResponseFormat;
pub(crate) use format::{is_strict, name_json};
use message::Message;

/// What this wire has no words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error(
        "this provider can't hold an answer to a regular expression: ask for a JSON schema, or a local model"
    )]
    Regex,
    #[error(
        "this provider takes images only in what a user says or a tool found: message {0} is of another role"
    )]
    Image(usize),
}

/// How a server is told to go on from an assistant's message that a request ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onward {
    /// Not at all: some do it anyway, others begin a new one.
    Unsaid,
    /// By `continue_final_message`, without the beginning of another message: vLLM, llama.cpp.
    Flags,
    /// By `prefix` on the message: Mistral, DeepSeek.
    Prefix,
}

/// Whether a request ends with what its answer is to go on from.
pub(crate) fn has_begun(request: &ModelRequest) -> bool {
    let open = |last: &ModelMessage| last.role == ModelRole::Assistant && last.tool_calls.is_empty();
    request.messages.last().is_some_and(open)
}

/// How one server speaks the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accent<'a> {
    /// The name of the bound of the answer's length.
    pub(crate) max_tokens: MaxTokensField,
    /// OpenAI itself, whose models know more steps of thinking than others.
    pub(crate) is_openai: bool,
    /// How it is told to go on.
    pub(crate) onward: Onward,
    /// The provider's name: thoughts go back to the provider that thought them.
    pub(crate) provider: &'a str,
}

#[derive(Debug, Serialize)]
pub(crate) struct ChatRequest<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    continue_final_message: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    add_generation_prompt: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Mode(&'static str),
    Named {
        r#type: &'static str,
        function: Named<'a>,
    },
}

#[derive(Debug, Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: &'a Value,
}

impl<'a> ChatRequest<'a> {
    pub(crate) fn new(
        model: &'a str,
        request: &'a ModelRequest,
        accent: Accent<'a>,
    ) -> Result<Self, Unsayable> {
        let bound = |wanted| request.max_tokens.filter(|_| accent.max_tokens == wanted);
        let has_tools = !request.tools.is_empty();
        let mut messages = message::messages(&request.messages, accent.provider)?;
        if request.output.is_any_object() && !name_json(request.messages.iter()) {
            message::ask_for_json(&mut messages);
        }
        let onward = match has_begun(request) {
            true => accent.onward,
            false => Onward::Unsaid,
        };
        if onward == Onward::Prefix {
            message::mark_prefix(&mut messages);
        }
        let flags = onward == Onward::Flags;
        Ok(Self {
            model,
            messages,
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            max_tokens: bound(MaxTokensField::MaxTokens),
            max_completion_tokens: bound(MaxTokensField::MaxCompletionTokens),
            temperature: request.temperature,
            top_p: request.top_p,
            // Servers read it as a signed number.
            seed: request.seed.map(|seed| seed & i64::MAX.unsigned_abs()),
            stop: &request.stop,
            tools: request.tools.iter().map(tool).collect(),
            // Servers refuse either where there is no tool.
            tool_choice: choice(&request.tool_choice).filter(|_| has_tools),
            parallel_tool_calls: request.parallel_tools.filter(|_| has_tools),
            response_format: format::response_format(&request.output)?,
            reasoning_effort: request
                .reasoning
                .and_then(|wish| effort::step(wish, model, accent.is_openai)),
            user: request.end_user.as_deref(),
            continue_final_message: flags.then_some(true),
            add_generation_prompt: flags.then_some(false),
        })
    }
}

fn choice(choice: &ToolChoice) -> Option<Choice<'_>> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(Choice::Mode("none")),
        ToolChoice::Required => Some(Choice::Mode("required")),
        ToolChoice::Tool(name) => Some(Choice::Named {
            r#type: "function",
            function: Named { name },
        }),
    }
}

fn tool(tool: &ToolSpec) -> Tool<'_> {
    Tool {
        r#type: "function",
        function: Function {
            name: &tool.name,
            description: &tool.description,
            parameters: &tool.parameters,
        },
    }
}
