//! What is sent: the kernel's request in Converse's words, the same for an answer in a stream and one in a piece.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use greenroom_kernel::{
    ANY_OBJECT_IN_WORDS, ModelRequest, OutputFormat, ToolChoice, ToolSpec, closed_schema, object_schema,
};
use greenroom_provider_claude::Sampling;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::thinking::{Asked, thinking};
use crate::traits::{Form, Traits};
use crate::turns::{Block, CachePoint, Marks, Turn, conversation};

/// What Converse has no words for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error(
        "this provider can't hold an answer to a regular expression: ask for a JSON schema, or a local model"
    )]
    Regex,
    #[error("this provider's {0} is from 0 to 1, and {1} was asked for")]
    OutOfRange(&'static str, f32),
    #[error("max_tokens must be from 1 to 2147483647, and {0} was asked for")]
    MaxTokens(u32),
    #[error(
        "thinking takes 1024 tokens at least and counts against max_tokens: ask for more than {0}, or for no thinking"
    )]
    NoRoomToThink(u32),
    #[error("a tool's message must name the call that it answers in tool_call_id")]
    ResultOfNothing,
    #[error("this provider fetches no images: send the image's bytes instead of its URL")]
    ImageUrl,
    #[error("this provider takes images as png, jpeg, gif and webp, not as {0:?}")]
    ImageKind(String),
    #[error("an image is no base64: use the standard alphabet, padded")]
    ImageData,
    #[error("this provider takes images from users and tools only")]
    ImageElsewhere,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConverseRequest<'a> {
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Inference::is_empty")]
    inference_config: Inference<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    additional_model_request_fields: Map<String, Value>,
    #[serde(skip_serializing_if = "Output::is_empty")]
    output_config: Output,
}

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Inference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
}

impl Inference<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Tool<'a> {
    ToolSpec {
        name: Cow<'a, str>,
        #[serde(skip_serializing_if = "str::is_empty")]
        description: &'a str,
        input_schema: Json<'a>,
    },
    CachePoint(CachePoint),
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    json: Cow<'a, Value>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    text_format: Option<TextFormat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
}

impl Output {
    fn is_empty(&self) -> bool {
        self.text_format.is_none() && self.effort.is_none()
    }
}

#[derive(Debug, Serialize)]
struct TextFormat {
    r#type: &'static str,
    structure: Structure,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Structure {
    JsonSchema {
        /// A text that is JSON.
        schema: String,
        name: String,
    },
}

/// A request, and what must be known of it to read its answer.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(crate) body: ConverseRequest<'a>,
    pub(crate) awaited: Awaited,
}

/// What an answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Any text.
    Text,
    /// A text that is a JSON document.
    Document,
    /// The input of this tool is the document.
    InTool(String),
}

/// Puts a request to `model` into words.
pub(crate) fn said<'a>(model: &'a str, request: &'a ModelRequest) -> Result<Said<'a>, Unsayable> {
    let traits = Traits::of(model);
    let offered = match request.tool_choice {
        ToolChoice::None => &[],
        _ => request.tools.as_slice(),
    };
    let must_call = matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Tool(_));
    let (awaited, document) = match (&request.output, traits.form) {
        (OutputFormat::Regex { .. }, _) => return Err(Unsayable::Regex),
        (any, _) if any.is_any_object() => (Awaited::Document, None),
        (OutputFormat::JsonSchema { name, schema }, Form::Schema) => {
            (Awaited::Document, Some((name.clone(), schema)))
        }
        // A tool that must be called is no answer, and no form binds it.
        (OutputFormat::JsonSchema { name, schema }, Form::Tool) if !must_call => {
            let tool = unlike(name, offered);
            (Awaited::InTool(tool.clone()), Some((tool, schema)))
        }
        (OutputFormat::JsonSchema { .. } | OutputFormat::Text, _) => (Awaited::Text, None),
    };
    let (text_format, in_tool) = match traits.form {
        Form::Schema => (document.map(|document| text_format(document, traits)), None),
        Form::Tool => (None, document),
    };
    let with_tools = !offered.is_empty() || in_tool.is_some();
    let mut marks = Marks::of(request, !offered.is_empty(), traits);
    let thinking = thinking(traits, request, must_call || in_tool.is_some())?;
    let inference_config = inference(traits, &thinking, request)?;
    let mut fields = thinking.fields;
    let alone = request.parallel_tools == Some(false) && traits.one_tool_at_a_time;
    if alone && !offered.is_empty() && request.tool_choice.is_auto() {
        let choice = json!({"type": "auto", "disable_parallel_tool_use": true});
        fields.insert("tool_choice".to_owned(), choice);
    }
    let tool_config = with_tools.then(|| ToolConfig {
        tool_choice: choice(
            &request.tool_choice,
            offered,
            in_tool.as_ref().map(|(tool, _)| tool),
        ),
        tools: tools(offered, in_tool, &mut marks),
    });
    let mut conversation = conversation(&request.messages, with_tools, &mut marks)?;
    if request.output.is_any_object() {
        conversation.system.push(Block::Text(ANY_OBJECT_IN_WORDS.into()));
    }
    Ok(Said {
        body: ConverseRequest {
            messages: conversation.turns,
            system: conversation.system,
            inference_config,
            tool_config,
            additional_model_request_fields: fields,
            output_config: Output {
                text_format,
                effort: thinking.effort,
            },
        },
        awaited,
    })
}

