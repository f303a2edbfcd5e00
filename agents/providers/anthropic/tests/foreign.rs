//! The adapter against servers of this wire that somebody else wrote: npm's `@copilotkit/aimock`, and llama.cpp with a
//! small model.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail where it stands"
)]

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use greenroom_kernel::{
    CallContext, Clock, FaultClass, FinishReason, ModelBackend, ModelEvent, ModelMessage, ModelRequest,
    ModelRole, OutputFormat, ProviderFault, RelaySign, Timestamp, ToolSpec, Usage, WireFamily,
};
use greenroom_provider_anthropic::{AnthropicBackend, AnthropicConfig, ApiKey};
use greenroom_provider_http::{HeaderMap, peek};
use serde_json::json;
use tokio_util::sync::CancellationToken;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

struct Foreign {
    child: Child,
    url: String,
    _fixtures: tempfile::TempDir,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parts() -> PathBuf {
    let parts = std::env::var_os("GREENROOM_TEST_PARTS").expect("run by `cargo xtask test`");
    parts.into()
}

/// Starts a server, and waits until it tells where it listens.
fn started(command: &mut Command, fixtures: tempfile::TempDir) -> Foreign {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("listening on ")?.1.to_owned()))
        .expect("it tells where it listens");
    Foreign {
        child,
        url,
        _fixtures: fixtures,
    }
}

fn mock() -> Foreign {
    let fixtures = tempfile::tempdir().unwrap();
    let said = json!({"fixtures": [
        {"match": {"toolCallId": "toolu_1"}, "response": {"content": "Sunny."}},
        {"match": {"userMessage": "capital"}, "response":
            {"content": "The capital is Paris, théré.", "usage": {"input_tokens": 12, "output_tokens": 7}}},
        {"match": {"userMessage": "weather", "toolName": "weather"}, "response": {"toolCalls": [
            {"name": "weather", "arguments": "{\"city\":\"Paris\"}"},
            {"name": "weather", "arguments": "{\"city\":\"Rome\"}"}]}},
        {"match": {"userMessage": "busy"}, "response":
            {"error": {"message": "Overloaded", "type": "overloaded_error"}, "status": 529}},
    ]});
    std::fs::write(fixtures.path().join("said.json"), said.to_string()).unwrap();
    let mut command = Command::new(parts().join("model-mock/node_modules/.bin/llmock"));
    command
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--strict",
            "--validate-on-load",
            "--fixtures",
        ])
        .arg(fixtures.path());
    started(&mut command, fixtures)
}

/// One thread: it is as fast as several where others work too.
const LLAMA: &str = r#"
import os, socket, sys
from xllamacpp import CommonParams, Server
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
params = CommonParams()
params.model.path = os.environ["GREENROOM_MODEL_PATH"]
params.hostnames = ["127.0.0.1"]
params.port = port
params.n_parallel = 1
params.n_ctx = 512
params.cpuparams.n_threads = 1
server = Server(params)
print(f"listening on http://127.0.0.1:{port}", flush=True)
sys.stdin.read()
"#;

fn llama() -> Foreign {
    let mut command = Command::new(parts().join("python/bin/python"));
    command
        .args(["-c", LLAMA])
        .stdin(Stdio::piped())
        .stderr(Stdio::null());
    started(&mut command, tempfile::tempdir().unwrap())
}

fn backend(server: &Foreign) -> AnthropicBackend {
    let config = AnthropicConfig {
        api_key: Some(ApiKey::new("sk-ant-test")),
        ..AnthropicConfig::new("anthropic", server.url.clone())
    };
    AnthropicBackend::new(config, Arc::new(FixedClock)).unwrap()
}

fn asked(text: &str) -> ModelRequest {
    ModelRequest {
        messages: vec![
            ModelMessage::text(ModelRole::System, "be brief"),
            ModelMessage::text(ModelRole::User, text),
        ],
        tools: vec![ToolSpec {
            name: "weather".into(),
            description: "tells the weather".into(),
            parameters: json!({"type": "object", "properties": {"city": {"type": "string"}}}),
            cache: None,
        }],
        ..ModelRequest::default()
    }
}

/// What is told in the end, progress left out and text joined.
async fn told(
    backend: &AnthropicBackend,
    request: &ModelRequest,
) -> Result<(String, Vec<ModelEvent>), ProviderFault> {
    let context = CallContext {
        deadline: None,
        cancel: CancellationToken::new(),
        ..CallContext::default()
    };
    let stream = backend.call("claude-test", request, &context).await?;
    let events = tokio::time::timeout(Duration::from_secs(60), stream.collect::<Vec<_>>());
    let (mut text, mut rest) = (String::new(), Vec::new());
    for event in events.await.expect("an end in time") {
        match event? {
            ModelEvent::Content(piece) => text.push_str(&piece),
            ModelEvent::Progress | ModelEvent::Used(_) => {}
            other => rest.push(other),
        }
    }
    Ok((text, rest))
}

