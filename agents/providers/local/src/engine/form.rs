//! The form that a request asks of its answer: its grammar, and what the model is told of it.

use greenroom_kernel::{ModelRequest, OutputFormat, ToolChoice, ToolSpec};
use llguidance::JsonCompileOptions;
use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use serde_json::{Map, Value, json};

use super::bounds::narrowed;
use super::error::EngineError;
use super::guide::{Guide, Guides};
use super::outlet::{CALL_END, CALL_START, CallsAt};

/// Bytes that the schemas of a request may have together.
const MOST_SCHEMA_BYTES: usize = 64 * 1024;
/// How deep a schema may be nested.
const MOST_DEPTH: usize = 32;
/// References that a schema may hold.
const MOST_REFERENCES: usize = 256;
/// Bytes of a regular expression.
const MOST_PATTERN_BYTES: usize = 4 * 1024;
/// Tools of a request.
const MOST_TOOLS: usize = 64;
/// Bytes of a schema that is shown to the model; a longer one only holds it.
const SHOWN_SCHEMA_BYTES: usize = 2 * 1024;

/// The form of one answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form<'a> {
    output: &'a OutputFormat,
    /// What the model is told of.
    tools: &'a [ToolSpec],
    /// What it may call.
    callable: &'a [ToolSpec],
    /// Whether it must call one.
    must_call: bool,
}

impl<'a> Form<'a> {
    /// Reads a request; refuses what can't be held, by name.
    pub(crate) fn of(request: &'a ModelRequest) -> Result<Self, EngineError> {
        let (tools, output) = (request.tools.as_slice(), &request.output);
        let (callable, must_call) = match &request.tool_choice {
            ToolChoice::Auto => (tools, false),
            ToolChoice::None => (&[][..], false),
            ToolChoice::Required => (tools, true),
            ToolChoice::Tool(name) => {
                let chosen = tools.iter().position(|tool| tool.name == *name);
                let at = chosen
                    .ok_or_else(|| refused(format!("the tool {name:?} was chosen and is not offered")))?;
                (&tools[at..=at], true)
            }
        };
        if must_call && callable.is_empty() {
            return Err(refused(
                "a tool call is required and no tool is offered".to_owned(),
            ));
        }
        if tools.len() > MOST_TOOLS {
            return Err(refused(format!(
                "{} tools are offered; at most {MOST_TOOLS} can be",
                tools.len()
            )));
        }
        let mut bytes = 0;
        for tool in tools {
            bytes +=
                checked(&tool.parameters).map_err(|what| refused(format!("tool {:?}: {what}", tool.name)))?;
        }
        match output {
            OutputFormat::Text => {}
            OutputFormat::JsonSchema { name, schema } => {
                bytes += checked(schema).map_err(|what| refused(format!("schema {name:?}: {what}")))?;
            }
            OutputFormat::Regex { pattern } if pattern.len() > MOST_PATTERN_BYTES => {
                let length = pattern.len();
                let what =
                    format!("the pattern has {length} bytes; at most {MOST_PATTERN_BYTES} can be held");
                return Err(refused(what));
            }
            OutputFormat::Regex { .. } => {}
        }
        if bytes > MOST_SCHEMA_BYTES {
            let what =
                format!("the request's schemas have {bytes} bytes; at most {MOST_SCHEMA_BYTES} can be held");
            return Err(refused(what));
        }
        Ok(Self {
            output,
            tools,
            callable,
            must_call,
        })
    }

    /// Whether text that ends before the grammar does lacks the form that was asked for.
    pub(crate) fn is_strict(&self) -> bool {
        self.must_call || !self.output.is_text()
    }

    /// Where the answer may call a tool.
    pub(crate) fn calls_at(&self) -> CallsAt {
        match (self.callable.is_empty(), self.is_strict()) {
            (true, _) => CallsAt::Nowhere,
            (false, true) => CallsAt::Start,
            (false, false) => CallsAt::Anywhere,
        }
    }

    /// What holds an answer of at most `tokens` to the form; none where any text will do.
    pub(crate) fn guide(&self, guides: &Guides, tokens: usize) -> Result<Option<Guide>, EngineError> {
        if self.tools.is_empty() && self.output.is_text() {
            return Ok(None);
        }
        let tokens = tokens as u64;
        // As the caller wrote it first: its word on what is not supported is the clearest, and only a schema whose
        // choices exclude each other before they are narrowed does so after.
        let whole = guides
            .guide(self.grammar(&Value::clone))
            .map_err(|what| refused(self.blamed(guides).unwrap_or(what)))?;
        let narrow = |patterns| guides.guide(self.grammar(&|schema| narrowed(schema, tokens, patterns)));
        Ok(Some(narrow(true).or_else(|_| narrow(false)).unwrap_or(whole)))
    }

    /// Which part of the request the compiler can't hold, and why.
    fn blamed(&self, guides: &Guides) -> Option<String> {
        let alone = |grammar: GrammarWithLexer| guides.guide(TopLevelGrammar::from_grammar(grammar)).err();
        let tool = |tool: &ToolSpec| {
            let grammar = json_grammar("arguments".to_owned(), arguments_schema(&tool.parameters));
            alone(grammar).map(|what| format!("tool {:?}: {what}", tool.name))
        };
        let output = match self.output {
            OutputFormat::Text => None,
            OutputFormat::JsonSchema { name, schema } => {
                alone(json_grammar("output".to_owned(), schema.clone()))
                    .map(|what| format!("schema {name:?}: {what}"))
            }
            OutputFormat::Regex { pattern } => alone(GrammarWithLexer::from_regex(whole_match(pattern))),
        };
        output.or_else(|| self.callable.iter().find_map(tool))
    }

