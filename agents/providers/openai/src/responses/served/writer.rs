//! An answer in this wire's words: whole, or as the events that the official libraries put together again.
//!
//! A stream's items come one after the other. What must go back with thoughts is known only in the end: where the caller
//! asked for it, it comes as a last item without words.

use std::time::Duration;

use greenroom_kernel::{CallEvent, ModelAnswer, Reasoning, ToolCall};
use greenroom_provider_http::{AnswerHead, AnswerWriter, EdgeError};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::echo::{Echo, RESPONSE, State, ended};
use super::error;
use super::item::{Item, summary_part, text_part};
use crate::responses::sealed;
use crate::served::error_body;

pub(super) struct Writer {
    echo: Echo,
    sequence: u64,
    done: Vec<Value>,
    open: Option<Item>,
    said: bool,
    calls: usize,
}

/// What most events of an answer are.
#[derive(Serialize)]
struct TextDelta<'a> {
    r#type: &'static str,
    item_id: &'a str,
    output_index: usize,
    content_index: usize,
    delta: &'a str,
    logprobs: [(); 0],
    sequence_number: u64,
}

const TEXT_DELTA: &str = "response.output_text.delta";

impl Writer {
    pub(super) fn new(body: &[u8], head: AnswerHead) -> Self {
        Self {
            echo: Echo::new(body, head),
            sequence: 0,
            done: Vec::new(),
            open: None,
            said: false,
            calls: 0,
        }
    }

    /// Goes on with a stream that stands at `place`.
    pub(super) fn resumed(body: &[u8], place: &Value) -> Option<Self> {
        let said = &place["response"];
        let head = AnswerHead {
            id: said["id"].as_str()?.strip_prefix(RESPONSE)?.to_owned(),
            model: said["model"].as_str()?.to_owned(),
            created: Duration::try_from_secs_f64(said["created_at"].as_f64()?).ok()?,
        };
        let open = &place["open"];
        let message = || {
            Some(Item::Message {
                id: open["id"].as_str()?.to_owned(),
                text: open["text"].as_str()?.to_owned(),
            })
        };
        let open = match open.is_null() {
            true => None,
            // A message without a part yet would need one begun.
            false => Some(message().filter(|_| open["begun"] == true)?),
        };
        Some(Self {
            sequence: place["sequence"].as_u64()?,
            done: place["done"].as_array()?.clone(),
            // What is added to it comes as events: nothing of it is told at the end.
            said: true,
            open,
            ..Self::new(body, head)
        })
    }

    /// Writes an event; `fields` is an object.
    fn put(&mut self, kind: &str, fields: Value, out: &mut Vec<u8>) {
        let mut event = Map::new();
        event.insert("type".to_owned(), Value::from(kind));
        if let Value::Object(fields) = fields {
            event.extend(fields);
        }
        event.insert("sequence_number".to_owned(), Value::from(self.sequence));
        self.frame(kind, &event, out);
    }

    fn frame(&mut self, kind: &str, event: &impl Serialize, out: &mut Vec<u8>) {
        self.sequence += 1;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        let begin = out.len();
        if serde_json::to_writer(&mut *out, event).is_err() {
            // Texts and numbers can always be written; if not, nothing half is.
            out.truncate(begin);
        }
        out.extend_from_slice(b"\n\n");
    }

    /// Begins an item; the one before has ended.
    fn begin_item(&mut self, item: Item, out: &mut Vec<u8>) {
        let at = self.done.len();
        self.put(
            "response.output_item.added",
            json!({"output_index": at, "item": item.begun()}),
            out,
        );
        let id = item.id();
        match &item {
            Item::Message { .. } => self.put(
                "response.content_part.added",
                json!({"item_id": id, "output_index": at, "content_index": 0, "part": text_part("")}),
                out,
            ),
            Item::Thought { sealed: None, .. } => self.put(
                "response.reasoning_summary_part.added",
                json!({"item_id": id, "output_index": at, "summary_index": 0, "part": summary_part("")}),
                out,
            ),
            Item::Thought { .. } | Item::Call { .. } => {}
        }
        self.open = Some(item);
    }

    fn end_item(&mut self, status: &str, out: &mut Vec<u8>) {
        let Some(item) = self.open.take() else {
            return;
        };
        let (at, id) = (self.done.len(), item.id());
        match &item {
            Item::Message { text, .. } => {
                self.put(
                    "response.output_text.done",
                    json!({"item_id": id, "output_index": at, "content_index": 0, "text": text, "logprobs": []}),
                    out,
                );
                self.put(
                    "response.content_part.done",
                    json!({"item_id": id, "output_index": at, "content_index": 0, "part": text_part(text)}),
                    out,
                );
            }
            Item::Thought {
                text, sealed: None, ..
            } => {
                self.put(
                    "response.reasoning_summary_text.done",
                    json!({"item_id": id, "output_index": at, "summary_index": 0, "text": text}),
                    out,
                );
                self.put(
                    "response.reasoning_summary_part.done",
                    json!({"item_id": id, "output_index": at, "summary_index": 0, "part": summary_part(text)}),
                    out,
                );
            }
            Item::Thought { .. } => {}
            Item::Call { call, .. } => self.put(
                "response.function_call_arguments.done",
                json!({"item_id": id, "output_index": at, "name": call.name, "arguments": call.arguments}),
                out,
            ),
        }
        let whole = item.whole(status);
        self.put(
            "response.output_item.done",
            json!({"output_index": at, "item": whole}),
            out,
        );
        self.done.push(whole);
    }

