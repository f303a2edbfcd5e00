//! What a relayed response means while it passes.

mod standing;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::LazyLock;

use greenroom_kernel::{ProviderFault, RelaySign, Reported};
use greenroom_provider_http::{Faults, Reader, Seen, Watcher};
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;

use super::event::{Head, ItemEvent, Kind, Response, ResponseEvent, error_in, figures_in, is_call};

/// How nearly every event of a long answer begins. Only at an event's beginning: further inside, the same words could
/// stand in something that the caller wrote, since the last event repeats its tools.
const TEXT_BEGINS: &[u8] = br#"{"type":"response.output_text.delta","#;

/// Before the text of such an event. Inside a text its quotes would be escaped.
static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""delta":""#));

/// Reads an answer of this wire, without keeping any of it.
#[derive(Debug)]
pub(crate) struct ResponsesWatcher {
    faults: Faults,
    model: String,
    /// Something was said of the item that is on its way.
    said: bool,
    calls: bool,
    /// Figures that nobody has asked for yet.
    figures: Option<Reported>,
    seen: Seen,
}

impl ResponsesWatcher {
    pub(crate) fn new(faults: Faults, model: &str) -> Self {
        Self {
            faults,
            model: model.to_owned(),
            said: false,
            calls: false,
            figures: None,
            seen: Seen::Nothing,
        }
    }

    fn read<'a, T: Deserialize<'a>>(&self, data: &'a [u8]) -> Result<T, ProviderFault> {
        serde_json::from_slice(data).map_err(|e| self.faults.malformed(&e))
    }

    fn error(&self, error: Option<Value>) -> ProviderFault {
        self.faults.error_object(&error.unwrap_or_default(), &self.model)
    }

    fn content(&mut self, bytes: usize) -> RelaySign {
        if bytes == 0 {
            return RelaySign::Lifecycle;
        }
        self.said = true;
        content(bytes)
    }

    /// The end of an item. Its content was told before, or comes with it. A thought that stays hidden is none.
    fn item(&mut self, item: &Value) -> RelaySign {
        let kind = item["type"].as_str().unwrap_or_default();
        self.calls |= is_call(kind);
        if std::mem::take(&mut self.said) {
            return content(0);
        }
        let texts = ["content", "summary"]
            .into_iter()
            .flat_map(|name| item[name].as_array().into_iter().flatten())
            .flat_map(|part| [&part["text"], &part["refusal"]]);
        let arguments = [&item["arguments"], &item["input"]];
        let bytes = texts
            .chain(arguments)
            .filter_map(Value::as_str)
            .map(str::len)
            .sum();
        match kind {
            "reasoning" | "message" if bytes == 0 => RelaySign::Lifecycle,
            _ => content(bytes),
        }
    }

    fn ended(&mut self, response: &Response<'_>) -> Result<RelaySign, ProviderFault> {
        self.figures = response.reported();
        if let Some(error) = response.failure() {
            return Err(self.error(Some(error)));
        }
        Ok(RelaySign::End {
            finish: response.finish(self.calls),
            usage: response.usage(),
        })
    }
}

impl Watcher for ResponsesWatcher {
    fn event(&mut self, data: &[u8]) -> Result<RelaySign, ProviderFault> {
        self.seen = Seen::Nothing;
        if let Some(text) = text_in(data) {
            let bytes = text.len();
            self.seen = Seen::Text(text);
            return Ok(self.content(bytes));
        }
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            return Ok(RelaySign::Lifecycle);
        }
        let head = self.read::<Head<'_>>(data)?;
        let kind = head.kind();
        self.seen = match kind {
            Kind::Said => match head.is_text().then(|| head.delta_text()).flatten() {
                Some(text) => Seen::Words(text),
                None => Seen::Beyond,
            },
            Kind::Thought => Seen::Thought,
            Kind::ItemAdded | Kind::ItemDone => Seen::Place,
            Kind::Lifecycle if head.begins() => Seen::Place,
            Kind::Lifecycle if head.closes() => Seen::Beyond,
            Kind::Lifecycle | Kind::ThoughtPart | Kind::Untyped => Seen::Nothing,
            Kind::CallPart | Kind::Hosted | Kind::Ended | Kind::Failed | Kind::Error => Seen::Beyond,
        };
        match kind {
            Kind::Lifecycle if head.stands() => {
                // Only its figures matter, and hardly any server has them yet.
                self.figures = figures_in(data);
                Ok(RelaySign::Lifecycle)
            }
            Kind::Lifecycle | Kind::ThoughtPart | Kind::ItemAdded => Ok(RelaySign::Lifecycle),
            Kind::Said | Kind::Thought | Kind::CallPart => {
                let Some(bytes) = head.delta_bytes() else {
                    return Err(self.faults.malformed(&"a delta without a text"));
                };
                Ok(self.content(bytes))
            }
            // The provider does something that a second try would do twice.
            Kind::Hosted => Ok(content(0)),
            Kind::ItemDone => {
                let done = self.read::<ItemEvent>(data)?;
                if done.item["type"] == "message" {
                    self.seen = Seen::Beyond;
                }
                Ok(self.item(&done.item))
            }
            Kind::Ended => {
                let ended = self.read::<ResponseEvent<'_>>(data)?;
                self.ended(&ended.response)
            }
            Kind::Failed => {
                let failed = self.read::<ResponseEvent<'_>>(data)?;
                self.figures = failed.response.reported();
                Err(self.error(failed.response.failure()))
            }
            Kind::Error => Err(self.error(error_in(self.read(data)?))),
            Kind::Untyped => match error_in(self.read(data)?) {
                Some(error) => Err(self.error(Some(error))),
                None => Ok(RelaySign::Lifecycle),
            },
        }
    }

    fn seen(&mut self) -> Seen {
        std::mem::take(&mut self.seen)
    }

    fn figures(&mut self) -> Option<Reported> {
        self.figures.take()
    }

    fn reader(&self) -> Reader {
        standing::read
    }

    /// Only the last event makes an answer whole, and it didn't come.
    fn end(&mut self) -> Result<RelaySign, ProviderFault> {
        Err(self.faults.truncated())
    }

    /// One that runs in the background has no end yet, but its answer is here.
    fn whole(&mut self, body: &[u8]) -> Result<RelaySign, ProviderFault> {
        let response = self.read::<Response<'_>>(body)?;
        if response.status.is_none() && response.output.is_none() && response.failure().is_none() {
            return Err(self.faults.malformed(&"the body is no response"));
        }
        self.ended(&response)
    }
}

fn content(bytes: usize) -> RelaySign {
    RelaySign::Content {
        said: u32::try_from(bytes).unwrap_or(u32::MAX),
    }
}

/// Where the text stands in an event that is sure to be one of text; escapes count as they are written.
fn text_in(data: &[u8]) -> Option<Range<usize>> {
    let rest = data.strip_prefix(TEXT_BEGINS)?;
    let at = DELTA.find(rest)?;
    let text = rest.get(at + DELTA.needle().len()..)?;
    let begin = data.len() - text.len();
    let mut length = 0;
    loop {
        match text.get(length)? {
            b'"' => return Some(begin..begin + length),
            b'\\' => length += 2,
            _ => length += 1,
        }
    }
}
