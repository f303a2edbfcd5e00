use std::path::PathBuf;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use greenroom_kernel::{ModelRequest, ModelRole};

use super::*;

const WIDTH: usize = 64;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_SIZE: usize = 16;
const HIDDEN: usize = 320;
const LAYERS: usize = 2;
const WINDOW: u32 = 512;
const CONTROL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// A model file of arbitrary weights whose tokens are single bytes and the control tokens.
struct TinyModel {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

/// The characters of byte-level tokens, in the order of their bytes' ids after the control tokens.
fn byte_characters() -> Vec<char> {
    let printable = |byte: &u32| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0u32..256).filter(|byte| !printable(byte)).count();
    let shifted = (0x100u32..).take(others);
    (0u32..256)
        .filter(printable)
        .chain(shifted)
        .filter_map(char::from_u32)
        .collect()
}

fn metadata() -> Vec<(&'static str, Value)> {
    let bytes = byte_characters()
        .into_iter()
        .map(|character| Value::String(character.to_string()));
    let tokens: Vec<Value> = CONTROL.into_iter().map(text).chain(bytes).collect();
    let kinds = (0..tokens.len())
        .map(|id| Value::I32(if id < CONTROL.len() { 3 } else { 1 }))
        .collect();
    let count = |n: usize| Value::U32(u32::try_from(n).unwrap());
    vec![
        ("general.architecture", text("llama")),
        ("llama.block_count", count(LAYERS)),
        ("llama.context_length", Value::U32(WINDOW)),
        ("llama.embedding_length", count(WIDTH)),
        ("llama.attention.head_count", count(HEADS)),
        ("llama.attention.head_count_kv", count(KV_HEADS)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("smollm")),
        ("tokenizer.ggml.tokens", Value::Array(tokens)),
        ("tokenizer.ggml.token_type", Value::Array(kinds)),
        ("tokenizer.ggml.merges", Value::Array(Vec::new())),
        ("tokenizer.ggml.eos_token_id", Value::U32(2)),
    ]
}

/// Numbers without a pattern that matters, the same every time.
fn weight(rows: usize, columns: usize, seed: usize, format: GgmlDType) -> QTensor {
    let number = |n: usize| ((n * 7_919 + seed * 104_729) as f32 * 0.618).sin() * 0.3;
    let data: Vec<f32> = (0..rows * columns).map(number).collect();
    QTensor::quantize(
        &Tensor::from_vec(data, (rows, columns), &Device::Cpu).unwrap(),
        format,
    )
    .unwrap()
}

fn norm() -> QTensor {
    QTensor::quantize(
        &Tensor::from_vec(vec![1f32; WIDTH], WIDTH, &Device::Cpu).unwrap(),
        GgmlDType::F32,
    )
    .unwrap()
}

fn tiny_model_with(change: impl FnOnce(&mut Vec<(&'static str, Value)>)) -> TinyModel {
    let mut metadata = metadata();
    change(&mut metadata);
    let mut tensors = vec![
        (
            "token_embd.weight".to_owned(),
            weight(CONTROL.len() + 256, WIDTH, 1, GgmlDType::Q8_0),
        ),
        ("output_norm.weight".to_owned(), norm()),
    ];
    for layer in 0..LAYERS {
        let mut add = |part: &str, tensor| tensors.push((format!("blk.{layer}.{part}.weight"), tensor));
        add("attn_norm", norm());
        add("ffn_norm", norm());
        let matrices = [
            ("attn_q", HEADS * HEAD_SIZE, WIDTH),
            ("attn_k", KV_HEADS * HEAD_SIZE, WIDTH),
            ("attn_v", KV_HEADS * HEAD_SIZE, WIDTH),
            ("attn_output", WIDTH, HEADS * HEAD_SIZE),
            ("ffn_gate", HIDDEN, WIDTH),
            ("ffn_up", HIDDEN, WIDTH),
            ("ffn_down", WIDTH, HIDDEN),
        ];
        for (seed, (part, rows, columns)) in matrices.into_iter().enumerate() {
            add(
                part,
                weight(rows, columns, 10 * (layer + 1) + seed, GgmlDType::Q4_1),
            );
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor))
        .collect();
    let mut file = std::fs::File::create(&path).unwrap();
    gguf_file::write(&mut file, &metadata, &tensors).unwrap();
    TinyModel {
        _folder: folder,
        path,
    }
}

fn tiny_engine() -> Engine {
    Engine::load(&tiny_model_with(|_| {}).path, &mut |_| {}).unwrap()
}

/// Listens until it has heard enough.
struct Heard {
    text: String,
    pieces: usize,
    enough: usize,
    progress: usize,
    calls: Vec<ToolCall>,
}

impl Heard {
    fn until(enough: usize) -> Self {
        Self {
            text: String::new(),
            pieces: 0,
            enough,
            progress: 0,
            calls: Vec::new(),
        }
    }
}

impl Listener for Heard {
    fn is_gone(&self) -> bool {
        self.pieces >= self.enough
    }

    fn text(&mut self, text: String) {
        assert!(!text.is_empty());
        self.text.push_str(&text);
        self.pieces += 1;
    }

    fn tool_call(&mut self, call: ToolCall) {
        self.calls.push(call);
    }

    fn progress(&mut self) {
        self.progress += 1;
    }
}

mod forms;

fn asks(text: &str, max_tokens: u32) -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, text)],
        max_tokens: Some(max_tokens),
        temperature: Some(0.0),
        ..ModelRequest::default()
    }
}

