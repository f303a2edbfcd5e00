//! What the composition root passes in. Nothing in this crate reads the environment by itself; the standard
//! `OTEL_*` variables are honoured through [`OtlpConfig::from_vars`].

use std::time::Duration;

use crate::TelemetryError;

/// Everything [`install`](crate::install) needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryConfig {
    /// `service.name` of the resource, for instance `greenroom-gateway`.
    pub service_name: String,
    /// `service.version` of the resource.
    pub service_version: String,
    /// `service.instance.id` of the resource: the node's id.
    pub service_instance: Option<String>,
    /// Log lines.
    pub log: LogConfig,
    /// Spans.
    pub trace: TraceConfig,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            service_name: "greenroom".to_owned(),
            service_version: env!("CARGO_PKG_VERSION").to_owned(),
            service_instance: None,
            log: LogConfig::default(),
            trace: TraceConfig::default(),
        }
    }
}

/// How log lines are chosen and shaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A list of `level` and `target=level`, comma-separated, as `RUST_LOG` has it: `info,greenroom_gateway=debug`.
    pub filter: String,
    /// The shape of a line.
    pub format: LogFormat,
    /// Whether fields that hold what users and models wrote are shown. Secrets never are.
    pub content: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Auto,
            content: false,
        }
    }
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// One short line for a person.
    Human,
}

/// Where spans go.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceConfig {
    /// The collector; `None` exports nothing (a caller's trace is handed on all the same).
    pub otlp: Option<OtlpConfig>,
    /// The share of new traces that is sampled, 0 to 1. A caller's own decision is followed.
    pub sample_ratio: f64,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            otlp: None,
            sample_ratio: 1.0,
        }
    }
}

/// An OTLP collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpConfig {
    /// Base URL. For `http/protobuf`, `/v1/traces` is appended unless the path ends so already.
    pub endpoint: String,
    /// The transport.
    pub protocol: OtlpProtocol,
    /// How long one export may take.
    pub timeout: Duration,
}

/// The transport of an OTLP export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtlpProtocol {
    /// Protobuf bodies by HTTP POST (the specification's default).
    #[default]
    HttpProtobuf,
    /// The OTLP gRPC service, without TLS.
    Grpc,
}

impl OtlpProtocol {
    /// Parses the name that `OTEL_EXPORTER_OTLP_PROTOCOL` uses.
    ///
    /// # Errors
    /// [`TelemetryError::Protocol`] for any name but `http/protobuf` and `grpc`.
    pub fn parse(name: &str) -> Result<Self, TelemetryError> {
        match name.trim() {
            "http/protobuf" => Ok(Self::HttpProtobuf),
            "grpc" => Ok(Self::Grpc),
            other => Err(TelemetryError::Protocol {
                protocol: other.to_owned(),
            }),
        }
    }
}

impl OtlpConfig {
    /// A collector at `endpoint` with the specification's default timeout of 10 s.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, protocol: OtlpProtocol) -> Self {
        Self {
            endpoint: endpoint.into(),
            protocol,
            timeout: Duration::from_secs(10),
        }
    }

    /// Reads the standard variables through `lookup`: `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER` (only `none`
    /// matters), `OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT`, `…PROTOCOL` and `…TIMEOUT` (milliseconds). No endpoint, no
    /// export. Headers are read by the exporter itself from `OTEL_EXPORTER_OTLP_[TRACES_]HEADERS`.
    ///
    /// # Errors
    /// [`TelemetryError::Protocol`] for an unknown protocol's name.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, TelemetryError> {
        let signal_or_common = |name: &str| {
            [
                format!("OTEL_EXPORTER_OTLP_TRACES_{name}"),
                format!("OTEL_EXPORTER_OTLP_{name}"),
            ]
            .iter()
            .find_map(|variable| lookup(variable).filter(|value| !value.trim().is_empty()))
        };
        let disabled = lookup("OTEL_SDK_DISABLED")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
            || lookup("OTEL_TRACES_EXPORTER").is_some_and(|value| value.trim() == "none");
        let Some(endpoint) = signal_or_common("ENDPOINT").filter(|_| !disabled) else {
            return Ok(None);
        };
        let protocol = match signal_or_common("PROTOCOL") {
            Some(name) => OtlpProtocol::parse(&name)?,
            None => OtlpProtocol::default(),
        };
        let mut config = Self::new(endpoint.trim(), protocol);
        if let Some(milliseconds) = signal_or_common("TIMEOUT").and_then(|value| value.trim().parse().ok()) {
            config.timeout = Duration::from_millis(milliseconds);
        }
        Ok(Some(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn export_is_off_without_an_endpoint() {
        assert_eq!(TelemetryConfig::default().trace.otlp, None);
        assert_eq!(OtlpConfig::from_vars(vars(&[])).unwrap(), None);
        assert_eq!(
            OtlpConfig::from_vars(vars(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")])).unwrap(),
            None
        );
        assert_eq!(
            OtlpConfig::from_vars(vars(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")])).unwrap(),
            None
        );
    }

    #[test]
    fn standard_variables_choose_endpoint_protocol_and_timeout() {
        let config = OtlpConfig::from_vars(vars(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
        ]))
        .unwrap()
        .unwrap();
        assert_eq!(config.endpoint, "http://traces:4317");
        assert_eq!(config.protocol, OtlpProtocol::Grpc);
        assert_eq!(config.timeout, Duration::from_millis(250));
    }

    #[test]
    fn a_disabled_sdk_exports_nothing() {
        let config = OtlpConfig::from_vars(vars(&[
            ("OTEL_SDK_DISABLED", "TRUE"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ]));
        assert_eq!(config.unwrap(), None);
    }

    #[test]
    fn an_unknown_protocol_is_named_in_the_error() {
        let error = OtlpConfig::from_vars(vars(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"),
        ]))
        .unwrap_err();
        assert!(error.to_string().contains("carrier-pigeon"), "{error}");
    }
}