    fn grammar(&self, prepare: &dyn Fn(&Value) -> Value) -> TopLevelGrammar {
        let mut rules = vec![self.start().to_owned()];
        let mut schemas = Vec::new();
        if !self.callable.is_empty() {
            let names: Vec<String> = (0..self.callable.len()).map(|n| format!("tool_{n}")).collect();
            rules.push(format!("call: {} body", quoted(CALL_START)));
            rules.push(format!(
                "body: \"\\n\" ({}) {}",
                names.join(" | "),
                quoted(&format!("\n{CALL_END}"))
            ));
            for (n, tool) in self.callable.iter().enumerate() {
                let opening = format!("{{\"name\": {}, \"arguments\": ", Value::from(tool.name.as_str()));
                rules.push(format!("tool_{n}: {} @arguments_{n} \"}}\"", quoted(&opening)));
                let arguments = prepare(&arguments_schema(&tool.parameters));
                schemas.push(json_grammar(format!("arguments_{n}"), arguments));
            }
        }
        rules.push(format!("head[suffix={}]: /(?s:.*)/", quoted(CALL_START)));
        rules.push(format!("TEXT: /(?s:.*)/ & ~/(?s:.*){CALL_START}(?s:.*)/"));
        match self.output {
            OutputFormat::Text => {}
            OutputFormat::JsonSchema { schema, .. } => {
                schemas.push(json_grammar("output".to_owned(), prepare(schema)));
            }
            OutputFormat::Regex { pattern } => {
                let mut grammar = GrammarWithLexer::from_regex(whole_match(pattern));
                grammar.name = Some("output".to_owned());
                schemas.push(grammar);
            }
        }
        let mut grammars = vec![GrammarWithLexer::from_lark(rules.join("\n"))];
        grammars.extend(schemas);
        TopLevelGrammar {
            grammars,
            max_tokens: None,
        }
    }

    fn start(&self) -> &'static str {
        match (self.output.is_text(), self.callable.is_empty(), self.must_call) {
            (_, _, true) => "start: call",
            (true, true, false) => "start: TEXT",
            (true, false, false) => "start: head body | TEXT",
            (false, true, false) => "start: @output",
            (false, false, false) => "start: call | @output",
        }
    }

    /// What the model is told besides its instructions; empty where there is nothing to tell.
    pub(crate) fn briefing(&self) -> String {
        let mut told = Vec::new();
        if !self.tools.is_empty() {
            let mut lines = vec!["You can call these tools:".to_owned()];
            for tool in self.tools {
                let ToolSpec {
                    name,
                    description,
                    parameters,
                    ..
                } = tool;
                lines.push(format!("- {name}: {description} Arguments: {parameters}"));
            }
            lines.push("To call one, answer with nothing but:".to_owned());
            lines.push(format!(
                "{CALL_START}\n{{\"name\": \"tool\", \"arguments\": {{}}}}\n{CALL_END}"
            ));
            told.push(lines.join("\n"));
        }
        match self.output {
            OutputFormat::JsonSchema { schema, .. } => {
                let schema = schema.to_string();
                told.push(match schema.len() <= SHOWN_SCHEMA_BYTES {
                    true => format!("Answer in JSON that fits this schema: {schema}"),
                    false => "Answer in JSON.".to_owned(),
                });
            }
            OutputFormat::Text | OutputFormat::Regex { .. } => {}
        }
        told.join("\n\n")
    }
}

fn refused(what: String) -> EngineError {
    EngineError::Form { what }
}

/// A text as a literal of the grammar's notation.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The same expression without anchors that a match of the whole text makes superfluous: the compiler knows none.
fn whole_match(pattern: &str) -> &str {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    match pattern.strip_suffix('$') {
        Some(rest) if rest.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0 => rest,
        _ => pattern,
    }
}

/// A tool's arguments are an object, even where its schema leaves that out.
fn arguments_schema(parameters: &Value) -> Value {
    let mut schema = match parameters {
        Value::Object(schema) => schema.clone(),
        Value::Null | Value::Bool(true) => Map::new(),
        other => return other.clone(),
    };
    let elsewhere = ["type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"];
    if !elsewhere.iter().any(|word| schema.contains_key(*word)) {
        schema.insert("type".to_owned(), json!("object"));
    }
    Value::Object(schema)
}

/// One value on one line, as small models have read it most.
fn json_grammar(name: String, mut schema: Value) -> GrammarWithLexer {
    let options = JsonCompileOptions {
        item_separator: ", ".to_owned(),
        key_separator: ": ".to_owned(),
        whitespace_flexible: false,
        ..JsonCompileOptions::default()
    };
    if schema == Value::Bool(true) {
        schema = json!({});
    }
    if schema.is_object() {
        options.apply_to(&mut schema);
    }
    GrammarWithLexer {
        name: Some(name),
        json_schema: Some(schema),
        lark_grammar: None,
    }
}

/// The size of a schema that the compiler can be given; else what is wrong with it.
fn checked(schema: &Value) -> Result<usize, String> {
    let mut references = 0;
    let mut open = vec![(schema, 1)];
    while let Some((value, depth)) = open.pop() {
        if depth > MOST_DEPTH {
            return Err(format!("it is nested deeper than {MOST_DEPTH}"));
        }
        match value {
            Value::Object(members) => {
                references += usize::from(members.contains_key("$ref"));
                open.extend(members.values().map(|value| (value, depth + 1)));
            }
            Value::Array(values) => open.extend(values.iter().map(|value| (value, depth + 1))),
            _ => {}
        }
    }
    match references > MOST_REFERENCES {
        true => Err(format!(
            "it holds {references} references; at most {MOST_REFERENCES} can be followed"
        )),
        false => Ok(schema.to_string().len()),
    }
}
