//! The chat format (ChatML): a conversation as the tokens the model was trained on.

use greenroom_kernel::{ModelMessage, ModelRole};
use serde_json::Value;

use super::error::EngineError;
use super::outlet::{CALL_END, CALL_START};
use super::tokens::Vocabulary;

const START: &str = "<|im_start|>";
const END: &str = "<|im_end|>";

/// The instructions the model was trained with, used where the conversation brings none.
const DEFAULT_INSTRUCTIONS: &str = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

/// The control tokens of the format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChatFormat {
    start: u32,
    end: u32,
}

impl ChatFormat {
    /// Finds the control tokens; `Err` says which one the vocabulary lacks.
    pub(crate) fn find(vocabulary: &Vocabulary) -> Result<Self, String> {
        let token = |name: &str| {
            vocabulary
                .control(name)
                .ok_or_else(|| format!("it has no {name} token, only ChatML models can chat here"))
        };
        Ok(Self {
            start: token(START)?,
            end: token(END)?,
        })
    }

    /// The prompt: every message, then the beginning of the assistant's answer, or as much of it as the last message says. A `briefing` joins the instructions.
    pub(crate) fn prompt(
        &self,
        messages: &[ModelMessage],
        briefing: &str,
        vocabulary: &Vocabulary,
    ) -> Result<Vec<u32>, EngineError> {
        let mut ids = Vec::new();
        for segment in segments(messages, briefing)? {
            match segment {
                Segment::Start => ids.push(self.start),
                Segment::End => ids.push(self.end),
                Segment::Text(text) => ids.extend(vocabulary.encode(&text)?),
            }
        }
        Ok(ids)
    }
}

/// A part of the prompt.
#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Start,
    Text(String),
    End,
}

/// Lays the conversation out. Control tokens are apart from text, so no message can forge one.
fn segments(messages: &[ModelMessage], briefing: &str) -> Result<Vec<Segment>, EngineError> {
    let first = messages.first().ok_or(EngineError::EmptyConversation)?;
    let default = (first.role != ModelRole::System).then(|| ("system", DEFAULT_INSTRUCTIONS.to_owned()));
    let spoken = messages
        .iter()
        .map(|message| (role_name(message.role), said(message)));
    let mut segments = Vec::with_capacity(4 * messages.len() + 6);
    for (number, (role, mut content)) in default.into_iter().chain(spoken).enumerate() {
        if number == 0 && !briefing.is_empty() {
            content = format!("{content}\n\n{briefing}");
        }
        segments.push(Segment::Start);
        segments.push(Segment::Text(format!("{role}\n{content}")));
        segments.push(Segment::End);
        segments.push(Segment::Text("\n".to_owned()));
    }
    // An answer that has begun is gone on with.
    let has_begun = |last: &ModelMessage| last.role == ModelRole::Assistant && last.tool_calls.is_empty();
    if messages.last().is_some_and(has_begun) {
        segments.truncate(segments.len() - 2);
        return Ok(segments);
    }
    segments.push(Segment::Start);
    segments.push(Segment::Text("assistant\n".to_owned()));
    Ok(segments)
}

/// A message's words: calls of tools and their results in the form that the model is asked to write calls in.
fn said(message: &ModelMessage) -> String {
    if message.role == ModelRole::Tool {
        return format!("<tool_response>\n{}\n</tool_response>", message.content.text());
    }
    let mut said = message.content.text().into_owned();
    for call in &message.tool_calls {
        if !said.is_empty() {
            said.push('\n');
        }
        let (name, arguments) = (Value::from(call.name.as_str()), &call.arguments);
        let body = format!("{{\"name\": {name}, \"arguments\": {arguments}}}");
        said.push_str(&format!("{CALL_START}\n{body}\n{CALL_END}"));
    }
    said
}

/// The format has no role for tools: a tool's result comes from the user's side.
fn role_name(role: ModelRole) -> &'static str {
    match role {
        ModelRole::System => "system",
        ModelRole::User | ModelRole::Tool => "user",
        ModelRole::Assistant => "assistant",
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::ToolCall;

    use super::*;

    fn laid_out(messages: &[(ModelRole, &str)]) -> String {
        let messages: Vec<_> = messages
            .iter()
            .map(|(role, text)| ModelMessage::text(*role, *text))
            .collect();
        shown(&messages, "")
    }

    fn shown(messages: &[ModelMessage], briefing: &str) -> String {
        let show = |segment| match segment {
            Segment::Start => START.to_owned(),
            Segment::End => END.to_owned(),
            Segment::Text(text) => text,
        };
        segments(messages, briefing)
            .unwrap()
            .into_iter()
            .map(show)
            .collect()
    }

    #[test]
    fn a_conversation_is_laid_out_as_the_model_was_trained() {
        let conversation = [
            (ModelRole::System, "Be brief."),
            (ModelRole::User, "Hi"),
            (ModelRole::Assistant, "Hello."),
            (ModelRole::User, "Bye"),
        ];
        assert_eq!(
            laid_out(&conversation),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
             <|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
        );
    }

    #[test]
    fn an_answer_that_has_begun_is_left_open() {
        let conversation = [
            (ModelRole::System, "Be brief."),
            (ModelRole::User, "Hi"),
            (ModelRole::Assistant, "Hel"),
        ];
        assert_eq!(
            laid_out(&conversation),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHel"
        );
    }

    #[test]
    fn without_instructions_the_trained_ones_come_first() {
        assert_eq!(
            laid_out(&[(ModelRole::User, "Hi")]),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
             <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        );
    }

    #[test]
    fn a_call_of_a_tool_and_its_result_are_laid_out_as_the_model_writes_calls() {
        let call = ToolCall {
            id: "call_1".to_owned(),
            name: "weather".to_owned(),
            arguments: "{\"city\": \"Bern\"}".to_owned(),
        };
        let conversation = [
            ModelMessage::text(ModelRole::System, "Be brief."),
            ModelMessage::text(ModelRole::User, "Rain in Bern?"),
            ModelMessage {
                tool_calls: vec![call],
                ..ModelMessage::text(ModelRole::Assistant, "I'll look.")
            },
            ModelMessage {
                tool_call_id: Some("call_1".to_owned()),
                ..ModelMessage::text(ModelRole::Tool, "sunny")
            },
        ];
        assert_eq!(
            shown(&conversation, "You can call tools."),
            "<|im_start|>system\nBe brief.\n\nYou can call tools.<|im_end|>\n<|im_start|>user\nRain in Bern?<|im_end|>\n\
             <|im_start|>assistant\nI'll look.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": \
             {\"city\": \"Bern\"}}\n</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\nsunny\n\
             </tool_response><|im_end|>\n<|im_start|>assistant\n"
        );
    }

    #[test]
    fn a_conversation_without_messages_is_refused() {
        assert!(matches!(segments(&[], ""), Err(EngineError::EmptyConversation)));
    }
}