/// What a model has no word for is left out, like a seed: it samples as it always does.
fn inference<'a>(
    traits: Traits<'_>,
    thinking: &Asked,
    request: &'a ModelRequest,
) -> Result<Inference<'a>, Unsayable> {
    let unit = |name, value: Option<f32>| match value {
        Some(value) if !(0.0..=1.0).contains(&value) => Err(Unsayable::OutOfRange(name, value)),
        value => Ok(value),
    };
    if let Some(tokens) = request
        .max_tokens
        .filter(|n| *n == 0 || i32::try_from(*n).is_err())
    {
        return Err(Unsayable::MaxTokens(tokens));
    }
    let temperature = unit("temperature", request.temperature)?;
    let top_p = unit("top_p", request.top_p)?;
    let (temperature, top_p) = match traits.sampling {
        _ if thinking.rules_out_sampling() => (None, None),
        Sampling::None => (None, None),
        Sampling::One if temperature.is_some() => (temperature, None),
        Sampling::One | Sampling::All => (temperature, top_p),
    };
    Ok(Inference {
        max_tokens: request.max_tokens,
        temperature,
        top_p,
        stop_sequences: &request.stop,
    })
}

/// Claude takes closed schemas alone.
fn text_format((name, schema): (String, &Value), traits: Traits<'_>) -> TextFormat {
    let schema = match traits.maker {
        "anthropic" => closed_schema(schema).to_string(),
        _ => schema.to_string(),
    };
    TextFormat {
        r#type: "json_schema",
        structure: Structure::JsonSchema { schema, name },
    }
}

fn tools<'a>(
    offered: &'a [ToolSpec],
    in_tool: Option<(String, &'a Value)>,
    marks: &mut Marks<'_>,
) -> Vec<Tool<'a>> {
    let mut tools = Vec::new();
    for tool in offered {
        tools.push(Tool::ToolSpec {
            name: Cow::Borrowed(&tool.name),
            description: &tool.description,
            input_schema: Json {
                json: object_schema(&tool.parameters),
            },
        });
        tools.extend(marks.behind_tool(tool.cache).map(Tool::CachePoint));
    }
    tools.extend(in_tool.map(|(name, schema)| Tool::ToolSpec {
        name: Cow::Owned(name),
        description: "Gives the answer: its arguments are all of it.",
        input_schema: Json {
            json: object_schema(schema),
        },
    }));
    tools
}

/// `in_tool`: the tool whose input is the answer.
fn choice(asked: &ToolChoice, offered: &[ToolSpec], in_tool: Option<&String>) -> Option<Value> {
    match (in_tool, asked) {
        // Either another tool, or the answer; never a text.
        (Some(_), _) if !offered.is_empty() => Some(json!({"any": {}})),
        (Some(tool), _) => Some(json!({"tool": {"name": tool}})),
        (None, ToolChoice::Auto | ToolChoice::None) => None,
        (None, ToolChoice::Required) => Some(json!({"any": {}})),
        (None, ToolChoice::Tool(name)) => Some(json!({"tool": {"name": name}})),
    }
}

/// A name for the tool of the answer that no other tool has.
fn unlike(name: &str, tools: &[ToolSpec]) -> String {
    let mut name = name.to_owned();
    while tools.iter().any(|tool| tool.name == name) {
        name.push('_');
    }
    name
}
