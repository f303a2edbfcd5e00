//! One call of a family: read as far as it must be, handed to the models or to an agent, and its answer begun.

use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use greenroom_kernel::{
    AgentName, CallContext, CallEvent, Caller as PaidBy, Principal, Readable, Resumed, Shown, Unreadable,
    WireCall, WireFamily, Wish,
};
use greenroom_provider_http::{AnswerWriter, Dialect, EdgeError, ErrorKind, Peeked, peek};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::answer::{self, Caller};
use super::held::Hold;
use super::own::{LONGEST_NAME, Own};
use super::refusal::Refused;
use super::{agent, context, cut, place};
use crate::gateway::Inner;
use crate::http::body;
use crate::request_id::RequestId;
use crate::trace::{Incoming, print};

/// What the model's name begins with where an agent is asked.
pub(super) const AGENT: &str = "agent:";
const CONTEXT: HeaderName = HeaderName::from_static("x-greenroom-context");

/// What a provider of the family should see of its caller's headers; none of it carries credentials.
const OF_ANTHROPIC: [HeaderName; 2] = [
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
];
const OF_OPENAI: [HeaderName; 1] = [HeaderName::from_static("openai-beta")];

/// Answers a call. Until the answer has content its status waits, within the time that a request has.
pub(super) async fn call(
    inner: &Arc<Inner>,
    dialect: Arc<dyn Dialect>,
    who: Arc<Principal>,
    request: Request,
    request_id: &RequestId,
) -> Result<Response, Refused> {
    let (head, body) = request.into_parts();
    let limit = inner.config.v1_max_body_bytes;
    let body = body::read(&inner.config, limit, &head.headers, body).await;
    let asked = Asked::of(&*dialect, &head.headers, body.map_err(Refused::unread)?)?;
    let incoming = Incoming::of(&head.headers);
    let label = place::Place::Call(dialect.family()).label();
    let span = incoming.v1_span(request_id, &who, label);
    let place = incoming.place(&span, &*inner.random);
    let cancel = CancellationToken::new();
    let hold = Hold {
        span: span.clone(),
        _cancel: cancel.clone().drop_guard(),
        patience: (head.version == Version::HTTP_2)
            .then(|| (inner.config.write_timeout, inner.door.tasks.clone())),
    };
    let context = asked.material.clone();
    let answering = async {
        let named = asked.peeked.model.as_deref();
        match named.and_then(|model| model.strip_prefix(AGENT)) {
            Some(name) => {
                let name = AgentName::parse(name).map_err(|_| agent::unknown())?;
                let asking = agent::answer(inner, dialect, who, name, asked, print(&place), hold);
                Box::pin(asking).await
            }
            None => model(inner, dialect, (who, request_id), asked, cancel, hold).await,
        }
    };
    // It goes through several hands: boxed, it is moved but once.
    let answering = Box::pin(answering);
    let answering = greenroom_telemetry::within_trace(place.clone(), answering).instrument(span);
    let patience = inner.config.request_timeout;
    let answered = tokio::time::timeout(patience, answering).await;
    let mut response = answered.unwrap_or_else(|_elapsed| {
        let seconds = patience.as_secs();
        let why = format!("no answer within {seconds} s, which is what a request may take");
        Err(EdgeError::new(ErrorKind::Timeout, why).into())
    })?;
    if let Some(ids) = context {
        response.headers_mut().insert(CONTEXT, ids);
    }
    Ok(response)
}

/// A request, as far as the door must know it.
pub(super) struct Asked {
    /// As the provider sees it, but for the model's name.
    pub(super) body: Bytes,
    pub(super) peeked: Peeked,
    pub(super) own: Own,
    /// The ids of the blocks that were put in, where some were handed over.
    material: Option<HeaderValue>,
}

impl Asked {
    pub(super) fn of(dialect: &dyn Dialect, headers: &HeaderMap, mut body: Bytes) -> Result<Self, Refused> {
        let family = dialect.family();
        let mut peeked = peek(family, &body, passed_on(family, headers))?;
        if peeked
            .model
            .as_ref()
            .is_some_and(|model| model.len() > LONGEST_NAME)
        {
            let why = format!("at most {LONGEST_NAME} bytes");
            return Err(Unreadable::at("model", why).into());
        }
        let own = Own::of(headers, peeked.greenroom.as_deref())?;
        let mut material = None;
        if let Some(member) = peeked.greenroom.take() {
            body = cut::without(&body, &member);
            if let Some(blocks) = &own.context {
                if family == WireFamily::OpenAiEmbeddings {
                    let why = "it goes with conversations: texts to be embedded have none";
                    return Err(Unreadable::at("greenroom.context", why).into());
                }
                let (text, used) = context::material(blocks, own.context_tokens());
                // Ids are always a header's value.
                material = HeaderValue::from_str(&used.join(",")).ok();
                if !used.is_empty() {
                    body = injected(dialect, &body, &text)?;
                }
            }
            peeked = peek(family, &body, peeked.raw.headers)?;
        }
        Ok(Self {
            body,
            peeked,
            own,
            material,
        })
    }
}

