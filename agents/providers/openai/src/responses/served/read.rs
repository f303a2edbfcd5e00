//! A request, read into the kernel's words.

use greenroom_kernel::{Effort, ModelMessage, ModelRequest, ModelRole, ReasoningWish, Unreadable};
use serde_json::Value;

use super::conversation;
use super::field::{Field, field};
use super::tools;
use crate::served::Fields;

/// Reads a body.
pub(super) fn request(body: &[u8]) -> Result<ModelRequest, Unreadable> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Unreadable::new(format!("the body must be a JSON object of this API: {error}")))?;
    let fields = Fields::of_request(&body)?;
    refuse(&fields)?;

    let mut messages = Vec::new();
    if let Some(instructions) = fields.text("instructions")? {
        messages.push(ModelMessage::text(ModelRole::System, instructions));
    }
    let Some(input) = field(&fields, "input") else {
        return Err(Unreadable::at(
            "input",
            "it is missing: a text or a list of items",
        ));
    };
    conversation::read(&input, &mut messages)?;
    let (tools, tool_choice) = tools::read(&fields)?;
    let format = fields.object("text")?.and_then(|text| field(&text, "format"));
    let effort = fields
        .object("reasoning")?
        .and_then(|reasoning| field(&reasoning, "effort"));
    Ok(ModelRequest {
        model: fields.text("model")?.map(str::to_owned),
        messages,
        max_tokens: fields.count("max_output_tokens")?,
        temperature: fields.number("temperature", 2.0)?,
        top_p: fields.number("top_p", 1.0)?,
        tools,
        tool_choice,
        output: format
            .map(|format| tools::output(&format))
            .transpose()?
            .unwrap_or_default(),
        reasoning: effort.map(|effort| wish(&effort)).transpose()?,
        parallel_tools: fields.flag("parallel_tool_calls")?,
        end_user: fields
            .text("safety_identifier")?
            .or(fields.text("user")?)
            .map(str::to_owned),
        ..ModelRequest::default()
    })
}

fn wish(effort: &Field<'_>) -> Result<ReasoningWish, Unreadable> {
    Ok(ReasoningWish::Effort(match effort.text()? {
        "none" => return Ok(ReasoningWish::Off),
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => return Err(effort.wrong("it must be none, minimal, low, medium, high, xhigh or max")),
    }))
}

/// What only OpenAI itself can do.
fn refuse(fields: &Fields<'_>) -> Result<(), Unreadable> {
    for (name, why) in [
        (
            "previous_response_id",
            "this server keeps no responses when it translates for another provider: send the whole conversation as `input`",
        ),
        (
            "conversation",
            "this server keeps no conversations when it translates for another provider: send all of it as `input`",
        ),
        (
            "prompt",
            "prompts by id are kept at OpenAI alone: send its text as `instructions` and `input`",
        ),
        (
            "moderation",
            "only OpenAI moderates what passes: leave it out, or ask for a model of OpenAI's",
        ),
    ] {
        fields.without(name, why)?;
    }
    if fields.flag("background")? == Some(true) {
        let why = "this server keeps no responses when it translates for another provider: wait for the answer, or stream it";
        return Err(fields.wrong("background", why));
    }
    let logprobs =
        "the probabilities of tokens can't be told when this server translates for another provider";
    if let Some(wanted) = field(fields, "top_logprobs").filter(|wanted| wanted.value() != 0) {
        return Err(wanted.wrong(logprobs));
    }
    if let Some(include) = field(fields, "include") {
        for wanted in include.list()? {
            if wanted.text()? == "message.output_text.logprobs" {
                return Err(wanted.wrong(logprobs));
            }
        }
    }
    Ok(())
}
