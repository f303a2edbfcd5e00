//! The tools of a request, and the choice among them.

use greenroom_kernel::{ToolChoice, ToolSpec, Unreadable};
use serde_json::Value;

use super::content::mark;
use super::fields::{Object, each, flag, kind, needed, object, text, within};

pub(super) fn tools(list: &[Value]) -> Result<Vec<ToolSpec>, Unreadable> {
    each(list, "tools", tool)
}

fn tool(tool: &Object) -> Result<ToolSpec, Unreadable> {
    if let Some(kind) = text(tool, "type")?.filter(|kind| *kind != "custom") {
        return Err(Unreadable::at(
            "type",
            format!(
                "tools of type `{kind}` are Anthropic's own: ask a model of an Anthropic provider, or describe the tool with a name and an input_schema"
            ),
        ));
    }
    Ok(ToolSpec {
        name: needed(text(tool, "name"), "name")?.to_owned(),
        description: text(tool, "description")?.unwrap_or_default().to_owned(),
        parameters: needed(object(tool, "input_schema"), "input_schema")?
            .clone()
            .into(),
        cache: mark(tool)?,
    })
}

/// The choice among `tools`, and whether several of them may be asked for at once.
pub(super) fn choice(request: &Object, tools: &[ToolSpec]) -> Result<(ToolChoice, Option<bool>), Unreadable> {
    let Some(choice) = object(request, "tool_choice")? else {
        return Ok((ToolChoice::Auto, None));
    };
    let read = || {
        let chosen = match kind(choice)? {
            "auto" => ToolChoice::Auto,
            "any" if tools.is_empty() => {
                return Err(Unreadable::new(
                    "no tool can be called where there are none: name some in `tools`, or choose `auto`",
                ));
            }
            "any" => ToolChoice::Required,
            "none" => ToolChoice::None,
            "tool" => ToolChoice::Tool(named(needed(text(choice, "name"), "name")?, tools)?),
            other => {
                return Err(Unreadable::at(
                    "type",
                    format!("it must be `auto`, `any`, `tool` or `none`, and is `{other}`"),
                ));
            }
        };
        let one_by_one = flag(choice, "disable_parallel_tool_use")?;
        Ok((chosen, one_by_one.map(|one_by_one| !one_by_one)))
    };
    read().map_err(within("tool_choice"))
}

fn named(name: &str, tools: &[ToolSpec]) -> Result<String, Unreadable> {
    if tools.iter().any(|tool| tool.name == name) {
        return Ok(name.to_owned());
    }
    let why = format!("`{name}` is none of the request's tools: describe it in `tools`, or name one of them");
    Err(Unreadable::at("name", why))
}
