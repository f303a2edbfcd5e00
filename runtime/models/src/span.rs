//! The span of a try, in OpenTelemetry's words for generative AI.

use greenroom_kernel::{FaultClass, FinishReason, ProviderFault, Usage};
use tracing::Span;
use tracing::field::Empty;

use crate::metrics::class_name;

pub(crate) fn of_try(provider: &str, model: &str, number: u32) -> Span {
    tracing::info_span!(
        "model_try",
        otel.name = format_args!("chat {model}"),
        otel.kind = "client",
        otel.status_code = Empty,
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = provider,
        gen_ai.request.model = model,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        error.type = Empty,
        greenroom.try = number,
    )
}

pub(crate) fn settled(span: &Span, finish: FinishReason, usage: &Usage) {
    let finish = match finish {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    };
    span.record("gen_ai.response.finish_reasons", finish);
    used(span, usage);
}

/// The conventions count every input and every output token, cached and reasoning ones among them.
fn used(span: &Span, usage: &Usage) {
    let input = usage.input_tokens + usage.cached_input_tokens + usage.cache_write_tokens;
    span.record("gen_ai.usage.input_tokens", input);
    span.record(
        "gen_ai.usage.output_tokens",
        usage.output_tokens + usage.reasoning_tokens,
    );
}

pub(crate) fn failed(span: &Span, fault: &ProviderFault) {
    class(span, fault.class);
    span.in_scope(|| {
        tracing::warn!(
            provider = fault.provider,
            class = class_name(fault.class),
            error = fault.message,
            "try failed"
        );
    });
}

pub(crate) fn class(span: &Span, class: FaultClass) {
    span.record("error.type", class_name(class));
    span.record("otel.status_code", "ERROR");
}
