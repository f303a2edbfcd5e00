//! The chat format (ChatML): a conversation as the tokens the model was trained on.

use greenroom_kernel::{ModelMessage, ModelRole};

use super::error::EngineError;
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

    /// The prompt: every message, then the beginning of the assistant's answer.
    pub(crate) fn prompt(
        &self,
        messages: &[ModelMessage],
        vocabulary: &Vocabulary,
    ) -> Result<Vec<u32>, EngineError> {
        let mut ids = Vec::new();
        for segment in segments(messages)? {
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
fn segments(messages: &[ModelMessage]) -> Result<Vec<Segment>, EngineError> {
    let first = messages.first().ok_or(EngineError::EmptyConversation)?;
    let default = (first.role != ModelRole::System).then_some(("system", DEFAULT_INSTRUCTIONS));
    let spoken = messages
        .iter()
        .map(|message| (role_name(message.role), message.content.as_str()));
    let mut segments = Vec::with_capacity(4 * messages.len() + 6);
    for (role, content) in default.into_iter().chain(spoken) {
        segments.push(Segment::Start);
        segments.push(Segment::Text(format!("{role}\n{content}")));
        segments.push(Segment::End);
        segments.push(Segment::Text("\n".to_owned()));
    }
    segments.push(Segment::Start);
    segments.push(Segment::Text("assistant\n".to_owned()));
    Ok(segments)
}

/// The model knows no tools: a tool's result is shown to it as the user's words.
fn role_name(role: ModelRole) -> &'static str {
    match role {
        ModelRole::System => "system",
        ModelRole::User | ModelRole::Tool => "user",
        ModelRole::Assistant => "assistant",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(messages: &[(ModelRole, &str)]) -> String {
        let messages: Vec<_> = messages
            .iter()
            .map(|(role, text)| ModelMessage::text(*role, *text))
            .collect();
        let show = |segment| match segment {
            Segment::Start => START.to_owned(),
            Segment::End => END.to_owned(),
            Segment::Text(text) => text,
        };
        segments(&messages).unwrap().into_iter().map(show).collect()
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
    fn without_instructions_the_trained_ones_come_first() {
        assert_eq!(
            laid_out(&[(ModelRole::User, "Hi")]),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
             <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        );
    }

    #[test]
    fn a_conversation_without_messages_is_refused() {
        assert!(matches!(segments(&[]), Err(EngineError::EmptyConversation)));
    }
}