    fn text(&mut self, more: &str, out: &mut Vec<u8>) {
        if more.is_empty() {
            return;
        }
        self.said = true;
        if !matches!(self.open, Some(Item::Message { .. })) {
            self.end_item("completed", out);
            let item = Item::message(self.echo.id(), self.done.len(), String::new());
            self.begin_item(item, out);
        }
        let Some(Item::Message { id, mut text }) = self.open.take() else {
            return;
        };
        let delta = TextDelta {
            r#type: TEXT_DELTA,
            item_id: &id,
            output_index: self.done.len(),
            content_index: 0,
            delta: more,
            logprobs: [],
            sequence_number: self.sequence,
        };
        self.frame(TEXT_DELTA, &delta, out);
        text.push_str(more);
        self.open = Some(Item::Message { id, text });
    }

    fn thinking(&mut self, more: &str, out: &mut Vec<u8>) {
        if more.is_empty() {
            return;
        }
        if !matches!(self.open, Some(Item::Thought { .. })) {
            self.end_item("completed", out);
            let item = Item::thought(self.echo.id(), self.done.len(), String::new(), None);
            self.begin_item(item, out);
        }
        let at = self.done.len();
        if let Some(Item::Thought { id, text, .. }) = &mut self.open {
            text.push_str(more);
            let fields = json!({"item_id": id, "output_index": at, "summary_index": 0, "delta": more});
            self.put("response.reasoning_summary_text.delta", fields, out);
        }
    }

    fn call(&mut self, call: &ToolCall, out: &mut Vec<u8>) {
        self.calls += 1;
        self.end_item("completed", out);
        let at = self.done.len();
        let item = Item::call(self.echo.id(), at, call);
        let fields = json!({"item_id": item.id(), "output_index": at, "delta": call.arguments});
        self.begin_item(item, out);
        self.put("response.function_call_arguments.delta", fields, out);
        self.end_item("completed", out);
    }

    fn sealed(&mut self, thoughts: &[Reasoning], out: &mut Vec<u8>) {
        let Some(content) = sealed::seal(thoughts).filter(|_| self.echo.wants_sealed()) else {
            return;
        };
        let item = Item::thought(self.echo.id(), self.done.len(), String::new(), Some(content));
        self.begin_item(item, out);
        self.end_item("completed", out);
    }

    fn end(&mut self, answer: &ModelAnswer, out: &mut Vec<u8>) {
        // What was not told piece by piece.
        if !self.said {
            self.text(&answer.content, out);
        }
        for call in answer.tool_calls.get(self.calls..).unwrap_or_default() {
            self.call(call, out);
        }
        let (status, _) = ended(answer.finish);
        self.end_item(status, out);
        self.sealed(&answer.reasoning, out);
        let output = std::mem::take(&mut self.done);
        let response = self.echo.response(&State::Ended(answer), output);
        let kind = match status {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        self.put(kind, json!({"response": response}), out);
    }
}

impl AnswerWriter for Writer {
    fn begin(&mut self, out: &mut Vec<u8>) {
        let response = self.echo.response(&State::Begun, Vec::new());
        self.put("response.created", json!({"response": response}), out);
        self.put("response.in_progress", json!({"response": response}), out);
    }

    fn event(&mut self, event: &CallEvent, out: &mut Vec<u8>) {
        match event {
            CallEvent::Text(more) => self.text(more, out),
            CallEvent::Thinking(more) => self.thinking(more, out),
            CallEvent::ToolCall(call) => self.call(call, out),
            CallEvent::End(answer) => self.end(answer, out),
        }
    }

    /// The official libraries raise what an event has for its `error`; other clients wait for the response to fail.
    fn fail(&mut self, error: &EdgeError, out: &mut Vec<u8>) {
        let object = &error_body(error)["error"];
        let fields = json!({
            "code": object["code"], "message": object["message"], "param": object["param"], "error": object,
        });
        self.put("error", fields, out);
        let mut output = std::mem::take(&mut self.done);
        output.extend(self.open.take().map(|item| item.whole("incomplete")));
        let response = self
            .echo
            .response(&State::Failed(error::of_response(error)), output);
        self.put("response.failed", json!({"response": response}), out);
    }

    fn whole(&mut self, answer: &ModelAnswer) -> Vec<u8> {
        let (status, _) = ended(answer.finish);
        let mut output: Vec<Value> = Vec::new();
        let wanted = self.echo.wants_sealed();
        for thought in &answer.reasoning {
            let sealed = sealed::seal(std::slice::from_ref(thought)).filter(|_| wanted);
            if sealed.is_some() || !thought.text.is_empty() {
                let item = Item::thought(self.echo.id(), output.len(), thought.text.clone(), sealed);
                output.push(item.whole("completed"));
            }
        }
        if !answer.content.is_empty() {
            let item = Item::message(self.echo.id(), output.len(), answer.content.clone());
            output.push(item.whole(status));
        }
        for call in &answer.tool_calls {
            output.push(Item::call(self.echo.id(), output.len(), call).whole("completed"));
        }
        let response = self.echo.response(&State::Ended(answer), output);
        response.to_string().into_bytes()
    }
}
