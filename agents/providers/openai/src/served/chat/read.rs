//! Reads a request into the kernel's words.

use std::sync::Arc;

use greenroom_kernel::{Effort, ModelRequest, OutputFormat, ReasoningWish, Unreadable, Wish};
use serde_json::{Value, json};

use super::{message, tools};
use crate::served::fields::Fields;

pub(super) fn read(body: &[u8]) -> Result<Wish, Unreadable> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Unreadable::new(format!("the body must be a JSON object of this API: {error}")))?;
    let request = Fields::of_request(&value)?;
    untranslatable(&request)?;
    let messages = request.list("messages")?.unwrap_or_default();
    if messages.is_empty() {
        return Err(request.wrong("messages", "it must hold at least one message"));
    }
    let tools = tools::tools(&request)?;
    let bound = match request.count("max_completion_tokens")? {
        None => request.count("max_tokens")?,
        bound => bound,
    };
    let end_user = match request.text("user")? {
        None => request.text("safety_identifier")?,
        user => user,
    };
    // Read by whoever writes the answer; wrong ones are told here.
    request.flag("stream")?;
    if let Some(options) = request.object("stream_options")? {
        options.flag("include_usage")?;
    }
    Ok(Wish::Answer(Arc::new(ModelRequest {
        model: request.text("model")?.map(str::to_owned),
        messages: message::messages(messages)?,
        max_tokens: bound,
        temperature: request.number("temperature", 2.0)?,
        top_p: request.number("top_p", 1.0)?,
        seed: request.integer("seed")?.map(i64::cast_unsigned),
        stop: stop(&request)?,
        tool_choice: tools::choice(&request, &tools)?,
        tools,
        output: output(&request)?,
        reasoning: reasoning(&request)?,
        parallel_tools: request.flag("parallel_tool_calls")?,
        end_user: end_user.map(str::to_owned),
        continues: false,
    })))
}

/// Refuses what only a model of OpenAI's can do.
fn untranslatable(request: &Fields<'_>) -> Result<(), Unreadable> {
    if request.count("n")?.is_some_and(|n| n > 1) {
        return Err(request.wrong(
            "n",
            "this model gives one choice a call: leave it out, and call again",
        ));
    }
    if request.flag("logprobs")? == Some(true) || request.integer("top_logprobs")?.is_some_and(|n| n > 0) {
        return Err(request.wrong("logprobs", "this model tells no probabilities of its tokens"));
    }
    for mode in request.list("modalities")?.unwrap_or_default() {
        if mode != "text" {
            return Err(request.wrong("modalities", "this model answers in text alone"));
        }
    }
    request.without("audio", "this model answers in text alone")?;
    request.without(
        "moderation",
        "OpenAI moderates nothing that goes to this model: leave it out",
    )?;
    request.without(
        "web_search_options",
        "this model does not search the web by itself: give it a tool",
    )
}

fn stop(request: &Fields<'_>) -> Result<Vec<String>, Unreadable> {
    let wrong = || {
        request.wrong(
            "stop",
            "it must be a text that is not empty, or a list of such texts",
        )
    };
    let text = |value: &Value| match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(wrong()),
    };
    match request.get("stop") {
        None => Ok(Vec::new()),
        Some(Value::Array(texts)) => texts.iter().map(text).collect(),
        Some(value) => Ok(vec![text(value)?]),
    }
}

fn output(request: &Fields<'_>) -> Result<OutputFormat, Unreadable> {
    let Some(format) = request.object("response_format")? else {
        return Ok(OutputFormat::Text);
    };
    match format.required_text("type")? {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonSchema {
            name: "json_object".to_owned(),
            schema: json!({"type": "object"}),
        }),
        "json_schema" => {
            let named = format.required_object("json_schema")?;
            let name = named.required_text("name")?;
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if name.len() > 64 || !name.chars().all(known) {
                return Err(named.wrong("name", "it must be 1 to 64 letters, digits, `_` or `-`"));
            }
            let schema = named.get("schema").cloned().unwrap_or_else(|| json!({}));
            if !schema.is_object() {
                return Err(named.wrong("schema", "it must be a JSON schema, an object"));
            }
            Ok(OutputFormat::JsonSchema {
                name: name.to_owned(),
                schema,
            })
        }
        _ => Err(format.wrong("type", "it must be `text`, `json_object` or `json_schema`")),
    }
}

fn reasoning(request: &Fields<'_>) -> Result<Option<ReasoningWish>, Unreadable> {
    Ok(Some(match request.text("reasoning_effort")? {
        None => return Ok(None),
        Some("none") => ReasoningWish::Off,
        Some("minimal") => ReasoningWish::Effort(Effort::Minimal),
        Some("low") => ReasoningWish::Effort(Effort::Low),
        Some("medium") => ReasoningWish::Effort(Effort::Medium),
        Some("high") => ReasoningWish::Effort(Effort::High),
        Some("xhigh") => ReasoningWish::Effort(Effort::XHigh),
        Some("max") => ReasoningWish::Effort(Effort::Max),
        Some(_) => {
            let message = "it must be `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`";
            return Err(request.wrong("reasoning_effort", message));
        }
    }))
}
