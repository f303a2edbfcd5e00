//! The one place where the process-wide subscriber, propagator and tracer provider are set.

use std::io::IsTerminal;
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use crate::log::{LogFilter, LogLayer, LogWriter, Redaction, Shape};
use crate::{LogFormat, TelemetryConfig, TelemetryError, export};

/// Crates whose own spans would be exported by a connection that exists to export spans.
const UNTRACED: [&str; 7] = [
    "h2",
    "hyper",
    "hyper_util",
    "opentelemetry",
    "reqwest",
    "tonic",
    "tower",
];

/// Sets up logging to stderr, tracing and propagation for this process, once.
///
/// # Errors
/// [`TelemetryError`] when the configuration cannot be honoured or a subscriber is already installed.
pub fn install(config: &TelemetryConfig) -> Result<TelemetryGuard, TelemetryError> {
    let (dispatch, guard) = build(config, Box::new(std::io::stderr()))?;
    tracing::dispatcher::set_global_default(dispatch).map_err(TelemetryError::AlreadyInstalled)?;
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(guard.provider.clone());
    log_panics();
    Ok(guard)
}

/// The subscriber that [`install`] makes global, for a test to make its thread's.
///
/// Spans become OpenTelemetry's only where somebody collects them: that is a tenth of the processor time of a short
/// call. Without a collector a caller's trace is handed on as the text it came as.
pub(crate) fn build(
    config: &TelemetryConfig,
    output: Box<dyn std::io::Write + Send>,
) -> Result<(Dispatch, TelemetryGuard), TelemetryError> {
    let terminal = std::io::stderr().is_terminal();
    let shape = match config.log.format {
        LogFormat::Auto if !terminal => Shape::Json,
        LogFormat::Json => Shape::Json,
        LogFormat::Auto | LogFormat::Human => Shape::Human { colour: terminal },
    };
    let filter = LogFilter::parse(&config.log.filter)?;
    let provider = export::tracer_provider(config)?;
    let writer = LogWriter::start(output).map_err(TelemetryError::LogThread)?;
    let redaction = Redaction {
        content: config.log.content,
    };
    let logs = LogLayer::new(writer.clone(), shape, redaction);
    let dispatch = if config.trace.otlp.is_none() {
        Dispatch::new(Registry::default().with(filter).with(logs))
    } else {
        let traces = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("greenroom"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(
                Targets::new()
                    .with_default(LevelFilter::INFO)
                    .with_targets(UNTRACED.map(|target| (target, LevelFilter::OFF))),
            );
        Dispatch::new(Registry::default().with(traces).with(logs.with_filter(filter)))
    };
    Ok((dispatch, TelemetryGuard { provider, writer }))
}

/// Keeps telemetry alive; [`shutdown`](Self::shutdown) sends what is still buffered.
#[derive(Debug)]
#[must_use = "buffered spans and lines are sent by `shutdown`"]
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
    writer: LogWriter,
}

impl TelemetryGuard {
    /// Exports buffered spans and writes buffered lines, and returns after `within` at the latest. An unreachable
    /// collector loses what is buffered; it never holds the process. Cancel-safe: the flush goes on by itself.
    pub async fn shutdown(self, within: Duration) {
        let Self { provider, writer } = self;
        let flush = tokio::task::spawn_blocking(move || {
            if let Err(error) = provider.shutdown_with_timeout(within / 2) {
                tracing::warn!(%error, "spans may be lost: the collector did not take them in time");
            }
            writer.flush(within / 2);
        });
        let _ = tokio::time::timeout(within, flush).await;
    }
}

/// A panic is a log line like any other, with the ids of the spans it happened in.
fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info
            .payload_as_str()
            .unwrap_or("panicked with a value that is not text");
        let place = info
            .location()
            .map(|location| format!("{}:{}", location.file(), location.line()));
        let thread = std::thread::current();
        tracing::error!(
            target: "panic",
            place = place.as_deref().unwrap_or("unknown"),
            thread = thread.name().unwrap_or("unnamed"),
            "{message}"
        );
    }));
}

#[cfg(test)]
mod tests;
