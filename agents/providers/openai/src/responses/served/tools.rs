//! Tools, which of them to take, and the form of the answer.

use greenroom_kernel::{OutputFormat, ToolChoice, ToolSpec, Unreadable};
use serde_json::{Value, json};

use super::field::{Field, field};
use crate::served::Fields;

/// The tools of a request, and the choice among them.
pub(super) fn read(fields: &Fields<'_>) -> Result<(Vec<ToolSpec>, ToolChoice), Unreadable> {
    let tools = match field(fields, "tools") {
        Some(tools) => tools.list()?.map(|it| tool(&it)).collect::<Result<Vec<_>, _>>()?,
        None => Vec::new(),
    };
    let choice = match field(fields, "tool_choice") {
        Some(wanted) => choice(&wanted, &tools)?,
        None => ToolChoice::Auto,
    };
    Ok((tools, choice))
}

fn tool(tool: &Field<'_>) -> Result<ToolSpec, Unreadable> {
    let kind = tool.need("type")?;
    match kind.text()? {
        "function" => {}
        other => {
            let why = format!(
                "only OpenAI itself has tools of type `{other}`: other providers take functions, which you call yourself"
            );
            return Err(kind.wrong(why));
        }
    }
    let optional = |name: &str| tool.get(name);
    Ok(ToolSpec {
        name: tool.need("name")?.text()?.to_owned(),
        description: match optional("description") {
            Some(description) => description.text()?.to_owned(),
            None => String::new(),
        },
        parameters: match optional("parameters") {
            Some(parameters) => parameters.object()?.clone(),
            None => json!({"type": "object", "properties": {}}),
        },
        cache: None,
    })
}

fn choice(choice: &Field<'_>, tools: &[ToolSpec]) -> Result<ToolChoice, Unreadable> {
    let some = |wanted: ToolChoice| match tools.is_empty() {
        true => Err(choice.wrong("there are no `tools` to choose from")),
        false => Ok(wanted),
    };
    if let Value::String(mode) = choice.value() {
        return match mode.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => some(ToolChoice::Required),
            _ => Err(choice.wrong("it must be auto, none, required, or name a function")),
        };
    }
    let kind = choice.need("type")?;
    match kind.text()? {
        "function" => {
            let name = choice.need("name")?;
            let wanted = name.text()?;
            if !tools.iter().any(|tool| tool.name == wanted) {
                return Err(name.wrong(format!("`tools` has no function `{wanted}`")));
            }
            Ok(ToolChoice::Tool(wanted.to_owned()))
        }
        "allowed_tools" => {
            Err(kind
                .wrong("other providers have no lists of allowed tools: send only those tools as `tools`"))
        }
        other => Err(kind.wrong(format!("only OpenAI itself has tools of type `{other}`"))),
    }
}

/// The form of the answer's text.
pub(super) fn output(format: &Field<'_>) -> Result<OutputFormat, Unreadable> {
    let kind = format.need("type")?;
    Ok(match kind.text()? {
        "text" => OutputFormat::Text,
        // Any object.
        "json_object" => OutputFormat::JsonSchema {
            name: "json_object".to_owned(),
            schema: json!({"type": "object"}),
        },
        "json_schema" => OutputFormat::JsonSchema {
            name: format.need("name")?.text()?.to_owned(),
            schema: format.need("schema")?.object()?.clone(),
        },
        _ => return Err(kind.wrong("it must be text, json_object or json_schema")),
    })
}
