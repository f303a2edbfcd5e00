//! From chunks to events: text as it comes, tool calls once they are whole, the end once it is certain.

use std::collections::VecDeque;

use greenroom_kernel::{FinishReason, ModelEvent, ProviderFault, ToolCall, Usage};
use serde_json::Value;

use crate::fault::Faults;
use crate::response::{Choice, Chunk, ToolCallDelta, finish_reason};
use crate::sse::TooLong;

/// Most bytes of tool calls in one answer.
const CALLS_AT_MOST: usize = 4 << 20;

/// Why a stream can't go on.
#[derive(Debug)]
pub(crate) enum Broken {
    Fault(ProviderFault),
    TooLong(TooLong),
}

impl From<TooLong> for Broken {
    fn from(error: TooLong) -> Self {
        Self::TooLong(error)
    }
}

#[derive(Debug, Default)]
struct PartialCall {
    index: u32,
    id: String,
    name: String,
    arguments: String,
}

/// Puts one answer together.
#[derive(Debug)]
pub(crate) struct Assembler {
    faults: Faults,
    model: String,
    calls: Vec<PartialCall>,
    call_bytes: usize,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    answered: bool,
    done: bool,
}

impl Assembler {
    pub(crate) fn new(faults: Faults, model: &str) -> Self {
        Self {
            faults,
            model: model.to_owned(),
            calls: Vec::new(),
            call_bytes: 0,
            finish: None,
            usage: None,
            answered: false,
            done: false,
        }
    }

