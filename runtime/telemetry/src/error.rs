//! What can go wrong while telemetry is set up. Nothing goes wrong afterwards: a lost span or line is counted, not
//! returned.

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The log filter is not of the form `level` or `target=level,…`.
    #[error("log filter `{filter}` is not a list of `level` or `target=level`")]
    Filter {
        /// The filter as configured.
        filter: String,
        /// What the parser said.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The OTLP protocol's name is not one this build speaks.
    #[error("OTLP protocol `{protocol}` is not known: use `http/protobuf` or `grpc`")]
    Protocol {
        /// The protocol as configured.
        protocol: String,
    },
    /// The OTLP exporter refused its configuration.
    #[error("OTLP exporter for `{endpoint}` cannot be built")]
    Exporter {
        /// The configured endpoint.
        endpoint: String,
        /// What the exporter said.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// gRPC export is for a collector beside the process: it is built without TLS.
    #[error("OTLP over grpc needs an http:// endpoint, got `{endpoint}`: use http/protobuf for https")]
    GrpcTls {
        /// The configured endpoint.
        endpoint: String,
    },
    /// Exporting needs the Tokio runtime that carries its connections.
    #[error("OTLP export is configured but no Tokio runtime is running")]
    NoRuntime,
    /// The thread that writes log lines could not be started.
    #[error("the log writer's thread cannot be started")]
    LogThread(#[source] std::io::Error),
    /// Another subscriber is installed in this process.
    #[error("a tracing subscriber is already installed")]
    AlreadyInstalled(#[source] tracing::subscriber::SetGlobalDefaultError),
}
