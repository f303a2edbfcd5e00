//! From the service's events to the kernel's: text as it comes, thoughts and tool calls once they are whole, the end
//! once it is certain.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use aws_sdk_bedrockruntime::types::{
    ContentBlockDelta, ContentBlockStart, ConverseStreamOutput, ReasoningContentBlockDelta, StopReason,
    TokenUsage,
};
use aws_smithy_types::base64;
use greenroom_kernel::{
    FinishReason, ModelEvent, ProviderFault, Reach, Reasoning, Reported, Seal, ToolCall, Usage,
};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::fault::Faults;
use crate::request::Awaited;
use crate::traits::Traits;
use crate::turns::FAMILY;

/// Most bytes of a document in one answer.
const DOCUMENT_AT_MOST: usize = 16 << 20;

/// Most bytes of tool calls and thoughts in one answer.
const HELD_AT_MOST: usize = 8 << 20;

/// Why a model stopped, or that what it made is no answer.
enum Stopped {
    Because(FinishReason),
    Garbled(&'static str),
}

/// A block that is not whole yet.
#[derive(Debug)]
enum Open {
    Call(ToolCall),
    /// The tool whose input is the answer.
    Answer,
    Thought {
        text: String,
        signature: String,
        redacted: Vec<u8>,
    },
}

/// Puts one answer together.
#[derive(Debug)]
pub(crate) struct Assembler {
    faults: Faults,
    model: String,
    awaited: Awaited,
    open: Vec<(i32, Open)>,
    calls: Vec<ToolCall>,
    /// Bytes of what is held back until it is whole.
    held: usize,
    /// The text until now, where it is to be a JSON document.
    document: String,
    finish: Option<StopReason>,
    usage: Option<Usage>,
}

impl Assembler {
    pub(crate) fn new(faults: Faults, model: &str, awaited: Awaited) -> Self {
        Self {
            faults,
            model: model.to_owned(),
            awaited,
            open: Vec::new(),
            calls: Vec::new(),
            held: 0,
            document: String::new(),
            finish: None,
            usage: None,
        }
    }

    /// The answer is whole, though its figures may still come.
    pub(crate) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Nothing more belongs to the answer.
    pub(crate) fn is_done(&self) -> bool {
        self.finish.is_some() && self.usage.is_some()
    }

