//! A provider that does what its script says, and a world around it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use greenroom_kernel::{
    BreakerConfig, CallContext, Clock, ContentPiece, Failure, FaultClass, FinishReason, ModelAnswer,
    ModelBackend, ModelEvent, ModelInfo, ModelMessage, ModelRequest, ModelRole, ModelStream, Models,
    ProviderFault, Randomness, Timestamp, ToolCall, Usage,
};
use greenroom_supervision::{Environment, Root, SupervisorSpec};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{MetricsSink, ModelRouter, ModelsConfig, Ports, ProviderSpec, TryRecord};

#[derive(Debug, Clone)]
pub(super) enum Act {
    Say(&'static str),
    Tool,
    Work,
    Wait(Duration),
    Hang,
    Break(FaultClass),
    Panic,
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
    pub(super) open: Arc<AtomicU32>,
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
            models: Mutex::new(vec![ModelInfo {
                name: format!("{name}-m"),
                context_window: None,
            }]),
            scripts: Mutex::new(scripts.into()),
            otherwise: Mutex::new(says("more")),
            retry_after: Mutex::default(),
            probe: Mutex::default(),
            probes: AtomicU32::new(0),
            calls: Mutex::default(),
            open: Arc::default(),
            origin: Instant::now(),
        })
    }

    pub(super) fn with_window(self: Arc<Self>, window: u32) -> Arc<Self> {
        for model in self.models.lock().iter_mut() {
            model.context_window = Some(window);
        }
        self
    }

    pub(super) fn serve(&self, models: &[&str]) {
        let info = |name: &&str| ModelInfo {
            name: (*name).into(),
            context_window: None,
        };
        *self.models.lock() = models.iter().map(info).collect();
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
        }
    }
}

async fn act(
    act: Act,
    fault: impl Fn(FaultClass) -> ProviderFault,
) -> Option<Result<ModelEvent, ProviderFault>> {
    Some(match act {
        Act::Say(text) => Ok(ModelEvent::Content(text.into())),
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
        Act::Hang => std::future::pending().await,
        Act::Break(class) => Err(fault(class)),
        Act::Panic => panic!("scripted panic"),
        Act::End(usage) => Ok(ModelEvent::End {
            finish: FinishReason::Stop,
            usage,
        }),
    })
}

#[async_trait]
impl ModelBackend for Scripted {
    fn name(&self) -> &str {
        &self.name
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.models.lock().clone()
    }

    async fn call(&self, _: &str, _: &ModelRequest, _: &CallContext) -> Result<ModelStream, ProviderFault> {
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

/// Wall clock that moves with tokio's paused one.
pub(super) struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000_000).after(self.0.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Always the longest wait.
pub(super) struct Longest;

impl Randomness for Longest {
    fn next_u64(&self) -> u64 {
        u64::MAX
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tried {
    pub(super) provider: String,
    pub(super) number: u32,
    pub(super) class: &'static str,
    pub(super) first_token: Option<Duration>,
    pub(super) usage: Usage,
}

#[derive(Default)]
pub(super) struct Counted(Mutex<Vec<Tried>>);

impl MetricsSink for Counted {
    fn tried(&self, record: &TryRecord<'_>) {
        self.0.lock().push(Tried {
            provider: record.provider.into(),
            number: record.number,
            class: record.class(),
            first_token: record.first_token,
            usage: record.usage,
        });
    }
}

pub(super) struct World {
    pub(super) router: Arc<ModelRouter>,
    pub(super) environment: Environment,
    counted: Arc<Counted>,
    spec: Mutex<Option<SupervisorSpec>>,
    pub(super) clock: Arc<TestClock>,
}

/// What came of a call, and what its caller was shown meanwhile.
pub(super) struct Outcome {
    pub(super) result: Result<ModelAnswer, Failure>,
    pub(super) shown: Vec<String>,
    pub(super) took: Duration,
}

pub(super) fn config(backends: &[&Arc<Scripted>]) -> ModelsConfig {
    let mut config = ModelsConfig::new("node-1");
    for backend in backends {
        config.providers.push(ProviderSpec {
            breaker: BreakerConfig {
                minimum_calls: 3,
                ..BreakerConfig::default()
            },
            ..ProviderSpec::new(Arc::clone(*backend) as Arc<dyn ModelBackend>)
        });
    }
    config
}

impl World {
    pub(super) fn of(backends: &[&Arc<Scripted>]) -> Self {
        Self::with(config(backends))
    }

    pub(super) fn with(config: ModelsConfig) -> Self {
        let clock = Arc::new(TestClock(Instant::now()));
        let counted = Arc::new(Counted::default());
        let ports = Ports {
            clock: clock.clone(),
            random: Arc::new(Longest),
            metrics: counted.clone(),
        };
        let (router, spec) = ModelRouter::build(config, ports).unwrap();
        Self {
            router: Arc::new(router),
            environment: Environment::new(clock.clone(), Arc::new(Longest)),
            counted,
            spec: Mutex::new(Some(spec)),
            clock,
        }
    }

    /// Starts the providers' actors.
    pub(super) async fn tree(&self) -> Root {
        let spec = self.spec.lock().take().unwrap();
        let root = Root::start(&self.environment, spec).unwrap();
        root.supervisor().ready().await.unwrap();
        root
    }

    pub(super) async fn call(&self) -> Outcome {
        self.call_with(&request(), &context()).await
    }

    pub(super) async fn call_with(&self, request: &ModelRequest, context: &CallContext) -> Outcome {
        let began = Instant::now();
        let mut shown = Vec::new();
        let mut on_content = |piece: ContentPiece<'_>| {
            shown.push(match piece {
                ContentPiece::Text(text) => text.to_owned(),
                ContentPiece::Restart => "<restart>".to_owned(),
            });
        };
        let result = self.router.call(request, context, &mut on_content).await;
        Outcome {
            result,
            shown,
            took: began.elapsed(),
        }
    }

    pub(super) fn tried(&self) -> Vec<Tried> {
        self.counted.0.lock().clone()
    }

    /// Providers and classes of every try so far.
    pub(super) fn classes(&self) -> Vec<(String, &'static str)> {
        self.tried().into_iter().map(|t| (t.provider, t.class)).collect()
    }
}

pub(super) fn request() -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, "12345678")],
        ..ModelRequest::default()
    }
}

pub(super) fn context() -> CallContext {
    CallContext {
        deadline: None,
        cancel: CancellationToken::new(),
    }
}

pub(super) fn pairs(list: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    list.iter().map(|(p, c)| ((*p).to_owned(), *c)).collect()
}
