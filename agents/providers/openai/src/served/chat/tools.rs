//! Tools, and which of them the model may or must ask for.

use greenroom_kernel::{ToolChoice, ToolSpec, Unreadable};
use serde_json::{Value, json};

use crate::served::fields::Fields;

/// Reads `tools`.
pub(super) fn tools(request: &Fields<'_>) -> Result<Vec<ToolSpec>, Unreadable> {
    let old = "this is the old form: send `tools` and `tool_choice`";
    request.without("functions", old)?;
    request.without("function_call", old)?;
    let items = request.list("tools")?.unwrap_or_default();
    let tools = items.iter().enumerate().map(|(number, item)| {
        let tool = Fields::of(item, format!("tools[{number}]"))?;
        match tool.required_text("type")? {
            "function" => function(&tool.required_object("function")?),
            kind => Err(tool.wrong(
                "type",
                format!("a tool of the type `{kind}` can't be translated for this model: use a function"),
            )),
        }
    });
    tools.collect()
}

fn function(function: &Fields<'_>) -> Result<ToolSpec, Unreadable> {
    let parameters = function.get("parameters").cloned();
    let parameters = parameters.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    if !parameters.is_object() {
        return Err(function.wrong("parameters", "it must be a JSON schema, an object"));
    }
    Ok(ToolSpec {
        name: function.required_text("name")?.to_owned(),
        description: function.text("description")?.unwrap_or_default().to_owned(),
        parameters,
        cache: None,
    })
}

/// Reads `tool_choice`, which is about `tools`.
pub(super) fn choice(request: &Fields<'_>, tools: &[ToolSpec]) -> Result<ToolChoice, Unreadable> {
    let choice = match request.get("tool_choice") {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(mode)) => match mode.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => {
                let message = "it must be `auto`, `none`, `required`, or name a function";
                return Err(request.wrong("tool_choice", message));
            }
        },
        Some(named) => named_choice(&Fields::of(named, request.at("tool_choice"))?, tools)?,
    };
    if choice == ToolChoice::Required && tools.is_empty() {
        return Err(request.wrong("tool_choice", "there must be `tools` to choose from"));
    }
    Ok(choice)
}

fn named_choice(choice: &Fields<'_>, tools: &[ToolSpec]) -> Result<ToolChoice, Unreadable> {
    match choice.required_text("type")? {
        "function" => {
            let function = choice.required_object("function")?;
            let name = function.required_text("name")?;
            if tools.iter().any(|tool| tool.name == name) {
                Ok(ToolChoice::Tool(name.to_owned()))
            } else {
                Err(function.wrong("name", "none of the `tools` has this name"))
            }
        }
        "allowed_tools" => Err(choice.wrong(
            "type",
            "a choice among some of the tools can't be translated for this model: send only those tools",
        )),
        _ => Err(choice.wrong("type", "it must be `function`")),
    }
}
