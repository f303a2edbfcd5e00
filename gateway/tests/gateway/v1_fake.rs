//! Models that do as they are told, and dialects whose words are easily read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use greenroom_kernel::*;
use greenroom_provider_http::{AnswerHead, AnswerWriter, Dialect, EdgeError};
use http::{HeaderMap, HeaderName, Request};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::{Reply, Running, SOON};
use crate::fake_rows as rows;

/// What the next call comes to.
pub(crate) enum Does {
    Whole(&'static str),
    Relays(BoxStream<'static, Result<Bytes, CallFailure>>),
    Speaks(BoxStream<'static, Result<CallEvent, CallFailure>>),
    Embeds(Vec<Vec<f32>>),
    Fails(CallFailure),
    /// Reads the request, as a target of another family must.
    Reads,
    Never,
}

/// A call as it came.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) call: WireCall,
    pub(crate) context: CallContext,
    /// The span that it was made in.
    pub(crate) span: tracing::Span,
}

impl Call {
    /// The request as a provider would get it, were its model named the same.
    pub(crate) fn body(&self) -> String {
        let RawRequest {
            before, model, after, ..
        } = &self.call.raw;
        String::from_utf8([&before[..], model, after].concat()).unwrap()
    }
}

#[derive(Default)]
pub(crate) struct FakeModels {
    pub(crate) does: Mutex<VecDeque<Does>>,
    calls: Mutex<Vec<Call>>,
}

impl FakeModels {
    pub(crate) fn will(&self, does: Does) {
        self.does.lock().push_back(does);
    }

    /// The pieces of the next call are sent by hand.
    pub(crate) fn relays(&self) -> mpsc::Sender<Result<Bytes, CallFailure>> {
        let (sender, pieces) = mpsc::channel(1);
        self.will(Does::Relays(ReceiverStream::new(pieces).boxed()));
        sender
    }

    /// The events of the next call are sent by hand.
    pub(crate) fn speaks(&self) -> mpsc::Sender<Result<CallEvent, CallFailure>> {
        let (sender, events) = mpsc::channel(1);
        self.will(Does::Speaks(ReceiverStream::new(events).boxed()));
        sender
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    pub(crate) fn forget(&self) {
        self.calls.lock().clear();
    }

    /// The only call, once it has come.
    pub(crate) async fn called(&self) -> Call {
        let come = async {
            loop {
                if let Some(call) = self.calls.lock().first() {
                    return call.clone();
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(SOON, come).await.unwrap()
    }
}

#[async_trait]
impl Models for FakeModels {
    async fn call(
        &self,
        _request: &ModelRequest,
        _context: &CallContext,
        _on_content: &mut (dyn for<'p> FnMut(ContentPiece<'p>) + Send),
    ) -> Result<ModelAnswer, Failure> {
        Err(Failure::internal("nobody calls this here"))
    }

    async fn serve(self: Arc<Self>, call: WireCall, context: CallContext) -> Result<Served, CallFailure> {
        let does = self.does.lock().pop_front().unwrap();
        self.calls.lock().push(Call {
            call: call.clone(),
            context,
            span: tracing::Span::current(),
        });
        let mut headers = HeaderMap::new();
        let media = if call.raw.stream {
            "text/event-stream; charset=utf-8"
        } else {
            "application/json"
        };
        headers.insert("content-type", media.parse().unwrap());
        headers.insert("openai-processing-ms", "7".parse().unwrap());
        let answer = match does {
            Does::Whole(body) => ServedAnswer::Whole {
                headers,
                body: Bytes::from_static(body.as_bytes()),
            },
            Does::Relays(pieces) => ServedAnswer::Relayed { headers, pieces },
            Does::Speaks(events) => ServedAnswer::Spoken(events),
            Does::Embeds(vectors) => ServedAnswer::Embedded {
                vectors: Embeddings { vectors, usage: None },
            },
            Does::Fails(failed) => return Err(failed),
            Does::Reads => match call.readable.wish() {
                Ok(_) => return Err(Failure::internal("it was readable").into()),
                Err(unreadable) => return Err(Failure::bad_input(unreadable.message).into()),
            },
            Does::Never => std::future::pending().await,
        };
        let by = ServedBy {
            provider: "main".into(),
            model: "large".into(),
            tries: 2,
        };
        Ok(Served { by, answer })
    }

    async fn count_tokens(&self, call: WireCall, context: CallContext) -> Result<TokenCount, CallFailure> {
        let does = self.does.lock().pop_front().unwrap();
        self.calls.lock().push(Call {
            call: call.clone(),
            context,
            span: tracing::Span::current(),
        });
        match does {
            Does::Whole(body) => Ok(TokenCount::Told {
                by: ServedBy {
                    provider: "main".into(),
                    model: "large".into(),
                    tries: 1,
                },
                body: Bytes::from_static(body.as_bytes()),
            }),
            Does::Reads => match call.readable.wish() {
                Ok(_) => Ok(TokenCount::Estimated { tokens: 7 }),
                Err(unreadable) => Err(Failure::bad_input(unreadable.message).into()),
            },
            Does::Fails(failed) => Err(failed),
            _ => panic!("no count"),
        }
    }

    fn estimate(&self, _request: &ModelRequest) -> Usage {
        Usage::default()
    }

    fn providers(&self) -> Vec<ProviderStatus> {
        // One that the supervisor tells too, and one of its own.
        let own = ProviderStatus {
            node: "gateway-1".into(),
            ..rows::provider()
        };
        vec![rows::provider(), own]
    }

    fn listing(&self) -> Vec<ModelListing> {
        let can = Capabilities {
            context_window: Some(8_192),
            ..Capabilities::default()
        };
        let model = ModelListing {
            id: "main/large".to_owned(),
            provider: Some("main".to_owned()),
            can,
        };
        let route = ModelListing {
            id: "default".to_owned(),
            provider: None,
            can: Capabilities::default(),
        };
        vec![route, model]
    }
}

/// A dialect that names its family in everything it says.
struct Plain(WireFamily);

pub(crate) fn dialects() -> Vec<Arc<dyn Dialect>> {
    let families = [
        WireFamily::OpenAiChat,
        WireFamily::OpenAiResponses,
        WireFamily::OpenAiEmbeddings,
        WireFamily::AnthropicMessages,
    ];
    families
        .into_iter()
        .map(|family| Arc::new(Plain(family)) as Arc<dyn Dialect>)
        .collect()
}

impl Dialect for Plain {
    fn family(&self) -> WireFamily {
        self.0
    }

    fn read(&self, body: &[u8]) -> Result<Wish, Unreadable> {
        #[derive(serde::Deserialize)]
        struct Request {
            messages: Vec<ModelMessage>,
            #[serde(default)]
            tools: Vec<ToolSpec>,
            #[serde(default)]
            output: OutputFormat,
            #[serde(default)]
            injected: Option<String>,
        }
        let Request {
            mut messages,
            tools,
            output,
            injected,
        } = serde_json::from_slice(body)
            .map_err(|error| Unreadable::at("messages", format!("unreadable: {error}")))?;
        let injected = injected.map(|text| ModelMessage::text(ModelRole::System, text));
        messages.splice(0..0, injected);
        Ok(Wish::Answer(Arc::new(ModelRequest {
            messages,
            tools,
            output,
            ..ModelRequest::default()
        })))
    }

    fn writer(&self, _body: &[u8], head: AnswerHead) -> Box<dyn AnswerWriter> {
        Box::new(PlainWriter(head))
    }

    fn embeddings(&self, body: &[u8], head: &AnswerHead, vectors: &Embeddings) -> Vec<u8> {
        let body = serde_json::from_slice::<Value>(body).unwrap();
        json!({ "model": head.model, "of": body["input"], "vectors": vectors.vectors })
            .to_string()
            .into_bytes()
    }

    fn error(&self, error: &EdgeError) -> Vec<u8> {
        json!({
            "family": format!("{:?}", self.0),
            "kind": format!("{:?}", error.kind),
            "message": error.message,
            "param": error.param,
            "code": error.code,
        })
        .to_string()
        .into_bytes()
    }

    fn inject(&self, request: &mut Map<String, Value>, text: &str) {
        request.insert("injected".to_owned(), Value::from(text));
    }
}

struct PlainWriter(AnswerHead);

impl AnswerWriter for PlainWriter {
    fn begin(&mut self, out: &mut Vec<u8>) {
        assert_eq!((self.0.id.len(), self.0.created.as_secs()), (32, 1_767_268_800));
        out.extend_from_slice(format!("begin {}\n", self.0.model).as_bytes());
    }

    fn event(&mut self, event: &CallEvent, out: &mut Vec<u8>) {
        let line = match event {
            CallEvent::Text(text) => format!("text {text}\n"),
            CallEvent::End(answer) => format!("end {} of {}\n", answer.content, answer.usage.total_tokens()),
            // As families do that have no words for it.
            CallEvent::Thinking(_) | CallEvent::ToolCall(_) => return,
        };
        out.extend_from_slice(line.as_bytes());
    }

    fn fail(&mut self, error: &EdgeError, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("fail {:?} {}\n", error.kind, error.message).as_bytes());
    }

    fn whole(&mut self, answer: &ModelAnswer) -> Vec<u8> {
        let finish = format!("{:?}", answer.finish);
        json!({ "model": self.0.model, "said": answer.content, "finish": finish, "by": answer.model })
            .to_string()
            .into_bytes()
    }
}

/// A finished answer.
pub(crate) fn end(content: &str) -> CallEvent {
    CallEvent::End(Box::new(ModelAnswer {
        content: content.to_owned(),
        reasoning: vec![],
        tool_calls: vec![],
        finish: FinishReason::Stop,
        usage: crate::fake_rows::usage(),
        provider: "main".to_owned(),
        model: "large".to_owned(),
    }))
}

/// A call that failed with an upstream's own answer.
pub(crate) fn answered(class: FaultClass, status: u16, body: &'static str) -> CallFailure {
    let answer = ErrorAnswer {
        status,
        code: Some("its_code".to_owned()),
        body: Some(Bytes::from_static(body.as_bytes())),
    };
    let fault = ProviderFault {
        answered: Some(Box::new(answer)),
        ..ProviderFault::new("main", class, "it said no")
    };
    CallFailure {
        failure: Failure::from(fault.clone()),
        fault: Some(Box::new(fault)),
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap();
}

impl Running {
    /// A call under `/v1`.
    pub(crate) fn v1(
        &self,
        path: &str,
        body: impl Into<Body>,
        headers: &[(&'static str, &str)],
    ) -> Request<Body> {
        let mut request = Request::post(self.url(path)).body(body.into()).unwrap();
        let map = request.headers_mut();
        map.insert("content-type", "application/json".parse().unwrap());
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        request
    }

    pub(crate) async fn ask(&self, path: &str, body: &str, headers: &[(&'static str, &str)]) -> Reply {
        self.send(self.v1(path, body.to_owned(), headers)).await
    }

    pub(crate) async fn chat(&self, body: &str) -> Reply {
        self.ask("/v1/chat/completions", body, &[]).await
    }
}