fn furthest(one: &[f32], other: &[f32]) -> f32 {
    one.iter()
        .zip(other)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn reading_at_once_in_parts_or_after_going_back_gives_the_same_scores() {
    let mut model = tiny_engine().model;
    let tokens: Vec<u32> = (0..60).map(|n| (n * 37) % 259).collect();
    let at_once = model.forward(&tokens).unwrap();
    let spread = furthest(&at_once, &vec![0.0; at_once.len()]);
    for parts in [&[30, 30][..], &[59, 1], &[1, 1, 58], &[25, 10, 25]] {
        model.truncate(0);
        let mut rest = tokens.as_slice();
        let mut scores = Vec::new();
        for part in parts {
            let (now, later) = rest.split_at(*part);
            scores = model.forward(now).unwrap();
            rest = later;
        }
        let off = furthest(&scores, &at_once);
        assert!(
            off < 0.05 * spread,
            "in parts of {parts:?}: off by {off}, scores go up to {spread}"
        );
    }
    model.forward(&[7, 8, 9]).unwrap();
    model.truncate(40);
    let off = furthest(&model.forward(&tokens[40..]).unwrap(), &at_once);
    assert!(off < 0.05 * spread, "after going back: off by {off}");
    model.truncate(40);
    let changed = model.forward(&tokens[39..59]).unwrap();
    assert!(
        furthest(&changed, &at_once) > 0.05 * spread,
        "other tokens give other scores"
    );
}

#[test]
fn an_answer_has_at_most_the_tokens_asked_for_and_tells_its_usage() {
    let mut engine = tiny_engine();
    let request = asks("Tell me something", 9);
    let prompt = engine.count_tokens(&request.messages).unwrap() as u64;
    let mut heard = Heard::until(usize::MAX);
    let answered = engine.answer(&request, &mut heard).unwrap();
    let expected = Answered {
        finish: FinishReason::Length,
        input_tokens: prompt,
        cached_input_tokens: 0,
        output_tokens: 9,
    };
    assert_eq!(answered, expected);
    let mut again = Heard::until(usize::MAX);
    assert_eq!(
        engine.answer(&request, &mut again).unwrap(),
        expected,
        "a repeatable answer is not made from memory"
    );
    assert_eq!(again.text, heard.text);
}

#[test]
fn a_conversation_that_goes_on_is_read_from_where_it_goes_on() {
    let mut engine = tiny_engine();
    let request = ModelRequest {
        temperature: None,
        ..asks("Tell me something", 3)
    };
    let first = engine.answer(&request, &mut Heard::until(usize::MAX)).unwrap();
    let again = engine.answer(&request, &mut Heard::until(usize::MAX)).unwrap();
    assert_eq!(
        (again.input_tokens, again.cached_input_tokens),
        (1, first.input_tokens - 1)
    );
    let other = ModelRequest {
        temperature: None,
        ..asks("Something else", 3)
    };
    let third = engine.answer(&other, &mut Heard::until(usize::MAX)).unwrap();
    assert!(
        third.cached_input_tokens < first.input_tokens - 5 && third.input_tokens > 5,
        "{third:?}"
    );
}

#[test]
fn the_answer_ends_where_the_context_window_does() {
    let mut engine = tiny_engine();
    let window = engine.context_window();
    assert_eq!(window, 512);
    let mut request = asks("", 10_000);
    let empty = engine.count_tokens(&request.messages).unwrap();
    let full = "a".repeat(window - empty - 5);
    request.messages[0].content = full.clone().into();
    let mut heard = Heard::until(usize::MAX);
    let answered = engine.answer(&request, &mut heard).unwrap();
    assert_eq!(
        (answered.finish, answered.output_tokens),
        (FinishReason::Length, 5)
    );
    assert_eq!(
        heard.progress,
        (window - 5 - 1) / PROMPT_CHUNK,
        "long prompts tell that they are being read"
    );
    request.messages[0].content = (full + "aaaaa").into();
    let error = engine.answer(&request, &mut heard).unwrap_err();
    assert!(
        matches!(
            error,
            EngineError::ContextLength {
                prompt: 512,
                window: 512
            }
        ),
        "{error}"
    );
}

#[test]
fn a_caller_that_leaves_gets_no_further_token() {
    let mut engine = tiny_engine();
    let mut heard = Heard::until(2);
    let error = engine
        .answer(&asks("Tell me something", 100), &mut heard)
        .unwrap_err();
    assert!(matches!(error, EngineError::Cancelled));
    assert_eq!(heard.pieces, 2);
    let mut gone = Heard::until(0);
    assert!(matches!(
        engine.answer(&asks("Hi", 100), &mut gone),
        Err(EngineError::Cancelled)
    ));
}

#[test]
fn control_tokens_spelled_by_people_are_text() {
    let engine = tiny_engine();
    let forged = "<|im_end|>";
    assert_eq!(engine.vocabulary.encode(forged).unwrap().len(), forged.len());
    assert_eq!(engine.vocabulary.encode("1é").unwrap().len(), 3);
    let bytes: Vec<u8> = engine
        .vocabulary
        .encode("Zürich 🎭\n")
        .unwrap()
        .into_iter()
        .flat_map(|id| engine.vocabulary.bytes(id))
        .collect();
    assert_eq!(bytes, "Zürich 🎭\n".as_bytes());
}

#[test]
fn loading_tells_its_progress_up_to_the_end() {
    let mut seen = Vec::new();
    Engine::load(&tiny_model_with(|_| {}).path, &mut |share| seen.push(share)).unwrap();
    assert!(seen.is_sorted() && seen.len() > 10);
    assert_eq!(seen.last(), Some(&1.0));
}

#[test]
fn files_that_cannot_be_run_are_refused_with_the_reason() {
    let set = |key: &'static str, value: Value| {
        tiny_model_with(move |metadata| {
            metadata.retain(|(name, _)| *name != key);
            metadata.push((key, value));
        })
    };
    let drop_key =
        |key: &'static str| tiny_model_with(move |metadata| metadata.retain(|(name, _)| *name != key));
    let unnamed: Vec<Value> = (0..259).map(|n| Value::String(format!("t{n}"))).collect();
    let cases = [
        (
            set("general.architecture", text("mamba")),
            "its architecture is mamba",
        ),
        (set("tokenizer.ggml.pre", text("martian")), "rules of martian"),
        (set("tokenizer.ggml.model", text("unigram")), "unigram"),
        (
            set("tokenizer.ggml.tokens", Value::Array(unnamed)),
            "no <|im_start|> token",
        ),
        (
            set("llama.attention.head_count_kv", Value::U32(3)),
            "4 heads on 3",
        ),
        (
            set("llama.rope.dimension_count", Value::U32(8)),
            "rotates 8 of 16",
        ),
        (drop_key("llama.block_count"), "llama.block_count"),
    ];
    for (model, expected) in cases {
        let error = Engine::load(&model.path, &mut |_| {}).unwrap_err();
        assert!(matches!(error, EngineError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn files_that_are_damaged_or_missing_are_refused() {
    let whole = tiny_model_with(|_| {});
    let bytes = std::fs::read(&whole.path).unwrap();
    for length in [0, 3, 40, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&whole.path, &bytes[..length]).unwrap();
        let error = Engine::load(&whole.path, &mut |_| {}).unwrap_err();
        assert!(
            matches!(error, EngineError::Format { .. }),
            "cut to {length}: {error}"
        );
    }
    std::fs::remove_file(&whole.path).unwrap();
    assert!(matches!(
        Engine::load(&whole.path, &mut |_| {}),
        Err(EngineError::Open { .. })
    ));
}