/// What a caller's own request brings back, and how it ends.
async fn relayed(backend: &AnthropicBackend, stream: bool) -> (String, RelaySign) {
    let body = json!({"model": "mine", "max_tokens": 50, "stream": stream,
        "messages": [{"role": "user", "content": "the capital?"}]});
    let body = body.to_string().into_bytes().into();
    let request = peek(WireFamily::AnthropicMessages, &body, HeaderMap::new()).unwrap();
    let context = CallContext::default();
    let answer = backend
        .relay("claude-test", &request.raw, &context)
        .await
        .unwrap();
    let frames = tokio::time::timeout(Duration::from_secs(60), answer.frames.collect::<Vec<_>>());
    let frames: Vec<_> = frames.await.unwrap().into_iter().map(Result::unwrap).collect();
    let bytes: Vec<&[u8]> = frames.iter().map(|frame| &frame.bytes[..]).collect();
    let end = frames.last().unwrap().sign;
    (String::from_utf8(bytes.concat()).unwrap(), end)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs @copilotkit/aimock, which `cargo xtask test` installs"]
async fn a_mock_that_somebody_else_wrote_is_understood() {
    let mock = tokio::task::spawn_blocking(mock).await.unwrap();
    let backend = backend(&mock);

    backend.probe().await.unwrap();
    assert!(!backend.models().is_empty());

    let (text, rest) = told(&backend, &asked("the capital?")).await.unwrap();
    assert_eq!(text, "The capital is Paris, théré.");
    let usage = Usage {
        input_tokens: 12,
        output_tokens: 7,
        ..Usage::default()
    };
    let end = ModelEvent::End {
        finish: FinishReason::Stop,
        usage: Some(usage),
    };
    assert_eq!(rest, [end]);

    let mut request = asked("the weather?");
    let (text, mut rest) = told(&backend, &request).await.unwrap();
    assert_eq!(text, "");
    assert!(matches!(
        rest.pop(),
        Some(ModelEvent::End {
            finish: FinishReason::ToolCalls,
            ..
        })
    ));
    let mut calls: Vec<_> = rest
        .into_iter()
        .filter_map(|event| match event {
            ModelEvent::ToolCall(call) => Some(call),
            _ => None,
        })
        .collect();
    let arguments: Vec<_> = calls.iter().map(|call| call.arguments.as_str()).collect();
    assert_eq!(arguments, ["{\"city\":\"Paris\"}", "{\"city\":\"Rome\"}"]);

    for (call, id) in calls.iter_mut().zip(["toolu_0", "toolu_1"]) {
        call.id = id.to_owned();
    }
    request.messages.push(ModelMessage {
        tool_calls: calls,
        ..ModelMessage::text(ModelRole::Assistant, "")
    });
    for id in ["toolu_0", "toolu_1"] {
        request.messages.push(ModelMessage {
            tool_call_id: Some(id.to_owned()),
            ..ModelMessage::text(ModelRole::Tool, "sun")
        });
    }
    assert_eq!(told(&backend, &request).await.unwrap().0, "Sunny.");

    for stream in [true, false] {
        let (body, end) = relayed(&backend, stream).await;
        assert!(body.contains("théré"), "{body}");
        let usage = Usage {
            input_tokens: 12,
            output_tokens: 7,
            ..Usage::default()
        };
        let finish = FinishReason::Stop;
        assert_eq!(
            end,
            RelaySign::End {
                finish,
                usage: Some(usage)
            }
        );
    }

    let busy = told(&backend, &asked("busy?")).await.unwrap_err();
    assert_eq!(busy.class, FaultClass::Overloaded);
    let unmatched = told(&backend, &asked("something else")).await.unwrap_err();
    assert_eq!(unmatched.provider, "anthropic");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs xllamacpp and the small model, which `cargo xtask test` installs"]
async fn llama_cpp_is_understood_and_not_believed_where_it_passes_a_schema_over() {
    let llama = tokio::task::spawn_blocking(llama).await.unwrap();
    // It closes a kept connection after a stream and doesn't say so: a new one each time.
    let fresh = || backend(&llama);
    let probed = fresh();
    probed.probe().await.unwrap();
    assert_eq!(probed.models().len(), 1);

    let plain = |text: &str| ModelRequest {
        tools: Vec::new(),
        temperature: Some(0.0),
        max_tokens: Some(200),
        ..asked(text)
    };
    let short = ModelRequest {
        max_tokens: Some(3),
        ..plain("Tell me about the sea.")
    };
    let (text, rest) = told(&fresh(), &short).await.unwrap();
    assert!(!text.is_empty());
    let [
        ModelEvent::End {
            finish: FinishReason::Length,
            usage: Some(usage),
        },
    ] = rest.as_slice()
    else {
        panic!("{rest:?}");
    };
    assert_eq!(usage.output_tokens, 3);
    assert!(usage.input_tokens > 5, "{usage:?}");

    let long = told(&fresh(), &plain(&"word ".repeat(2000))).await.unwrap_err();
    assert_eq!(long.class, FaultClass::ContextLength, "{long}");

    let document = ModelRequest {
        output: OutputFormat::JsonSchema {
            name: "greeting".into(),
            schema: json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}),
        },
        ..plain("Say hello in three words.")
    };
    // Should it hold to a schema one day, the answer is a document.
    match told(&fresh(), &document).await {
        Ok((text, _)) => assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}"),
        Err(fault) => assert_eq!(fault.class, FaultClass::BadRequest, "{fault}"),
    }
}
