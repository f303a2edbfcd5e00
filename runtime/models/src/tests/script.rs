//! A provider that does what its script says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use greenroom_kernel::{
    CallContext, EmbeddingInput, EmbeddingRequest, Embeddings, ErrorAnswer, FaultClass, FinishReason,
    ModelBackend, ModelEvent, ModelInfo, ModelRequest, ModelStream, ProviderFault, RawRequest, RelayAnswer,
    RelayFrame, RelaySign, Reported, Shown, ToolCall, Transcript, Usage, WireFamily,
};
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use tokio::time::Instant;

#[derive(Debug, Clone)]
pub(super) enum Act {
    Say(&'static str),
    Think(&'static str),
    Tool,
    Work,
    Wait(Duration),
    Hang,
    /// Spends of what the runtime lets a task do at a time.
    Spend,
    Break(FaultClass),
    /// The model isn't there.
    NotFound,
    Panic,
    /// Tells what was used until then.
    Tell(Reported),
    End(Option<Usage>),
}

/// One call's script: what happens before the stream, then what the stream does.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    pub(super) opening: Vec<Act>,
    pub(super) stream: Vec<Act>,
}

pub(super) fn streams(acts: &[Act]) -> Script {
    Script {
        opening: Vec::new(),
        stream: acts.to_vec(),
    }
}

pub(super) fn refuses(class: FaultClass) -> Script {
    Script {
        opening: vec![Act::Break(class)],
        stream: Vec::new(),
    }
}

pub(super) fn says(text: &'static str) -> Script {
    streams(&[Act::Say(text), Act::End(Some(USED))])
}

pub(super) const USED: Usage = Usage {
    input_tokens: 10,
    cached_input_tokens: 0,
    cache_write_tokens: 0,
    output_tokens: 5,
    reasoning_tokens: 0,
    cost_usd: None,
    estimated: false,
};

pub(super) struct Scripted {
    name: String,
    models: Mutex<Vec<ModelInfo>>,
    scripts: Mutex<VecDeque<Script>>,
    /// What calls beyond the scripts do.
    pub(super) otherwise: Mutex<Script>,
    pub(super) retry_after: Mutex<Option<Duration>>,
    pub(super) probe: Mutex<Option<FaultClass>>,
    pub(super) probes: AtomicU32,
    calls: Mutex<Vec<Duration>>,
    /// What it answers who asks for a count; none: it counts nothing.
    pub(super) counting: Mutex<Option<Result<&'static str, FaultClass>>>,
    /// How long vectors take.
    pub(super) embeds_for: Mutex<Duration>,
    /// The inputs of each request for vectors.
    pub(super) embedded: Mutex<Vec<Vec<EmbeddingInput>>>,
    requests: Mutex<Vec<ModelRequest>>,
    pub(super) open: Arc<AtomicU32>,
    relays: AtomicBool,
    origin: Instant,
}

/// Counts a backend's calls that are alive.
struct Alive(Arc<AtomicU32>);

impl Alive {
    fn new(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scripted {
    pub(super) fn new(name: &str, scripts: Vec<Script>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            models: Mutex::new(vec![ModelInfo::named(format!("{name}-m"))]),
            scripts: Mutex::new(scripts.into()),
            otherwise: Mutex::new(says("more")),
            retry_after: Mutex::default(),
            probe: Mutex::default(),
            probes: AtomicU32::new(0),
            calls: Mutex::default(),
            counting: Mutex::default(),
            embeds_for: Mutex::default(),
            embedded: Mutex::default(),
            requests: Mutex::default(),
            open: Arc::default(),
            relays: AtomicBool::new(false),
            origin: Instant::now(),
        })
    }

    /// Takes requests of the OpenAI chat family as they are: its texts are frames, its work is lifecycle.
    pub(super) fn relaying(self: Arc<Self>) -> Arc<Self> {
        self.relays.store(true, Ordering::SeqCst);
        self
    }

    pub(super) fn with_window(self: Arc<Self>, window: u32) -> Arc<Self> {
        for model in self.models.lock().iter_mut() {
            model.can.context_window = Some(window);
        }
        self
    }

    pub(super) fn serve(&self, models: &[&str]) {
        let info = |name: &&str| ModelInfo::named(*name);
        *self.models.lock() = models.iter().map(info).collect();
    }

    /// Its models go on from what an assistant's message says.
    pub(super) fn prefilling(self: Arc<Self>) -> Arc<Self> {
        for model in self.models.lock().iter_mut() {
            model.can.prefill = Some(true);
        }
        self
    }

    /// What it was asked.
    pub(super) fn requests(&self) -> Vec<ModelRequest> {
        self.requests.lock().clone()
    }

    /// When it was called.
    pub(super) fn calls(&self) -> Vec<Duration> {
        self.calls.lock().clone()
    }