    /// Takes one event and queues what can be told already.
    pub(crate) fn take(
        &mut self,
        event: ConverseStreamOutput,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ProviderFault> {
        match event {
            ConverseStreamOutput::ContentBlockStart(start) => {
                if let Some(ContentBlockStart::ToolUse(call)) = start.start {
                    self.began(start.content_block_index, call.tool_use_id, call.name)?;
                }
                out.push_back(ModelEvent::Progress);
            }
            ConverseStreamOutput::ContentBlockDelta(delta) => {
                let index = delta.content_block_index;
                out.push_back(match delta.delta {
                    Some(ContentBlockDelta::Text(text)) => self.text(text)?,
                    Some(ContentBlockDelta::ToolUse(input)) => self.input(index, &input.input)?,
                    Some(ContentBlockDelta::ReasoningContent(thought)) => self.thought(index, thought)?,
                    _ => ModelEvent::Progress,
                });
            }
            ConverseStreamOutput::ContentBlockStop(stop) => {
                out.push_back(ModelEvent::Progress);
                self.whole(stop.content_block_index, out);
            }
            ConverseStreamOutput::MessageStop(stop) => self.finish = Some(stop.stop_reason),
            ConverseStreamOutput::Metadata(figures) => {
                self.usage = figures.usage.as_ref().map(used).or(self.usage);
                // They come once, and count all of it.
                let output = Reach::Whole;
                out.extend(
                    self.usage
                        .map(|usage| ModelEvent::Used(Reported { usage, output })),
                );
            }
            _ => out.push_back(ModelEvent::Progress),
        }
        Ok(())
    }

    /// A piece of text.
    pub(crate) fn text(&mut self, text: String) -> Result<ModelEvent, ProviderFault> {
        if text.is_empty() || matches!(self.awaited, Awaited::InTool(_)) {
            // What a model says around the tool that holds its answer is not the answer.
            return Ok(ModelEvent::Progress);
        }
        self.said(text)
    }

    fn said(&mut self, text: String) -> Result<ModelEvent, ProviderFault> {
        if self.awaited != Awaited::Text {
            self.document.push_str(&text);
            if self.document.len() > DOCUMENT_AT_MOST {
                let why = format!("more than {DOCUMENT_AT_MOST} bytes of a document");
                return Err(self.faults.malformed(&why));
            }
        }
        Ok(ModelEvent::Content(text))
    }

    /// A tool call begins.
    pub(crate) fn began(&mut self, index: i32, id: String, name: String) -> Result<(), ProviderFault> {
        if self.awaited == Awaited::InTool(name.clone()) {
            self.open.push((index, Open::Answer));
            return Ok(());
        }
        if name.is_empty() {
            return Err(self.faults.malformed(&"a tool call without a name"));
        }
        self.hold(id.len() + name.len() + 64)?;
        let arguments = String::new();
        self.open
            .push((index, Open::Call(ToolCall { id, name, arguments })));
        Ok(())
    }

    /// A piece of a tool call's input.
    pub(crate) fn input(&mut self, index: i32, piece: &str) -> Result<ModelEvent, ProviderFault> {
        self.hold(piece.len())?;
        match self.opened(index) {
            Some(Open::Call(call)) => call.arguments.push_str(piece),
            Some(Open::Answer) if !piece.is_empty() => return self.said(piece.to_owned()),
            // What grows without having begun is a call of the service's own tools, which is its own affair.
            _ => {}
        }
        Ok(ModelEvent::Progress)
    }

    pub(crate) fn thought(
        &mut self,
        index: i32,
        piece: ReasoningContentBlockDelta,
    ) -> Result<ModelEvent, ProviderFault> {
        self.hold(match &piece {
            ReasoningContentBlockDelta::Text(more) | ReasoningContentBlockDelta::Signature(more) => {
                more.len()
            }
            ReasoningContentBlockDelta::RedactedContent(more) => more.as_ref().len(),
            _ => 0,
        })?;
        if !matches!(self.opened(index), Some(Open::Thought { .. })) {
            let thought = Open::Thought {
                text: String::new(),
                signature: String::new(),
                redacted: Vec::new(),
            };
            self.open.push((index, thought));
        }
        if let Some(Open::Thought {
            text,
            signature,
            redacted,
        }) = self.opened(index)
        {
            match piece {
                ReasoningContentBlockDelta::Text(more) if !more.is_empty() => {
                    text.push_str(&more);
                    return Ok(ModelEvent::Thinking(more));
                }
                ReasoningContentBlockDelta::Signature(more) => signature.push_str(&more),
                ReasoningContentBlockDelta::RedactedContent(more) => {
                    redacted.extend_from_slice(more.as_ref())
                }
                _ => {}
            }
        }
        Ok(ModelEvent::Progress)
    }

    fn opened(&mut self, index: i32) -> Option<&mut Open> {
        let mut open = self.open.iter_mut().rev();
        open.find(|(at, _)| *at == index).map(|(_, block)| block)
    }

    /// A block is whole.
    pub(crate) fn whole(&mut self, index: i32, out: &mut VecDeque<ModelEvent>) {
        let Some(at) = self.open.iter().rposition(|(open, _)| *open == index) else {
            return;
        };
        match self.open.remove(at).1 {
            Open::Call(call) => self.calls.push(call),
            Open::Answer => {}
            Open::Thought {
                text,
                signature,
                redacted,
            } => {
                let maker = Traits::of(&self.model).maker;
                let value = match (signature.is_empty(), redacted.is_empty()) {
                    (false, _) => Some(json!({"maker": maker, "signature": signature})),
                    (true, false) => Some(json!({"maker": maker, "redacted": base64::encode(redacted)})),
                    (true, true) => None,
                };
                if !text.is_empty() || value.is_some() {
                    let seal = value.map(|value: Value| Seal {
                        family: FAMILY.to_owned(),
                        value,
                    });
                    out.push_back(ModelEvent::Reasoned(Reasoning { text, seal }));
                }
            }
        }
    }

    fn hold(&mut self, bytes: usize) -> Result<(), ProviderFault> {
        self.held += bytes;
        if self.held > HELD_AT_MOST {
            let why = format!("more than {HELD_AT_MOST} bytes of tool calls and thoughts");
            return Err(self.faults.malformed(&why));
        }
        Ok(())
    }

    /// What an answer in one piece says at its end.
    pub(crate) fn stopped(&mut self, why: StopReason, figures: Option<&TokenUsage>) {
        self.finish = Some(why);
        self.usage = figures.map(used);
    }

    /// The stream is over: queues the tool calls and the end, if the answer is whole.
    pub(crate) fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        let Some(finish) = &self.finish else {
            return Err(self.faults.truncated());
        };
        let mut finish = match finish_reason(finish) {
            Stopped::Because(reason) => reason,
            Stopped::Garbled(what) => return Err(self.faults.malformed(&what)),
        };
        let open: Vec<i32> = self.open.iter().map(|(index, _)| *index).collect();
        for index in open {
            self.whole(index, out);
        }
        if finish == FinishReason::Stop && !self.calls.is_empty() {
            finish = FinishReason::ToolCalls;
        }
        let in_tool = matches!(self.awaited, Awaited::InTool(_));
        if finish == FinishReason::ToolCalls && self.calls.is_empty() && in_tool {
            finish = FinishReason::Stop;
        }
        if finish == FinishReason::Stop && self.awaited != Awaited::Text && !self.holds_a_document() {
            return Err(self.faults.unheeded(&self.model));
        }
        // A call cut off by the token limit or a filter is no call.
        if finish == FinishReason::ToolCalls {
            for mut call in std::mem::take(&mut self.calls) {
                if call.arguments.trim().is_empty() {
                    call.arguments = "{}".to_owned();
                }
                out.push_back(ModelEvent::ToolCall(call));
            }
        }
        let usage = self.usage;
        out.push_back(ModelEvent::End { finish, usage });
        Ok(())
    }

