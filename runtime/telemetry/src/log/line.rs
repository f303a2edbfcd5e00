//! One event on its way to becoming a line.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{Debug, Write};

use tracing::Level;
use tracing::field::{Field, Visit};

use super::redact::Redaction;

/// Span and event fields that identify the work a line belongs to. They stand at the top level of a JSON line; a
/// line takes each from the event itself, else from the nearest span that has it.
pub const CORRELATION_FIELDS: [&str; 9] = [
    TRACE_ID,
    "request_id",
    "tenant",
    "session",
    "task",
    "attempt",
    "step",
    "agent",
    "provider",
];

/// Recorded where spans have no trace of their own.
const TRACE_ID: &str = "trace_id";

/// The values of [`CORRELATION_FIELDS`], as far as known. They are cleaned when a line shows them: most spans see none.
#[derive(Debug, Default)]
pub(crate) struct Correlation([Option<Box<str>>; CORRELATION_FIELDS.len()]);

impl Correlation {
    pub(crate) fn knows(name: &str) -> bool {
        place(name).is_some()
    }

    fn set(&mut self, name: &str, value: &str) -> bool {
        let place = place(name);
        if let Some(place) = place {
            self.0[place] = Some(value.into());
        }
        place.is_some()
    }

    /// Takes from `outer` what is not known here.
    pub(crate) fn fill_from(&mut self, outer: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&outer.0) {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        CORRELATION_FIELDS
            .into_iter()
            .zip(&self.0)
            .filter_map(|(name, value)| Some((name, Redaction::clean(value.as_deref()?))))
    }
}

/// Where a field stands among [`CORRELATION_FIELDS`]. Every field of every span is asked for.
fn place(name: &str) -> Option<usize> {
    // Most names are longer than all of these or differ at once.
    let may_be =
        |known: &&str| known.len() == name.len() && known.as_bytes().first() == name.as_bytes().first();
    let mut known = CORRELATION_FIELDS.iter().enumerate();
    known.find_map(|(at, known)| (may_be(known) && *known == name).then_some(at))
}

impl Visit for Correlation {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if Self::knows(field.name()) {
            self.set(field.name(), &format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value);
    }
}

/// An event's parts, redacted, ready to be written in either shape.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) target: &'static str,
    pub(crate) correlation: Correlation,
    pub(crate) trace: Option<(String, String)>,
    message: String,
    fields: Vec<(&'static str, Value)>,
    redaction: Redaction,
}

#[derive(Debug)]
enum Value {
    /// Needs no quotes in JSON.
    Plain(String),
    Text(String),
}

impl Line {
    pub(crate) fn new(level: Level, target: &'static str, redaction: Redaction) -> Self {
        let correlation = Correlation::default();
        Self {
            level,
            target,
            correlation,
            trace: None,
            message: String::new(),
            fields: Vec::new(),
            redaction,
        }
    }

    /// Sets the message of a line that no event stands behind.
    pub(crate) fn say(&mut self, message: String) {
        self.message = message;
    }

    fn push(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            self.message = Redaction::clean(text).into_owned();
        } else if !self.correlation.set(field.name(), text) {
            let shown = self.redaction.field(field.name(), text).into_owned();
            self.fields.push((field.name(), Value::Text(shown)));
        }
    }

    fn push_plain(&mut self, field: &Field, text: String) {
        if self.redaction.hides(field.name()) || Correlation::knows(field.name()) {
            self.push(field, &text);
        } else {
            self.fields.push((field.name(), Value::Plain(text)));
        }
    }

    /// One JSON object and a line feed.
    pub(crate) fn json(&self, time: &str) -> String {
        let mut out = String::with_capacity(256);
        out.push_str("{\"time\":");
        quote(time, &mut out);
        member("level", self.level.as_str(), &mut out);
        member("target", self.target, &mut out);
        member("message", &self.message, &mut out);
        if let Some((trace, span)) = &self.trace {
            member("trace_id", trace, &mut out);
            member("span_id", span, &mut out);
        }
        let known = self.trace.is_some();
        for (name, value) in self
            .correlation
            .pairs()
            .filter(|(name, _)| !known || *name != TRACE_ID)
        {
            member(name, &value, &mut out);
        }
        out.push_str(",\"fields\":{");
        for (index, (name, value)) in self.fields.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            quote(name, &mut out);
            out.push(':');
            match value {
                Value::Plain(text) => out.push_str(text),
                Value::Text(text) => quote(text, &mut out),
            }
        }
        out.push_str("}}\n");
        out
    }

    /// One short line for a person; control characters are escaped, so that nothing logged can steer a terminal.
    pub(crate) fn human(&self, time: &str, colour: bool) -> String {
        let clock = time.get(11..23).unwrap_or(time);
        let (start, end) = match (colour, self.level) {
            (false, _) => ("", ""),
            (true, Level::ERROR) => ("\x1b[31m", "\x1b[0m"),
            (true, Level::WARN) => ("\x1b[33m", "\x1b[0m"),
            (true, Level::INFO) => ("\x1b[32m", "\x1b[0m"),
            (true, _) => ("\x1b[2m", "\x1b[0m"),
        };
        let mut out = format!("{clock} {start}{:>5}{end} {}: ", self.level.as_str(), self.target);
        escape(&self.message, &mut out);
        for (name, value) in &self.fields {
            let (Value::Plain(text) | Value::Text(text)) = value;
            let _ = write!(out, " {name}=");
            escape(text, &mut out);
        }
        for (name, value) in self
            .correlation
            .pairs()
            .filter(|(name, _)| !["tenant", TRACE_ID].contains(name))
        {
            let _ = write!(out, " {name}=");
            escape(&value, &mut out);
        }
        out.push('\n');
        out
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.push(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_plain(field, value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_plain(field, value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_plain(field, value.to_string());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.push_plain(field, value.to_string())
        } else {
            self.push(field, &value.to_string())
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        self.push(field, &text);
    }
}

fn member(name: &str, value: &str, out: &mut String) {
    out.push(',');
    quote(name, out);
    out.push(':');
    quote(value, out);
}

fn quote(text: &str, out: &mut String) {
    // A string always has a JSON form.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        if character.is_control() {
            out.extend(character.escape_default())
        } else {
            out.push(character)
        }
    }
}
