//! Logs and traces of this process.

use std::io::IsTerminal;

use greenroom_telemetry::{
    LogConfig, LogFormat, OtlpConfig, TelemetryConfig, TelemetryError, TelemetryGuard, TraceConfig, install,
};

use crate::config::{Config, RawLogFormat};

/// A person wants the banner, not a line for everything that goes well.
const ON_TERMINAL: &str = "warn";
/// The SDK tells about itself at every start.
const ELSEWHERE: &str = "info,opentelemetry=warn";

/// Sets both up, by the configuration and by the `OTEL_*` variables.
pub(crate) fn start(config: &Config) -> Result<TelemetryGuard, TelemetryError> {
    let variable = |name: &str| std::env::var(name).ok();
    let default = if std::io::stderr().is_terminal() {
        ON_TERMINAL
    } else {
        ELSEWHERE
    };
    let filter = config
        .log
        .filter
        .clone()
        .or_else(|| variable("RUST_LOG"))
        .unwrap_or_else(|| default.to_owned());
    let format = match config.log.format {
        RawLogFormat::Auto => LogFormat::Auto,
        RawLogFormat::Json => LogFormat::Json,
        RawLogFormat::Human => LogFormat::Human,
    };
    install(&TelemetryConfig {
        service_name: variable("OTEL_SERVICE_NAME").unwrap_or_else(|| "greenroom".to_owned()),
        service_version: env!("CARGO_PKG_VERSION").to_owned(),
        service_instance: None,
        log: LogConfig {
            filter,
            format,
            content: config.log.content,
        },
        trace: TraceConfig {
            otlp: OtlpConfig::from_vars(variable)?,
            sample_ratio: config.sample_ratio,
        },
    })
}
