//! Spans to a collector.
//!
//! The SDK's batch processor drives exporters from a plain thread, where neither of the OTLP transports can run: both
//! need Tokio's reactor. [`OnRuntime`] runs each export as a task of the runtime that was current at installation,
//! and removes what must not leave the process.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use tokio::runtime::Handle;

use crate::log::Redaction;
use crate::{OtlpConfig, OtlpProtocol, TelemetryConfig, TelemetryError};

/// The tracer provider: exporting when a collector is configured, else one that only makes and carries ids.
pub(crate) fn tracer_provider(config: &TelemetryConfig) -> Result<SdkTracerProvider, TelemetryError> {
    let mut attributes = vec![KeyValue::new("service.version", config.service_version.clone())];
    attributes.extend(
        config
            .service_instance
            .clone()
            .map(|id| KeyValue::new("service.instance.id", id)),
    );
    let resource = Resource::builder_empty()
        .with_service_name(config.service_name.clone())
        .with_attributes(attributes)
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let provider = match &config.trace.otlp {
        None => builder
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)))
            .build(),
        Some(otlp) => {
            let root = Sampler::TraceIdRatioBased(config.trace.sample_ratio);
            builder
                .with_sampler(Sampler::ParentBased(Box::new(root)))
                .with_batch_exporter(OnRuntime::new(
                    otlp,
                    Redaction {
                        content: config.log.content,
                    },
                )?)
                .build()
        }
    };
    Ok(provider)
}

#[derive(Debug)]
struct OnRuntime {
    inner: Arc<OtlpExporter>,
    runtime: Handle,
    redaction: Redaction,
}

impl OnRuntime {
    fn new(config: &OtlpConfig, redaction: Redaction) -> Result<Self, TelemetryError> {
        let runtime = Handle::try_current().map_err(|_| TelemetryError::NoRuntime)?;
        let built = match config.protocol {
            OtlpProtocol::HttpProtobuf => OtlpExporter::builder()
                .with_http()
                .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
                .with_endpoint(traces_url(&config.endpoint))
                .with_timeout(config.timeout)
                .build(),
            OtlpProtocol::Grpc if config.endpoint.starts_with("https:") => {
                return Err(TelemetryError::GrpcTls {
                    endpoint: config.endpoint.clone(),
                });
            }
            OtlpProtocol::Grpc => OtlpExporter::builder()
                .with_tonic()
                .with_endpoint(config.endpoint.clone())
                .with_timeout(config.timeout)
                .build(),
        };
        let exporter = built.map_err(|source| TelemetryError::Exporter {
            endpoint: config.endpoint.clone(),
            source,
        })?;
        Ok(Self {
            inner: Arc::new(exporter),
            runtime,
            redaction,
        })
    }
}

impl SpanExporter for OnRuntime {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            self.redaction.attributes(&mut span.attributes);
            for event in &mut span.events.events {
                self.redaction.attributes(&mut event.attributes);
            }
        }
        let inner = Arc::clone(&self.inner);
        let export = self.runtime.spawn(async move { inner.export(batch).await });
        export
            .await
            .map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        // The SDK calls this once, before the first export: nobody else holds the exporter yet.
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.set_resource(resource);
        }
    }
}

fn traces_url(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with("/v1/traces") {
        base.to_owned()
    } else {
        format!("{base}/v1/traces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traces_path_is_appended_once() {
        assert_eq!(traces_url("http://c:4318"), "http://c:4318/v1/traces");
        assert_eq!(traces_url("http://c:4318/"), "http://c:4318/v1/traces");
        assert_eq!(traces_url("http://c:4318/v1/traces"), "http://c:4318/v1/traces");
        assert_eq!(traces_url("http://c:4318/otlp"), "http://c:4318/otlp/v1/traces");
    }

    #[test]
    fn exporting_outside_a_runtime_is_refused() {
        let config = OtlpConfig::new("http://127.0.0.1:4318", OtlpProtocol::HttpProtobuf);
        let error = OnRuntime::new(&config, Redaction { content: false }).unwrap_err();
        assert!(matches!(error, TelemetryError::NoRuntime));
    }

    #[tokio::test]
    async fn grpc_over_tls_is_refused_with_the_remedy() {
        let config = OtlpConfig::new("https://collector:4317", OtlpProtocol::Grpc);
        let error = OnRuntime::new(&config, Redaction { content: false }).unwrap_err();
        assert!(error.to_string().contains("http/protobuf"), "{error}");
    }
}
