//! How much to think, and the form of the answer.

use greenroom_kernel::{Effort, OutputFormat, ReasoningWish, Unreadable};

use super::fields::{Object, count, kind, needed, object, text, within};

/// What the form of an answer is called, as the wire has no name for it.
const FORM: &str = "answer";

pub(super) fn output(request: &Object) -> Result<OutputFormat, Unreadable> {
    let config = object(request, "output_config")?;
    let format = match config {
        Some(config) => object(config, "format").map_err(within("output_config"))?,
        None => None,
    };
    let (format, place) = match format {
        Some(format) => (Some(format), "output_config.format"),
        // As it was called while it was new.
        None => (object(request, "output_format")?, "output_format"),
    };
    let Some(format) = format else {
        return Ok(OutputFormat::Text);
    };
    let read = || match kind(format)? {
        "json_schema" => Ok(OutputFormat::JsonSchema {
            name: FORM.to_owned(),
            schema: needed(object(format, "schema"), "schema")?.clone().into(),
        }),
        other => Err(Unreadable::at(
            "type",
            format!("it must be `json_schema`, and is `{other}`"),
        )),
    };
    read().map_err(within(place))
}

/// A level without a word on thinking is one too: newer models think unless they are asked not to.
pub(super) fn reasoning(request: &Object) -> Result<Option<ReasoningWish>, Unreadable> {
    let effort = match object(request, "output_config")? {
        Some(config) => effort(config).map_err(within("output_config"))?,
        None => None,
    };
    let Some(thinking) = object(request, "thinking")? else {
        return Ok(effort.map(ReasoningWish::Effort));
    };
    let read = || match kind(thinking)? {
        "enabled" => {
            let budget = needed(count(thinking, "budget_tokens"), "budget_tokens")?;
            Ok(ReasoningWish::Tokens(budget))
        }
        // What goes without saying there.
        "adaptive" => Ok(ReasoningWish::Effort(effort.unwrap_or(Effort::High))),
        "disabled" | "between_tools" => Ok(ReasoningWish::Off),
        other => Err(Unreadable::at(
            "type",
            format!("it must be `enabled`, `adaptive`, `between_tools` or `disabled`, and is `{other}`"),
        )),
    };
    read().map(Some).map_err(within("thinking"))
}

fn effort(config: &Object) -> Result<Option<Effort>, Unreadable> {
    text(config, "effort")?
        .map(|word| {
            Ok(match word {
                "low" => Effort::Low,
                "medium" => Effort::Medium,
                "high" => Effort::High,
                "xhigh" => Effort::XHigh,
                "max" => Effort::Max,
                other => {
                    return Err(Unreadable::at(
                        "effort",
                        format!("it must be `low`, `medium`, `high`, `xhigh` or `max`, and is `{other}`"),
                    ));
                }
            })
        })
        .transpose()
}
