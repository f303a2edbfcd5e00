//! What a provider's status shows, as gauges.

use std::sync::atomic::AtomicU64;

use greenroom_kernel::{ProviderStatus, Timestamp};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{Label, ProviderLabel};

type Gauges = Family<ProviderLabel, Gauge<f64, AtomicU64>>;
type Read = fn(&ProviderStatus, Timestamp) -> Option<f64>;

/// Name, help, and where the value stands; one that isn't known has no line.
const GAUGES: [(&str, &str, Read); 10] = [
    (
        "concurrency_limit",
        "Calls a provider may have at once now",
        |s, _| Some(s.concurrency_limit.into()),
    ),
    (
        "concurrency_ceiling",
        "Calls it may have at once at most",
        |s, _| Some(s.concurrency_ceiling.into()),
    ),
    ("in_flight", "Calls it has", |s, _| Some(s.in_flight.into())),
    (
        "ttft_average_seconds",
        "Average time to first content of late",
        |s, _| s.ttft_ms_average.map(|ms| ms as f64 / 1000.0),
    ),
    (
        "tokens_per_second",
        "Average speed of its answers of late",
        |s, _| s.tokens_per_second,
    ),
    ("held_seconds", "How long it is still left alone", |s, now| {
        Some(s.held_until.map_or(0.0, |until| now.until(until).as_secs_f64()))
    }),
    (
        "credentials_usable",
        "Credentials that are not refused",
        |s, _| s.credentials.map(|of| of.usable.into()),
    ),
    ("credentials", "All its credentials", |s, _| {
        s.credentials.map(|of| of.total.into())
    }),
    ("requests_left", "Requests left of its allowance", |s, _| {
        s.requests_left.map(|n| n as f64)
    }),
    ("tokens_left", "Tokens left of its allowance", |s, _| {
        s.tokens_left.map(|n| n as f64)
    }),
];

/// One gauge a column, one line a provider.
#[derive(Debug)]
pub(super) struct ProviderGauges(Vec<(Gauges, Read)>);

impl ProviderGauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("provider");
        let gauge = |(name, help, read): (&str, &str, Read)| {
            let family = Gauges::default();
            registry.register(name, help, family.clone());
            (family, read)
        };
        Self(GAUGES.map(gauge).into_iter().collect())
    }

    pub(super) fn show(&self, provider: &Label, status: &ProviderStatus, now: Timestamp) {
        for (family, read) in &self.0 {
            let labels = ProviderLabel {
                provider: provider.clone(),
            };
            match read(status, now) {
                Some(value) => drop(family.get_or_create(&labels).set(value)),
                None => drop(family.remove(&labels)),
            }
        }
    }
}
