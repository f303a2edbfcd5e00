//! Telemetry: what the process tells about itself.
//!
//! Three things leave a process for its operators: log lines (JSON for machines, a short form for a terminal),
//! spans (to an OTLP collector, only when one is configured) and metrics (read from the operator port). All three
//! are set up here and nowhere else, so that correlation, redaction and bounds hold for every component.
//!
//! Other crates need little of this crate: they open `tracing` spans and carry the trace context through
//! `opentelemetry::global`'s text-map propagator, which [`install`] sets to W3C trace context. The ids on a log line
//! are taken from the fields of the spans around it: see [`CORRELATION_FIELDS`].

mod config;
mod error;
mod export;
mod install;
mod log;
mod metrics;
mod propagation;

pub use config::{LogConfig, LogFormat, OtlpConfig, OtlpProtocol, TelemetryConfig, TraceConfig};
pub use error::TelemetryError;
pub use install::{TelemetryGuard, install};
pub use log::CORRELATION_FIELDS;
pub use metrics::{BreakerOwner, InFlight, Metrics, Work};
pub use propagation::{
    continue_from, continue_traceparent, extract, inject, traceparent, within, within_trace,
};