/// The request with `text` before its conversation.
fn injected(dialect: &dyn Dialect, body: &[u8], text: &str) -> Result<Bytes, Unreadable> {
    let unreadable = |error: serde_json::Error| {
        Unreadable::new(format!("no context can be put into this request: {error}"))
    };
    let mut request: Map<String, Value> = serde_json::from_slice(body).map_err(unreadable)?;
    dialect.inject(&mut request, text);
    Ok(serde_json::to_vec(&request).map_err(unreadable)?.into())
}

fn passed_on(family: WireFamily, headers: &HeaderMap) -> HeaderMap {
    let names: &[HeaderName] = match family {
        WireFamily::AnthropicMessages => &OF_ANTHROPIC,
        WireFamily::OpenAiChat | WireFamily::OpenAiResponses | WireFamily::OpenAiEmbeddings => &OF_OPENAI,
    };
    let mut passed = HeaderMap::new();
    for name in names {
        for value in headers.get_all(name) {
            passed.append(name, value.clone());
        }
    }
    passed
}

/// Reads a request when somebody must know what it wishes.
struct Words {
    dialect: Arc<dyn Dialect>,
    body: Bytes,
    read: OnceLock<Result<Wish, Unreadable>>,
}

impl Readable for Words {
    fn wish(&self) -> Result<Wish, Unreadable> {
        self.read.get_or_init(|| self.dialect.read(&self.body)).clone()
    }

    fn resumed(&self, shown: &Shown) -> Option<Box<dyn Resumed>> {
        let writer = self.dialect.resumed(&self.body, shown)?;
        Some(Box::new(Rest(writer)))
    }
}

/// The rest of a stream that a target of the caller's family began.
struct Rest(Box<dyn AnswerWriter>);

impl Resumed for Rest {
    fn event(&mut self, event: &CallEvent, out: &mut Vec<u8>) {
        self.0.event(event, out);
    }
}

async fn model(
    inner: &Arc<Inner>,
    dialect: Arc<dyn Dialect>,
    (who, request_id): (Arc<Principal>, &RequestId),
    asked: Asked,
    cancel: CancellationToken,
    hold: Hold,
) -> Result<Response, Refused> {
    let Asked {
        body, peeked, own, ..
    } = asked;
    let Peeked { model, raw, .. } = peeked;
    let caller = Caller {
        inner: Arc::clone(inner),
        dialect: Arc::clone(&dialect),
        body: body.clone(),
        model: model.clone(),
        stream: raw.stream,
    };
    // A stream may take as long as a model call may; who waits for the whole waits as long as a request may take.
    let deadline = (!raw.stream).then(|| inner.door.clock.now().after(inner.config.request_timeout));
    let payer = PaidBy {
        session: own.session.clone(),
        request: Some(request_id.as_str().into()),
        ..PaidBy::new(who.tenant.clone(), who.subject.clone())
    };
    let context = CallContext {
        deadline,
        cancel,
        affinity: own.affinity(),
        narrowing: own.narrowing,
        caller: Some(Arc::new(payer)),
    };
    let is_named = model.is_some();
    let readable = Arc::new(Words {
        dialect,
        body,
        read: OnceLock::new(),
    });
    let call = WireCall { model, raw, readable };
    let served = Arc::clone(&inner.door.models).serve(call, context).await;
    let served = served.map_err(|failed| named(failed.into(), is_named))?;
    answer::of_model(caller, served, hold).await
}

/// What isn't found is the model, unless none was named.
pub(super) fn named(error: EdgeError, is_named: bool) -> Refused {
    if error.kind != ErrorKind::NotFound || error.answered.is_some() {
        return error.into();
    }
    if is_named {
        return Refused::no_model(error.message);
    }
    Unreadable::at("model", "name a model: GET /v1/models lists them").into()
}
