//! Metrics of one process, for the operator port's `/metrics`.
//!
//! One typed method a fact, so that names, labels and units are decided once. Labels that come from configuration
//! or from callers pass through [`labels::Bounded`]: past a fixed number of distinct values the rest is counted as
//! `other`, and no input can grow the page without end. Recording takes a read lock and atomics, and allocates only
//! when a label is first seen.

mod buckets;
mod labels;
mod page;
mod providers;

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{BreakerState, ProviderStatus, Timestamp};
use prometheus_client::metrics::gauge::Gauge;

use labels::{
    Agent, AgentCode, BreakerLabels, ProviderLabel, Request, RequestStatus, Restart, StepLabels, TryLabels,
    WorkLabel,
};
use page::Page;

/// Work that is counted while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// HTTP requests being answered.
    HttpRequests,
    /// GraphQL subscriptions attached.
    Subscriptions,
    /// Tasks that callers brought, until they rest.
    Tasks,
    /// Attempts open on agents.
    AgentCalls,
    /// Tries open at providers.
    ProviderCalls,
}

/// Whose breaker it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerOwner {
    /// A provider of models.
    Provider,
    /// An agent instance, counted under its agent's name.
    Agent,
}

/// The handle by which every component records; clones record into the same page.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// None where nobody wants to know.
    page: Option<Arc<Page>>,
}

impl Metrics {
    /// The content type of [`render`](Self::render)'s text.
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// An empty page that states this build's version.
    #[must_use]
    pub fn new(version: &str) -> Self {
        Self {
            page: Some(Arc::new(Page::new(version))),
        }
    }

    /// Counts nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self { page: None }
    }

    /// A task was accepted: it is durable.
    pub fn task_accepted(&self, agent: &str) {
        let Some(page) = &self.page else { return };
        let agent = page.agents.label(agent);
        page.tasks_accepted.get_or_create(&Agent { agent }).inc();
    }

    /// A task completed.
    pub fn task_completed(&self, agent: &str) {
        let Some(page) = &self.page else { return };
        let agent = page.agents.label(agent);
        page.tasks_completed.get_or_create(&Agent { agent }).inc();
    }

    /// A task ended without its result; `code` is the contract's error code.
    pub fn task_failed(&self, agent: &str, code: &'static str) {
        let Some(page) = &self.page else { return };
        let agent = page.agents.label(agent);
        page.tasks_failed.get_or_create(&AgentCode { agent, code }).inc();
    }

    /// A step reached `status`.
    pub fn step_finished(&self, kind: &'static str, status: &'static str) {
        let Some(page) = &self.page else { return };
        page.steps.get_or_create(&StepLabels { kind, status }).inc();
    }

    /// A try at a provider ended after `took`; `class` is `ok` or the fault's class.
    pub fn provider_try(&self, provider: &str, class: &'static str, took: Duration) {
        let Some(page) = &self.page else { return };
        let provider = page.providers.label(provider);
        page.provider_tries
            .get_or_create(&TryLabels {
                provider: provider.clone(),
                class,
            })
            .inc();
        page.provider_try_seconds
            .get_or_create(&ProviderLabel { provider })
            .observe(took.as_secs_f64());
    }

    /// The first content of a try came `after` its dispatch.
    pub fn first_token(&self, provider: &str, after: Duration) {
        let Some(page) = &self.page else { return };
        let provider = page.providers.label(provider);
        page.first_token_seconds
            .get_or_create(&ProviderLabel { provider })
            .observe(after.as_secs_f64());
    }

    /// An append became durable after `took`.
    pub fn journal_append(&self, took: Duration) {
        let Some(page) = &self.page else { return };
        page.journal_append_seconds.observe(took.as_secs_f64());
    }

    /// One sync, that took `took`, made `appends` durable.
    pub fn journal_sync(&self, appends: usize, took: Duration) {
        let Some(page) = &self.page else { return };
        page.journal_group_appends
            .observe(u32::try_from(appends).map_or(f64::INFINITY, f64::from));
        page.journal_sync_seconds.observe(took.as_secs_f64());
    }

    /// A request was answered. `operation` is a route or a root field's name, never text of the caller's.
    pub fn http_request(&self, operation: &str, status: u16, took: Duration) {
        let Some(page) = &self.page else { return };
        let operation = page.operations.label(operation);
        let labels = RequestStatus {
            operation: operation.clone(),
            status,
        };
        page.http_requests.get_or_create(&labels).inc();
        page.http_request_seconds
            .get_or_create(&Request { operation })
            .observe(took.as_secs_f64());
    }

    /// Counts one piece of work as going on until the returned guard is dropped.
    pub fn begin(&self, work: Work) -> InFlight {
        InFlight(self.page.as_ref().map(|page| {
            let gauge = page.in_flight.get_or_create_owned(&WorkLabel { work });
            gauge.inc();
            gauge
        }))
    }

    /// No more than `most` of this work may go on at once; the rest is refused.
    pub fn bounded(&self, work: Work, most: usize) {
        let Some(page) = &self.page else { return };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        page.in_flight_limit.get_or_create(&WorkLabel { work }).set(most);
    }

    /// A breaker moved.
    pub fn breaker(&self, owner: BreakerOwner, name: &str, state: BreakerState) {
        let Some(page) = &self.page else { return };
        let bound = match owner {
            BreakerOwner::Provider => &page.providers,
            BreakerOwner::Agent => &page.agents,
        };
        let labels = BreakerLabels {
            owner,
            name: bound.label(name),
        };
        page.breaker_state.get_or_create(&labels).set(match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        });
    }

    /// A provider as it is at `now`.
    pub fn provider(&self, status: &ProviderStatus, now: Timestamp) {
        let Some(page) = &self.page else { return };
        self.breaker(BreakerOwner::Provider, &status.name, status.breaker);
        let provider = page.providers.label(&status.name);
        page.provider_gauges.show(&provider, status, now);
    }

    /// So many records of what agents are like were kept, and so many could not be.
    pub fn agent_history(&self, kept: usize, lost: usize) {
        let Some(page) = &self.page else { return };
        page.agent_history_records
            .inc_by(u64::try_from(kept).unwrap_or(u64::MAX));
        page.agent_history_lost
            .inc_by(u64::try_from(lost).unwrap_or(u64::MAX));
    }

    /// An actor of this kind was restarted.
    pub fn actor_restarted(&self, kind: &str) {
        let Some(page) = &self.page else { return };
        let kind = page.kinds.label(kind);
        page.actor_restarts.get_or_create(&Restart { kind }).inc();
    }

    /// The page, in OpenMetrics text, which Prometheus reads as it reads its own format; nothing where nothing is
    /// counted.
    #[must_use]
    pub fn render(&self) -> String {
        let Some(page) = &self.page else {
            return String::new();
        };
        let mut text = String::with_capacity(16 * 1024);
        // Writing into a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &page.registry);
        text
    }
}

/// Work going on; dropping it ends the count.
#[derive(Debug)]
#[must_use = "the work counts as going on until this is dropped"]
pub struct InFlight(Option<Gauge>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(gauge) = &self.0 {
            gauge.dec();
        }
    }
}

#[cfg(test)]
mod tests;