    fn holds_a_document(&self) -> bool {
        serde_json::from_str::<IgnoredAny>(&self.document).is_ok()
    }
}

fn finish_reason(why: &StopReason) -> Stopped {
    Stopped::Because(match why {
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => FinishReason::Length,
        StopReason::ToolUse => FinishReason::ToolCalls,
        StopReason::ContentFiltered | StopReason::GuardrailIntervened => FinishReason::ContentFilter,
        StopReason::MalformedModelOutput => return Stopped::Garbled("the model's output is malformed"),
        StopReason::MalformedToolUse => return Stopped::Garbled("the model's tool call is malformed"),
        // Claude's, which no version of the interface names yet.
        other if other.as_str() == "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    })
}

/// Figures in disjoint classes. Cached tokens are counted apart from fresh ones, unless the total says otherwise.
/// Thinking is part of the output and has no figure of its own.
fn used(figures: &TokenUsage) -> Usage {
    let count = |n: i32| u64::try_from(n).unwrap_or(0);
    let (input, output) = (count(figures.input_tokens), count(figures.output_tokens));
    let read = figures.cache_read_input_tokens.map_or(0, count);
    let written = figures.cache_write_input_tokens.map_or(0, count);
    let inside = count(figures.total_tokens) == input + output && input >= read + written;
    Usage {
        input_tokens: if inside { input - read - written } else { input },
        cached_input_tokens: read,
        cache_write_tokens: written,
        output_tokens: output,
        ..Usage::default()
    }
}
