//! Who calls `/v1`, in the words of a family.

use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::{Value, json};

use super::judge::{self, Verdict};
use super::words::{Family, TOOL};

/// Nothing may take longer.
const PATIENCE: Duration = Duration::from_secs(80);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wish {
    pub(super) is_streamed: bool,
    pub(super) with_tool: bool,
    pub(super) deterministic: bool,
    /// Told apart from other calls' by this.
    pub(super) number: u32,
}

/// What came of a call.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) verdict: Verdict,
    /// Who answered, and the tries until then, as the gateway says.
    pub(super) provider: String,
    pub(super) tries: Option<u32>,
    pub(super) took: Duration,
}

impl Heard {
    fn nothing(why: String, began: Instant) -> Self {
        Self {
            verdict: Verdict::Wrong(why),
            provider: String::new(),
            tries: None,
            took: began.elapsed(),
        }
    }
}

/// A client with connections of its own.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    http: reqwest::Client,
    base: String,
}

impl Caller {
    pub(super) fn new(base: &str) -> Self {
        // A server closes what was idle for long: whoever uses it just then is unlucky.
        let idle = Duration::from_secs(3);
        let http = reqwest::Client::builder().no_proxy().pool_idle_timeout(idle);
        Self {
            http: http.build().unwrap(),
            base: base.to_owned(),
        }
    }

    /// The request of one call, not yet sent.
    pub(super) fn request(&self, family: Family, model: &str, wish: Wish) -> reqwest::RequestBuilder {
        let (path, body) = asked(family, model, wish);
        self.http
            .post(format!("{}{path}", self.base))
            .header("anthropic-version", "2023-06-01")
            .json(&body)
    }

    /// Asks, reads to the end, and judges.
    pub(super) async fn ask(&self, family: Family, model: &str, wish: Wish) -> Heard {
        let began = Instant::now();
        let heard = tokio::time::timeout(PATIENCE, self.read(family, model, wish, began)).await;
        heard.unwrap_or_else(|_| Heard::nothing(format!("no end within {PATIENCE:?}"), began))
    }

    async fn read(&self, family: Family, model: &str, wish: Wish, began: Instant) -> Heard {
        let response = match self.request(family, model, wish).send().await {
            Ok(response) => response,
            Err(error) => return Heard::nothing(format!("no answer: {error:?}"), began),
        };
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let provider = header("x-greenroom-provider");
        let tries = header("x-greenroom-tries").parse().ok();
        let retry_after = header("retry-after").parse().ok();
        let status = response.status().as_u16();
        let is_stream = header("content-type").starts_with("text/event-stream");
        let (mut body, mut is_torn) = (Vec::new(), false);
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => body.extend_from_slice(&piece),
                Err(_) => is_torn = true,
            }
        }
        let verdict = match (status, is_stream) {
            (200, true) if wish.is_streamed => judge::stream(family, &body, is_torn),
            (200, false) if !wish.is_streamed && !is_torn => judge::whole(family, &body),
            (400.., false) if !is_torn => judge::error(family, status, retry_after, &body),
            _ => Verdict::Wrong(format!(
                "status {status}, a stream: {is_stream}, torn: {is_torn}: {}",
                String::from_utf8_lossy(&body[..body.len().min(300)])
            )),
        };
        Heard {
            verdict,
            provider,
            tries,
            took: began.elapsed(),
        }
    }
}

fn asked(family: Family, model: &str, wish: Wish) -> (&'static str, Value) {
    let Wish {
        is_streamed,
        with_tool,
        deterministic,
        number,
    } = wish;
    let said = format!("count, for the {number}th time");
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let (path, mut body, tool) = match family {
        Family::Chat => {
            let mut body = json!({"model": model, "messages": [{"role": "user", "content": said}]});
            if is_streamed {
                body["stream_options"] = json!({"include_usage": true});
            }
            let function = json!({"name": TOOL, "description": "looks up", "parameters": schema});
            (
                "/v1/chat/completions",
                body,
                json!({"type": "function", "function": function}),
            )
        }
        Family::Responses => (
            "/v1/responses",
            json!({"model": model, "input": said}),
            json!({"type": "function", "name": TOOL, "description": "looks up", "parameters": schema, "strict": false}),
        ),
        Family::Messages => (
            "/v1/messages",
            json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": said}]}),
            json!({"name": TOOL, "description": "looks up", "input_schema": schema}),
        ),
        Family::Bedrock => unreachable!("nobody calls in Bedrock's words"),
    };
    if is_streamed {
        body["stream"] = true.into();
    }
    if with_tool {
        body["tools"] = json!([tool]);
    }
    if deterministic {
        body["temperature"] = json!(0);
    }
    (path, body)
}