    /// The server said `[DONE]`.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// The answer is whole; figures and `[DONE]` may still come.
    pub(crate) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Takes the data of one event and queues what can be told already.
    pub(crate) fn take(&mut self, data: &[u8], out: &mut VecDeque<ModelEvent>) -> Result<(), Broken> {
        if self.done {
            return Ok(());
        }
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let chunk: Chunk =
            serde_json::from_slice(data).map_err(|e| Broken::Fault(self.faults.malformed(&e)))?;
        if let Some(error) = chunk.error.filter(|e| !e.is_null()) {
            return Err(Broken::Fault(self.faults.error_object(&error, &self.model)));
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage.into());
        }
        for choice in chunk.choices.into_iter().flatten().filter(|c| c.index == 0) {
            self.choice(choice, out)?;
        }
        Ok(())
    }

    fn choice(&mut self, choice: Choice, out: &mut VecDeque<ModelEvent>) -> Result<(), Broken> {
        self.answered = true;
        if let Some(delta) = choice.delta {
            let before = out.len();
            for text in [delta.content, delta.refusal].into_iter().flatten() {
                if !text.is_empty() {
                    out.push_back(ModelEvent::Content(text));
                }
            }
            for call in delta.tool_calls.into_iter().flatten() {
                self.call(call)?;
            }
            if out.len() == before {
                out.push_back(ModelEvent::Progress);
            }
        }
        match choice.finish_reason.as_deref() {
            None | Some("") => {}
            Some("error") => {
                let error = Value::from("the provider ended the answer with an error");
                return Err(Broken::Fault(self.faults.error_object(&error, &self.model)));
            }
            Some(reason) => self.finish = Some(finish_reason(reason)),
        }
        Ok(())
    }

    fn call(&mut self, delta: ToolCallDelta) -> Result<(), Broken> {
        let id = delta.id.filter(|id| !id.is_empty());
        let (name, arguments) = delta.function.map_or((None, None), |f| (f.name, f.arguments));
        let arguments = match arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(object) => object.to_string(),
        };
        self.call_bytes += arguments.len() + 64;
        if self.call_bytes > CALLS_AT_MOST {
            let why = format!("more than {CALLS_AT_MOST} bytes of tool calls");
            return Err(Broken::Fault(self.faults.malformed(&why)));
        }
        let index = delta.index.unwrap_or_else(|| {
            let last = self.calls.last().map_or(0, |c| c.index);
            // Without an index, an id begins a call and its absence continues one.
            if id.is_some() && !self.calls.is_empty() {
                last + 1
            } else {
                last
            }
        });
        let known = self
            .calls
            .iter_mut()
            .rev()
            .find(|c| c.index == index)
            // Some servers number every call 0: another id is another call.
            .filter(|c| id.as_deref().is_none_or(|id| c.id.is_empty() || c.id == id));
        match known {
            Some(call) => {
                if call.id.is_empty() {
                    call.id = id.unwrap_or_default();
                }
                if call.name.is_empty() {
                    call.name = name.unwrap_or_default();
                }
                call.arguments.push_str(&arguments);
            }
            None => self.calls.push(PartialCall {
                index,
                id: id.unwrap_or_default(),
                name: name.unwrap_or_default(),
                arguments,
            }),
        }
        Ok(())
    }

    /// The stream is over: queues the tool calls and the end, if the answer is whole.
    pub(crate) fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        let whole = self.finish.is_some() || (self.done && self.answered);
        if !whole {
            return Err(self.faults.truncated());
        }
        let mut finish = self.finish.unwrap_or(FinishReason::Stop);
        if finish == FinishReason::Stop && !self.calls.is_empty() {
            finish = FinishReason::ToolCalls;
        }
        // A call cut off by the token limit or a filter is no call.
        if finish == FinishReason::ToolCalls {
            for (number, call) in self.calls.drain(..).enumerate() {
                if call.name.is_empty() {
                    return Err(self.faults.malformed(&"a tool call without a name"));
                }
                out.push_back(ModelEvent::ToolCall(ToolCall {
                    id: if call.id.is_empty() {
                        format!("call_{number}")
                    } else {
                        call.id
                    },
                    name: call.name,
                    arguments: if call.arguments.trim().is_empty() {
                        "{}".to_owned()
                    } else {
                        call.arguments
                    },
                }));
            }
        }
        out.push_back(ModelEvent::End {
            finish,
            usage: self.usage,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::FaultClass;

    use super::*;

    fn assembler() -> Assembler {
        Assembler::new(Faults::new("p", "http://h/v1", None), "m")
    }

    fn run(chunks: &[&str]) -> Result<Vec<ModelEvent>, FaultClass> {
        let mut out = VecDeque::new();
        let mut assembler = assembler();
        for chunk in chunks {
            assembler
                .take(chunk.as_bytes(), &mut out)
                .map_err(|broken| match broken {
                    Broken::Fault(fault) => fault.class,
                    Broken::TooLong(_) => FaultClass::Transient,
                })?;
        }
        assembler.end(&mut out).map_err(|fault| fault.class)?;
        out.retain(|e| *e != ModelEvent::Progress);
        Ok(out.into())
    }

    fn call(id: &str, name: &str, arguments: &str) -> ModelEvent {
        ModelEvent::ToolCall(ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        })
    }

    fn end(finish: FinishReason) -> ModelEvent {
        ModelEvent::End { finish, usage: None }
    }

    #[test]
    fn interleaved_tool_calls_are_put_together_by_index_and_told_whole() {
        let events = run(&[
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{\"y\""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":1}"}},{"index":1,"function":{"arguments":":2}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            "[DONE]",
        ]);
        assert_eq!(
            events.unwrap(),
            [
                call("a", "f", "{\"x\":1}"),
                call("b", "g", "{\"y\":2}"),
                end(FinishReason::ToolCalls)
            ]
        );
    }

    #[test]
    fn servers_that_number_every_call_zero_or_not_at_all_and_say_stop_are_understood() {
        let expected = [
            call("a", "f", "{\"x\":1}"),
            call("b", "g", "{}"),
            end(FinishReason::ToolCalls),
        ];
        let zero = run(&[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":null}}]},"finish_reason":"stop"}]}"#,
        ]);
        assert_eq!(zero.unwrap(), expected);
        let none = run(&[
            r#"{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\""}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":":1}"}},{"id":"b","function":{"name":"g"}}]},"finish_reason":"stop"}]}"#,
        ]);
        assert_eq!(none.unwrap(), expected);
    }

    #[test]
    fn a_tool_call_cut_off_by_the_token_limit_is_not_told() {
        let events = run(&[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x"}}]},"finish_reason":"length"}]}"#,
        ]);
        assert_eq!(events.unwrap(), [end(FinishReason::Length)]);
    }

    #[test]
    fn an_answer_is_whole_by_its_finish_reason_or_by_done_and_by_nothing_else() {
        let text = r#"{"choices":[{"delta":{"content":"hi"}}]}"#;
        let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
        let whole = [ModelEvent::Content("hi".into()), end(FinishReason::Stop)];
        assert_eq!(run(&[text, finish]).unwrap(), whole);
        assert_eq!(run(&[text, "[DONE]"]).unwrap(), whole);
        assert_eq!(run(&[text]), Err(FaultClass::Transient));
        assert_eq!(run(&["[DONE]"]), Err(FaultClass::Transient));
        assert_eq!(run(&[]), Err(FaultClass::Transient));
    }

    #[test]
    fn other_choices_than_the_first_and_what_follows_done_are_ignored() {
        let events = run(&[
            r#"{"choices":[{"index":1,"delta":{"content":"other"}},{"index":0,"delta":{"content":"mine"},"finish_reason":"stop"}]}"#,
            "[DONE]",
            "not json",
        ]);
        assert_eq!(
            events.unwrap(),
            [ModelEvent::Content("mine".into()), end(FinishReason::Stop)]
        );
    }

    #[test]
    fn what_is_not_shown_counts_as_progress() {
        let mut out = VecDeque::new();
        let chunk = br#"{"choices":[{"delta":{"role":"assistant","content":"","reasoning_content":"hm"}}]}"#;
        assembler().take(chunk, &mut out).unwrap();
        assert_eq!(out, [ModelEvent::Progress]);
    }

    #[test]
    fn an_error_finish_and_an_error_chunk_are_faults() {
        assert_eq!(
            run(&[r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"error"}]}"#]),
            Err(FaultClass::Transient)
        );
        assert_eq!(
            run(&[r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#]),
            Err(FaultClass::Throttled)
        );
    }

    #[test]
    fn endless_tool_calls_are_a_fault() {
        let part = format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"function":{{"name":"f","arguments":"{}"}}}}]}}}}]}}"#,
            "x".repeat(1 << 19)
        );
        let chunks = vec![part.as_str(); 9];
        assert_eq!(run(&chunks), Err(FaultClass::Transient));
    }
}
