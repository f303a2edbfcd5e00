//! A request read into the kernel's words.

use greenroom_kernel::{ModelMessage, ModelRequest, ModelRole, Unreadable};
use serde_json::Value;

use super::content::texts;
use super::fields::{Object, count, list, needed, object, share, text, within};
use super::{talk, tools, wishes};

pub(super) fn request(body: &[u8]) -> Result<ModelRequest, Unreadable> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Unreadable::new(format!("the body must be a JSON object: {error}")))?;
    let Value::Object(fields) = &body else {
        return Err(Unreadable::new("the body must be a JSON object"));
    };
    refuse_the_impossible(fields)?;
    let max_tokens = needed(count(fields, "max_tokens"), "max_tokens")?;
    if max_tokens == 0 {
        return Err(Unreadable::at(
            "max_tokens",
            "it must be 1 at least: a prompt cache is only filled in advance at an Anthropic provider",
        ));
    }
    let spoken = needed(list(fields, "messages"), "messages")?;
    if spoken.is_empty() {
        return Err(Unreadable::at("messages", "it must hold a message at least"));
    }
    let system = texts(fields, "system")?;
    let system = system.map(|content| ModelMessage::new(ModelRole::System, content));
    let messages = system.into_iter().chain(talk::messages(spoken)?).collect();
    let tools = tools::tools(list(fields, "tools")?.unwrap_or_default())?;
    let (tool_choice, parallel_tools) = tools::choice(fields, &tools)?;
    Ok(ModelRequest {
        model: text(fields, "model")?.map(str::to_owned),
        messages,
        max_tokens: Some(max_tokens),
        temperature: share(fields, "temperature")?,
        top_p: share(fields, "top_p")?,
        seed: None,
        stop: stops(fields)?,
        tools,
        tool_choice,
        output: wishes::output(fields)?,
        reasoning: wishes::reasoning(fields)?,
        parallel_tools,
        end_user: end_user(fields)?,
        continues: false,
    })
}

/// What a caller relies on and no other provider has.
fn refuse_the_impossible(fields: &Object) -> Result<(), Unreadable> {
    let told = |name: &str, what: &str| {
        Unreadable::at(
            name,
            format!("{what}: ask a model of an Anthropic provider, or leave it out"),
        )
    };
    let said = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    };
    if said("container") {
        return Err(told("container", "containers are kept at Anthropic"));
    }
    if said("mcp_servers") {
        return Err(told(
            "mcp_servers",
            "no other provider calls MCP servers by itself",
        ));
    }
    if text(fields, "inference_geo")?.is_some_and(|region| region != "global") {
        return Err(told(
            "inference_geo",
            "where another provider computes can't be chosen by a request",
        ));
    }
    Ok(())
}

fn stops(fields: &Object) -> Result<Vec<String>, Unreadable> {
    let texts = list(fields, "stop_sequences")?.unwrap_or_default();
    let read = |(at, text): (usize, &Value)| {
        text.as_str()
            .map(str::to_owned)
            .ok_or_else(|| Unreadable::at(format!("stop_sequences[{at}]"), "it must be a text"))
    };
    texts.iter().enumerate().map(read).collect()
}

fn end_user(fields: &Object) -> Result<Option<String>, Unreadable> {
    let Some(metadata) = object(fields, "metadata")? else {
        return Ok(None);
    };
    let user = text(metadata, "user_id").map_err(within("metadata"))?;
    Ok(user.map(str::to_owned))
}
