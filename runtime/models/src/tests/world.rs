//! A router over scripted providers, with a clock, a metrics sink and a tree.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    BreakerConfig, CallContext, Clock, ContentPiece, Failure, Ledger, ModelAnswer, ModelBackend,
    ModelMessage, ModelRequest, ModelRole, Models, Randomness, Timestamp, TryKind, Usage,
};
use greenroom_supervision::{Environment, Root, SupervisorSpec};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::script::Scripted;
use crate::{
    Accounts, AccountsConfig, MetricsSink, ModelRouter, ModelsConfig, Ports, ProviderSpec, TryRecord,
};

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
    pub(super) kind: TryKind,
    pub(super) class: &'static str,
    pub(super) first_content: Option<Duration>,
    pub(super) usage: Usage,
}

#[derive(Default)]
pub(super) struct Counted(Mutex<Vec<Tried>>);

impl MetricsSink for Counted {
    fn tried(&self, record: &TryRecord<'_>) {
        self.0.lock().push(Tried {
            provider: record.provider.into(),
            number: record.number,
            kind: record.kind,
            class: record.class(),
            first_content: record.first_content,
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
    /// What it was last told that the call had used.
    pub(super) used: Usage,
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
        Self::made(config, Arc::new(TestClock(Instant::now())), None)
    }

    /// Whose tries are paid for. Nothing is written until somebody runs the accounts.
    pub(super) async fn paying(
        config: ModelsConfig,
        ledger: Arc<dyn Ledger>,
        accounts: AccountsConfig,
    ) -> (Self, Arc<Accounts>) {
        let clock = Arc::new(TestClock(Instant::now()));
        let opened = Accounts::open(ledger, clock.clone(), &Longest, accounts);
        let accounts = opened.await.unwrap();
        (Self::made(config, clock, Some(Arc::clone(&accounts))), accounts)
    }

    fn made(config: ModelsConfig, clock: Arc<TestClock>, accounts: Option<Arc<Accounts>>) -> Self {
        let counted = Arc::new(Counted::default());
        let ports = Ports {
            clock: clock.clone(),
            random: Arc::new(Longest),
            metrics: counted.clone(),
            accounts,
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
        let (mut shown, mut used) = (Vec::new(), Usage::default());
        let mut on_content = |piece: ContentPiece<'_>| match piece {
            ContentPiece::Text(text) => shown.push(text.to_owned()),
            ContentPiece::Restart => shown.push("<restart>".to_owned()),
            ContentPiece::Used(until_now) => used = until_now,
        };
        let result = self.router.call(request, context, &mut on_content).await;
        Outcome {
            result,
            shown,
            used,
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
        ..CallContext::default()
    }
}

pub(super) fn pairs(list: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    list.iter().map(|(p, c)| ((*p).to_owned(), *c)).collect()
}
