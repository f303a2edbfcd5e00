//! The tracing layer that turns events into lines.

use std::sync::OnceLock;
use std::time::SystemTime;

use opentelemetry::trace::TraceContextExt;
use tracing::dispatcher::WeakDispatch;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::line::{Correlation, Line};
use super::redact::Redaction;
use super::timestamp::write_rfc3339;
use super::writer::LogWriter;

/// The shape of a line, decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Json,
    Human { colour: bool },
}

pub(crate) struct LogLayer {
    writer: LogWriter,
    shape: Shape,
    redaction: Redaction,
    dispatch: OnceLock<WeakDispatch>,
}

impl LogLayer {
    pub(crate) fn new(writer: LogWriter, shape: Shape, redaction: Redaction) -> Self {
        Self {
            writer,
            shape,
            redaction,
            dispatch: OnceLock::new(),
        }
    }

    fn emit(&self, line: &Line) {
        let mut time = String::with_capacity(24);
        write_rfc3339(now(), &mut time);
        let text = match self.shape {
            Shape::Json => line.json(&time),
            Shape::Human { colour } => line.human(&time, colour),
        };
        if line.level == Level::ERROR {
            self.writer.write_urgent(text)
        } else {
            self.writer.write(text)
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a line's time stamp is the wall clock's; nothing decides by it"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !attributes
            .metadata()
            .fields()
            .iter()
            .any(|field| Correlation::knows(field.name()))
        {
            return;
        }
        if let Some(span) = context.span(id) {
            let mut correlation = Correlation::default();
            attributes.record(&mut correlation);
            span.extensions_mut().insert(correlation);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(correlation) = span.extensions_mut().get_mut::<Correlation>()
        {
            values.record(correlation);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = Line::new(*metadata.level(), metadata.target(), self.redaction);
        event.record(&mut line);
        let dispatch = self.dispatch.get().and_then(WeakDispatch::upgrade);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(correlation) = span.extensions().get::<Correlation>() {
                line.correlation.fill_from(correlation);
            }
            if line.trace.is_none() {
                line.trace = dispatch
                    .as_ref()
                    .and_then(|dispatch| trace_ids(&span.id(), dispatch));
            }
        }
        let dropped = self.writer.take_dropped();
        if dropped > 0 {
            let mut notice = Line::new(Level::WARN, module_path!(), self.redaction);
            notice.say(format!(
                "{dropped} log lines were dropped: standard error is too slow"
            ));
            self.emit(&notice);
        }
        self.emit(&line);
    }
}

fn trace_ids(id: &Id, dispatch: &Dispatch) -> Option<(String, String)> {
    let context = tracing_opentelemetry::get_otel_context(id, dispatch)?;
    let span = context.span().span_context().clone();
    span.is_valid()
        .then(|| (span.trace_id().to_string(), span.span_id().to_string()))
}
