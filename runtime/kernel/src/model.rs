//! The port to a model provider: one try is a request, a stream of events, and an end or a fault.

mod answer;
mod capability;
mod fault;
mod kind;
mod message;
mod request;
mod schema;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use answer::*;
pub use capability::*;
pub use fault::*;
pub use kind::*;
pub use message::*;
pub use request::*;
pub use schema::*;
pub use wire::*;

use crate::{Caller, Failure, Timestamp, Usage};

/// How the targets of a route are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// As they are named.
    #[default]
    Priority,
    /// By chance, in proportion to their weights.
    Weighted,
    /// The cheapest first.
    LeastCost,
    /// The quicker of two drawn by chance first.
    LeastLatency,
    /// The same for the same session or user.
    Sticky,
}

/// What one call asks of its route. All of it narrows: nothing here reaches a target that the route doesn't have.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Narrowing {
    /// Another order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Providers, or targets as `provider/model`, that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Targets that would cost more, in US dollars by estimate, are left out; so are those without a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost_usd: Option<f64>,
    /// Targets whose first token takes longer on the average are left out, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_latency_ms: Option<u64>,
}

/// What travels with a call beside its request.
#[derive(Debug, Clone, Default)]
pub struct CallContext {
    /// When the caller gives up.
    pub deadline: Option<Timestamp>,
    /// Fires when the caller left: the call stops within a second.
    pub cancel: CancellationToken,
    /// What calls of one session or user have in common: sticky routes go by it.
    pub affinity: Option<Arc<str>>,
    /// What the call asks of its route.
    pub narrowing: Narrowing,
    /// Who calls: what tries cost is written down for it. Nobody pays for a call of nobody.
    pub caller: Option<Arc<Caller>>,
}

/// One wire family's adapter: makes a try and reports its events. Holds no resilience: breaker, retries,
/// deadlines and failover sit above it.
#[async_trait]
pub trait ModelBackend: Send + Sync + 'static {
    /// The provider's configured name.
    fn name(&self) -> &str;

    /// What it serves, as far as it is known now; the first is its default.
    fn models(&self) -> Vec<ModelInfo>;

    /// Makes one try of `model`. Dropping the future or the stream, or firing `context.cancel`, cancels the
    /// upstream call.
    async fn call(
        &self,
        model: &str,
        request: &ModelRequest,
        context: &CallContext,
    ) -> Result<ModelStream, ProviderFault>;

    /// Whether it could serve now, cheaply; `Err` says why not and how to mend it.
    async fn probe(&self) -> Result<(), ProviderFault>;

    /// Its credentials; none where it needs none.
    fn credentials(&self) -> Option<Credentials> {
        None
    }

    /// Whether it takes requests of this family as they are.
    fn relays(&self, family: WireFamily) -> bool {
        let _ = family;
        false
    }

    /// Makes one try of `model` with a request as its caller wrote it, but for the model's name. Only called for
    /// families that it relays. Cancelled like [`ModelBackend::call`].
    async fn relay(
        &self,
        model: &str,
        request: &RawRequest,
        context: &CallContext,
    ) -> Result<RelayAnswer, ProviderFault> {
        let _ = (model, context);
        let message = format!("this provider does not take {:?} requests", request.family);
        Err(ProviderFault::new(self.name(), FaultClass::BadRequest, message))
    }

    /// Whether it counts the tokens of requests of this family.
    fn counts(&self, family: WireFamily) -> bool {
        let _ = family;
        false
    }

    /// Asks how many tokens a request takes, written as for an answer; gives the provider's own words. Only called for
    /// families that it counts. Cancelled like [`ModelBackend::call`].
    async fn count_tokens(
        &self,
        model: &str,
        request: &RawRequest,
        context: &CallContext,
    ) -> Result<Bytes, ProviderFault> {
        let _ = (model, context);
        let message = format!("this provider does not count {:?} requests", request.family);
        Err(ProviderFault::new(self.name(), FaultClass::BadRequest, message))
    }

    /// Turns texts into vectors. Cancelled like [`ModelBackend::call`].
    async fn embed(
        &self,
        model: &str,
        request: &EmbeddingRequest,
        context: &CallContext,
    ) -> Result<Embeddings, ProviderFault> {
        let _ = (model, request, context);
        let message = "this provider has no embeddings: ask another one for them";
        Err(ProviderFault::new(self.name(), FaultClass::BadRequest, message))
    }
}

