//! What is sent, judged by somebody who knows the interface: botocore's model of the service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail where it stands"
)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    CacheFor, CallContext, Clock, Content, Effort, ImageSource, ModelBackend, ModelMessage, ModelRequest,
    ModelRole, OutputFormat, Part, Reasoning, ReasoningWish, Seal, Timestamp, ToolCall, ToolChoice, ToolSpec,
};
use greenroom_provider_bedrock::{BedrockBackend, BedrockConfig, Credentials, SharedCredentialsProvider};
use greenroom_provider_http::testkit::{Fake, answer};
use serde_json::{Value, json};

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

const MODELS: [&str; 6] = [
    "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
    "us.anthropic.claude-opus-5-5",
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "us.amazon.nova-2-lite-v1:0",
    "openai.gpt-oss-20b-1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
];

/// Everything that can be said, in every choice.
fn requests() -> Vec<ModelRequest> {
    let text = |text: &str, cache| Part::Text {
        text: text.into(),
        cache,
    };
    let image = || Part::Image {
        source: ImageSource::Base64 {
            media_type: "image/png".into(),
            data: "iVBORw0KGgo=".into(),
        },
        detail: None,
        cache: Some(CacheFor::Minutes5),
    };
    let thought = |value| {
        let family = "bedrock".into();
        Part::Reasoning(Reasoning {
            text: "hm".into(),
            seal: Some(Seal { family, value }),
        })
    };
    let parts = |role, parts| ModelMessage::new(role, Content::Parts(parts));
    let result = |id: &str, is_error| ModelMessage {
        tool_call_id: Some(id.into()),
        is_error,
        ..parts(ModelRole::Tool, vec![text("42", Some(CacheFor::Hour1)), image()])
    };
    let call = |id: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: "add".into(),
        arguments: arguments.into(),
    };
    let assistant = ModelMessage {
        tool_calls: vec![call("t1", r#"{"a":1}"#), call("t2", "garbled")],
        ..parts(
            ModelRole::Assistant,
            vec![
                thought(json!({"maker": "anthropic", "signature": "s"})),
                thought(json!({"maker": "anthropic", "redacted": "aGk="})),
                text("adding", None),
            ],
        )
    };
    let full = ModelRequest {
        messages: vec![
            parts(ModelRole::System, vec![text("be brief", Some(CacheFor::Hour1))]),
            parts(ModelRole::User, vec![text("what is it?", None), image()]),
            assistant,
            result("t1", false),
            result("t2", true),
            ModelMessage::text(ModelRole::User, "well?"),
        ],
        max_tokens: Some(4096),
        temperature: Some(0.5),
        top_p: Some(0.9),
        seed: Some(7),
        stop: vec!["END".into()],
        tools: vec![ToolSpec {
            name: "add".into(),
            description: "adds".into(),
            parameters: json!({"type": "object", "properties": {"a": {"type": "number"}}}),
            cache: Some(CacheFor::Minutes5),
        }],
        reasoning: Some(ReasoningWish::Effort(Effort::High)),
        parallel_tools: Some(false),
        end_user: Some("u".into()),
        ..ModelRequest::default()
    };
    let output = OutputFormat::JsonSchema {
        name: "doc".into(),
        schema: json!({"type": "object", "properties": {"a": {"type": "string"}}}),
    };
    let choices = [
        ToolChoice::Auto,
        ToolChoice::None,
        ToolChoice::Required,
        ToolChoice::Tool("add".into()),
    ];
    let mut requests = Vec::new();
    for tool_choice in choices {
        for output in [OutputFormat::Text, output.clone()] {
            requests.push(ModelRequest {
                tool_choice: tool_choice.clone(),
                output,
                ..full.clone()
            });
        }
    }
    requests.push(ModelRequest {
        tools: Vec::new(),
        output,
        reasoning: Some(ReasoningWish::Off),
        ..full
    });
    requests.push(ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, "hi")],
        ..ModelRequest::default()
    });
    requests
}

/// What is sent for every request to every model, by the service's two operations.
async fn sent() -> Vec<Value> {
    let headers = "content-type: application/json\r\nx-amzn-errortype: ValidationException\r\n";
    let refused = || answer(400, headers, r#"{"message":"not supported in streaming mode"}"#);
    let requests = requests();
    let fake = Fake::start(
        (0..2 * requests.len() * MODELS.len())
            .map(|_| refused())
            .collect(),
    )
    .await;
    let credentials = Credentials::new("AKIDFORATEST", "secret-for-a-test", None, None, "a test");
    let config = BedrockConfig {
        region: Some("eu-central-1".to_owned()),
        endpoint_url: Some(format!("http://{}", fake.address)),
        credentials: Some(SharedCredentialsProvider::new(credentials)),
        ..BedrockConfig::new("bedrock")
    };
    let backend = BedrockBackend::new(config, Arc::new(FixedClock));
    for model in MODELS {
        for request in &requests {
            let refused = backend.call(model, request, &CallContext::default()).await;
            assert!(refused.is_err());
        }
    }
    let seen = fake.seen();
    assert_eq!(seen.len(), 2 * requests.len() * MODELS.len());
    let told = |seen: &greenroom_provider_http::testkit::Seen| {
        let path = seen.head.split(' ').nth(1).unwrap();
        let operation = match path.ends_with("/converse-stream") {
            true => "ConverseStream",
            false => "Converse",
        };
        json!({"operation": operation, "path": path, "body": seen.body})
    };
    seen.iter().map(told).collect()
}

fn judged(requests: &[Value]) -> Vec<String> {
    let parts: PathBuf = std::env::var_os("GREENROOM_TEST_PARTS")
        .expect("run by `cargo xtask test`")
        .into();
    let mut judge = Command::new(parts.join("python/bin/python"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shapes.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let mut into = judge.stdin.take().unwrap();
    let writing = std::thread::spawn(move || into.write_all(lines.as_bytes()).unwrap());
    let output = judge.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().map(str::to_owned).collect()
}

#[tokio::test]
#[ignore = "needs botocore, which `cargo xtask test` installs"]
async fn every_request_is_what_botocore_says_that_the_service_takes() {
    let requests = sent().await;
    let verdicts = judged(&requests);
    assert_eq!(verdicts.len(), requests.len());
    for (request, verdict) in requests.iter().zip(verdicts) {
        assert_eq!(verdict, "ok", "{request:#}");
    }
}

#[tokio::test]
#[ignore = "needs botocore, which `cargo xtask test` installs"]
async fn the_judge_finds_what_is_wrong() {
    let body = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let asked = |path: &str, body: Value| json!({"operation": "Converse", "path": path, "body": body});
    let wrong = [
        asked("/model/m/converse", body(json!([{"txt": "hi"}]))),
        asked(
            "/model/m/converse",
            body(json!([{"text": "hi", "image": {"format": "png", "source": {"bytes": "aGk="}}}])),
        ),
        asked(
            "/model/m/converse",
            body(json!([{"image": {"format": "tiff", "source": {"bytes": "aGk="}}}])),
        ),
        asked(
            "/model/m/converse",
            json!({"messages": [], "inferenceConfig": {"temperature": 2.0}}),
        ),
        asked("/model/m/invoke", body(json!([{"text": "hi"}]))),
    ];
    for (request, verdict) in wrong.iter().zip(judged(&wrong)) {
        assert_ne!(verdict, "ok", "{request:#}");
    }
}