    fn fault(&self, class: FaultClass) -> ProviderFault {
        ProviderFault {
            provider: self.name.clone(),
            class,
            message: format!("scripted {class:?}"),
            retry_after: *self.retry_after.lock(),
            answered: None,
        }
    }
}

async fn act(
    act: Act,
    fault: impl Fn(FaultClass) -> ProviderFault,
) -> Option<Result<ModelEvent, ProviderFault>> {
    Some(match act {
        Act::Say(text) => Ok(ModelEvent::Content(text.into())),
        Act::Think(text) => Ok(ModelEvent::Thinking(text.into())),
        Act::Tool => Ok(ModelEvent::ToolCall(ToolCall {
            id: "c".into(),
            name: "f".into(),
            arguments: "{}".into(),
        })),
        Act::Work => Ok(ModelEvent::Progress),
        Act::Wait(time) => {
            tokio::time::sleep(time).await;
            return None;
        }
        Act::Spend => {
            tokio::task::consume_budget().await;
            return None;
        }
        Act::Hang => std::future::pending().await,
        Act::Break(class) => Err(fault(class)),
        Act::NotFound => Err(ProviderFault {
            answered: Some(Box::new(ErrorAnswer {
                status: 404,
                code: None,
                body: None,
            })),
            ..fault(FaultClass::HardDown)
        }),
        Act::Panic => panic!("scripted panic"),
        Act::Tell(reported) => Ok(ModelEvent::Used(reported)),
        Act::End(usage) => Ok(ModelEvent::End {
            finish: FinishReason::Stop,
            usage,
        }),
    })
}

/// What was shown of a relayed answer: its text, and whether there were thoughts.
#[derive(Default)]
struct Noted(Mutex<String>, AtomicBool);

impl Transcript for Noted {
    fn shown(&self) -> Option<Shown> {
        Some(Shown {
            text: self.0.lock().clone(),
            thoughts: self.1.load(Ordering::SeqCst),
            place: "here".into(),
        })
    }
}

#[async_trait]
impl ModelBackend for Scripted {
    fn name(&self) -> &str {
        &self.name
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.models.lock().clone()
    }

    fn relays(&self, family: WireFamily) -> bool {
        family == WireFamily::OpenAiChat && self.relays.load(Ordering::SeqCst)
    }

    fn counts(&self, _: WireFamily) -> bool {
        self.counting.lock().is_some()
    }

    async fn count_tokens(&self, _: &str, _: &RawRequest, _: &CallContext) -> Result<Bytes, ProviderFault> {
        let answer = self.counting.lock().unwrap();
        let answer = answer.map_err(|class| self.fault(class))?;
        Ok(Bytes::from_static(answer.as_bytes()))
    }

    async fn embed(
        &self,
        _: &str,
        request: &EmbeddingRequest,
        _: &CallContext,
    ) -> Result<Embeddings, ProviderFault> {
        let _alive = Alive::new(&self.open);
        self.embedded.lock().push(request.inputs.clone());
        let wait = *self.embeds_for.lock();
        tokio::time::sleep(wait).await;
        let length = |input: &EmbeddingInput| match input {
            EmbeddingInput::Text(text) => text.len(),
            EmbeddingInput::Tokens(tokens) => tokens.len(),
        };
        if request.inputs.contains(&EmbeddingInput::Text("bad".into())) {
            return Err(self.fault(FaultClass::BadRequest));
        }
        Ok(Embeddings {
            vectors: request
                .inputs
                .iter()
                .map(|input| vec![length(input) as f32])
                .collect(),
            usage: Some(USED),
        })
    }

    async fn relay(
        &self,
        model: &str,
        raw: &RawRequest,
        context: &CallContext,
    ) -> Result<RelayAnswer, ProviderFault> {
        let shown = Arc::new(Noted::default());
        let noted = Arc::clone(&shown);
        let frame = move |event| {
            let (bytes, sign) = match event {
                ModelEvent::Content(text) => {
                    noted.0.lock().push_str(&text);
                    let said = u32::try_from(text.len()).unwrap();
                    (text, RelaySign::Content { said })
                }
                ModelEvent::End { finish, usage } => ("end".to_owned(), RelaySign::End { finish, usage }),
                ModelEvent::Used(reported) => (String::new(), RelaySign::Used(reported)),
                ModelEvent::Thinking(text) => {
                    noted.1.store(true, Ordering::SeqCst);
                    (text, RelaySign::Content { said: 1 })
                }
                _ => ("role ".to_owned(), RelaySign::Lifecycle),
            };
            RelayFrame {
                bytes: bytes.into(),
                sign,
            }
        };
        let events = self.call(model, &ModelRequest::default(), context).await?;
        let mut headers = HeaderMap::new();
        headers.insert("x-stream", HeaderValue::from(u16::from(raw.stream)));
        Ok(RelayAnswer {
            headers,
            quota: None,
            frames: events.map(move |event| event.map(&frame)).boxed(),
            transcript: Some(shown),
        })
    }

    async fn call(
        &self,
        _: &str,
        request: &ModelRequest,
        _: &CallContext,
    ) -> Result<ModelStream, ProviderFault> {
        self.requests.lock().push(request.clone());
        self.calls.lock().push(self.origin.elapsed());
        let alive = Alive::new(&self.open);
        let script = self.scripts.lock().pop_front();
        let script = script.unwrap_or_else(|| self.otherwise.lock().clone());
        for step in script.opening {
            if let Some(Err(fault)) = act(step, |class| self.fault(class)).await {
                return Err(fault);
            }
        }
        let sample = self.fault(FaultClass::Transient);
        let stream = futures::stream::iter(script.stream)
            .filter_map(move |step| {
                let sample = sample.clone();
                act(step, move |class| ProviderFault {
                    class,
                    ..sample.clone()
                })
            })
            .map(move |event| {
                let _alive = &alive;
                event
            });
        Ok(stream.boxed())
    }

    async fn probe(&self) -> Result<(), ProviderFault> {
        self.probes.fetch_add(1, Ordering::SeqCst);
        match *self.probe.lock() {
            Some(class) => Err(self.fault(class)),
            None => Ok(()),
        }
    }
}