/// A name that calls may ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelListing {
    /// The name.
    pub id: String,
    /// The provider; none for a route.
    pub provider: Option<String>,
    /// What it can do; of a route what its first target can.
    pub can: Capabilities,
}

/// The port to model calls made whole: routed, retried, failed over, priced.
#[async_trait]
pub trait Models: Send + Sync + 'static {
    /// Calls a model. Before the first content failover is invisible. A fault after it ends the stream with an
    /// error; a truncated answer never ends as success. `on_content` is called with each piece of text, and with
    /// what the call has used whenever that grows: a call that fails or is dropped has used what it was told last.
    async fn call(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        on_content: &mut (dyn for<'p> FnMut(ContentPiece<'p>) + Send),
    ) -> Result<ModelAnswer, Failure>;

    /// Serves a call in a wire family's own words; returns once the answer has content, or is whole where it isn't
    /// streamed. Until then failover is invisible, across families too; a fault after it is gone on from where the route
    /// allows it and somebody can, else it ends the answer's stream with an error. The reader's pace is the provider's: nothing is read ahead of it. Dropping the future or the stream
    /// cancels the call.
    ///
    /// # Errors
    /// Why no target answered.
    async fn serve(self: Arc<Self>, call: WireCall, context: CallContext) -> Result<Served, CallFailure>;

    /// Says how many tokens a request takes at the target that a call of it would try first. Costs nothing, and is no try.
    ///
    /// # Errors
    /// A request that is wrong, or a name that nobody knows.
    async fn count_tokens(&self, call: WireCall, context: CallContext) -> Result<TokenCount, CallFailure> {
        let _ = (call, context);
        Err(Failure::unavailable("no tokens are counted here").into())
    }

    /// What one try of this request uses at least, by our own estimate: its input, priced where the target that
    /// comes first has a price.
    fn estimate(&self, request: &ModelRequest) -> Usage;

    /// Every provider's published state.
    fn providers(&self) -> Vec<ProviderStatus>;

    /// Every name that calls may ask for, as far as it is known now.
    fn listing(&self) -> Vec<ModelListing>;
}

/// What a call tells while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ContentPiece<'a> {
    /// More text.
    Text(&'a str),
    /// The call starts over: forget its text.
    Restart,
    /// What the call has used until now, all its tries together; estimated while a try runs.
    Used(Usage),
}

/// A provider's credentials: how many there are, and how many are not refused at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Those that are used.
    pub usable: u32,
    /// All of them.
    pub total: u32,
}

/// A provider as others see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderStatus {
    /// Its configured name.
    pub name: String,
    /// The process that holds this view.
    pub node: String,
    /// Its health.
    pub health: crate::Health,
    /// Its breaker.
    pub breaker: crate::BreakerState,
    /// How many calls may run at once now: it adapts, below its ceiling.
    pub concurrency_limit: u32,
    /// How many do.
    pub in_flight: u32,
    /// Share of failed calls in the window, 0 to 1.
    pub error_rate: f64,
    /// Median duration of a whole call, milliseconds.
    pub latency_ms_p50: Option<u64>,
    /// Median time to first content, milliseconds.
    pub ttft_ms_p50: Option<u64>,
    /// The last fault.
    pub last_error: Option<String>,
    /// How many calls may run at once at most, as configured.
    #[serde(default)]
    pub concurrency_ceiling: u32,
    /// Average time to first content of late, milliseconds.
    #[serde(default)]
    pub ttft_ms_average: Option<u64>,
    /// Average speed of answers of late, in tokens of output a second.
    #[serde(default)]
    pub tokens_per_second: Option<f64>,
    /// Left alone until then: it asked for that, or its allowance is used up.
    #[serde(default)]
    pub held_until: Option<Timestamp>,
    /// Its credentials.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// Requests left of its allowance, as it said last.
    #[serde(default)]
    pub requests_left: Option<u64>,
    /// Tokens left of it.
    #[serde(default)]
    pub tokens_left: Option<u64>,
    /// When all of it is there again.
    #[serde(default)]
    pub quota_resets_at: Option<Timestamp>,
}
