//! Measures the engine: load time, prompt and answer speed. Usage: `speed MODEL.gguf [TOKENS]`.
#![allow(clippy::print_stdout, reason = "a measuring program prints its figures")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use greenroom_kernel::{ModelMessage, ModelRequest, ModelRole, OutputFormat, ToolCall};
use greenroom_provider_local::{Engine, Listener};
use serde_json::json;

struct Timed {
    first: Option<Instant>,
    text: String,
}

impl Listener for Timed {
    fn is_gone(&self) -> bool {
        false
    }

    fn text(&mut self, text: String) {
        self.first.get_or_insert_with(Instant::now);
        self.text.push_str(&text);
    }

    fn tool_call(&mut self, _: ToolCall) {}

    fn progress(&mut self) {}
}

fn asks(prompt: String, tokens: u32) -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, prompt)],
        max_tokens: Some(tokens),
        temperature: Some(0.0),
        ..ModelRequest::default()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("usage: speed MODEL.gguf [TOKENS]")?);
    let tokens = arguments.next().map_or(Ok(200), |n| n.parse::<u32>())?;

    let start = Instant::now();
    let mut engine = Engine::load(&path, &mut |_| {})?;
    println!(
        "load: {:.2} s, context window {}",
        start.elapsed().as_secs_f64(),
        engine.context_window()
    );

    let history =
        "The quick brown fox jumps over the lazy dog, then rests under an old oak tree. ".repeat(40);
    let prompts = [
        "What is the capital of France?".to_owned(),
        "Write a long story about a theatre in Lisbon and its ghost.".to_owned(),
        format!("Summarise this text in one sentence: {history}"),
    ];
    let schema = json!({
        "type": "object",
        "properties": {
            "title": {"type": "string", "minLength": 40},
            "scenes": {"type": "array", "items": {"type": "object", "properties": {
                "place": {"enum": ["stage", "attic", "street"]},
                "lines": {"type": "array", "items": {"type": "string"}, "minItems": 3},
            }, "required": ["place", "lines"]}, "minItems": 4},
        },
        "required": ["title", "scenes"],
    });
    let output = OutputFormat::JsonSchema {
        name: "play".to_owned(),
        schema,
    };
    let requests = prompts.map(|prompt| asks(prompt, tokens)).into_iter().chain([
        ModelRequest {
            output,
            ..asks(
                "Write a play about a theatre in Lisbon and its ghost.".to_owned(),
                tokens,
            )
        },
        // Any text will do, but each token is checked.
        ModelRequest {
            output: OutputFormat::Regex {
                pattern: "(?s:.*)".to_owned(),
            },
            ..asks(
                "Write a long story about a theatre in Lisbon and its ghost.".to_owned(),
                tokens,
            )
        },
    ]);
    for request in requests {
        let mut listener = Timed {
            first: None,
            text: String::new(),
        };
        let start = Instant::now();
        let answered = engine.answer(&request, &mut listener)?;
        let end = Instant::now();
        let first = listener.first.unwrap_or(end);
        println!("--- {:?}", listener.text);
        println!(
            "prompt: {} tokens read ({} remembered) in {:.3} s = {:.0} tokens/s; answer: {} tokens at {:.1} tokens/s ({:?})",
            answered.input_tokens,
            answered.cached_input_tokens,
            (first - start).as_secs_f64(),
            answered.input_tokens as f64 / (first - start).as_secs_f64(),
            answered.output_tokens,
            (answered.output_tokens.saturating_sub(1)) as f64 / (end - first).as_secs_f64(),
            answered.finish,
        );
    }
    Ok(())
}
