//! The tokenizer a GGUF file carries: text to token ids, token ids back to bytes.

use std::collections::HashSet;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::tokenizer::TokenizerFromGguf;
use tokenizers::Tokenizer;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

use super::error::EngineError;
use super::weights::{number, text};

/// Splits and joins text as the model was trained to.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    tokenizer: Tokenizer,
    size: u32,
    end: Vec<u32>,
    control: HashSet<u32>,
}

impl Vocabulary {
    /// Reads it from the metadata; `Err` says which property is not supported.
    pub(crate) fn read(content: &Content) -> Result<Self, String> {
        let mut tokenizer = Tokenizer::from_gguf(content).map_err(|error| error.to_string())?;
        if let Some(splitting) = splitting(text(content, "tokenizer.ggml.pre").unwrap_or("gpt-2"))? {
            tokenizer.with_pre_tokenizer(Some(splitting));
        }
        // What people write is text, even where it spells a control token.
        tokenizer.set_encode_special_tokens(true);
        let mut end: Vec<u32> = number(content, "tokenizer.ggml.eos_token_id")
            .and_then(|id| u32::try_from(id).ok())
            .into_iter()
            .collect();
        for name in ["<|im_end|>", "<|endoftext|>", "<|eot_id|>"] {
            end.extend(tokenizer.token_to_id(name));
        }
        let size = u32::try_from(tokenizer.get_vocab_size(true)).map_err(|error| error.to_string())?;
        let mut control = marked_as_control(content);
        control.extend((0..size).filter(|id| {
            let name = tokenizer.id_to_token(*id).unwrap_or_default();
            end.contains(id) || (name.starts_with("<|") && name.ends_with("|>"))
        }));
        Ok(Self {
            tokenizer,
            size,
            end,
            control,
        })
    }

    /// The ids of `text`. Control tokens spelled in it are encoded as plain text.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        match self.tokenizer.encode_fast(text, false) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(source) => Err(EngineError::Tokenize { source }),
        }
    }

    /// The id of a control token.
    pub(crate) fn control(&self, name: &str) -> Option<u32> {
        self.tokenizer.token_to_id(name)
    }

    /// How many ids there are.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// Whether the token stands for no text.
    pub(crate) fn is_control(&self, id: u32) -> bool {
        self.control.contains(&id)
    }

    /// The tokens that end an answer.
    pub(crate) fn ends_known(&self) -> Vec<u32> {
        self.end.iter().copied().filter(|id| *id < self.size).collect()
    }

    /// Whether the token ends an answer.
    pub(crate) fn ends(&self, id: u32) -> bool {
        self.end.contains(&id)
    }

    /// The bytes a token stands for; none for an unknown id.
    pub(crate) fn bytes(&self, id: u32) -> Vec<u8> {
        let token = self.tokenizer.id_to_token(id).unwrap_or_default();
        match token.chars().map(byte_of).collect() {
            Some(bytes) => bytes,
            None => token.into_bytes(),
        }
    }
}

/// The kind of a control token in a vocabulary's list of kinds.
const CONTROL_KIND: i64 = 3;

fn marked_as_control(content: &Content) -> HashSet<u32> {
    let Some(Value::Array(kinds)) = content.metadata.get("tokenizer.ggml.token_type") else {
        return HashSet::new();
    };
    let is_control = |kind: &Value| match kind {
        Value::I32(kind) => i64::from(*kind) == CONTROL_KIND,
        Value::U32(kind) => i64::from(*kind) == CONTROL_KIND,
        _ => false,
    };
    (0u32..)
        .zip(kinds)
        .filter(|(_, kind)| is_control(kind))
        .map(|(id, _)| id)
        .collect()
}

/// How text is cut before merging, where the tensor library's own choice is missing or adds a leading space.
fn splitting(kind: &str) -> Result<Option<PreTokenizerWrapper>, String> {
    match kind {
        "smollm" | "starcoder" | "refact" | "command-r" => {
            let parts = vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()];
            Ok(Some(Sequence::new(parts).into()))
        }
        "gpt-2" | "gpt2" | "default" => Ok(Some(ByteLevel::new(false, true, true).into())),
        "qwen2" | "smaug-bpe" | "lfm2" | "llama3" => Ok(None),
        other => Err(format!(
            "its tokenizer splits text by the rules of {other}, which are not known here"
        )),
    }
}

/// The byte a character of a byte-level token stands for: printable Latin-1 for itself, the rest in order from
/// U+0100 on.
fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => u8::try_from(code).ok(),
        0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        0x121..=0x142 => u8::try_from(code - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_character() {
        let mut bytes: Vec<u8> = (0u32..0x200)
            .filter_map(char::from_u32)
            .filter_map(byte_of)
            .collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!(byte_of('Ġ'), Some(b' '));
        assert_eq!(byte_of('Ċ'), Some(b'\n'));
        assert_eq!(byte_of('ł'), Some(0xA0));
        assert_eq!(byte_of('中'), None);
    }

    #[test]
    fn an_unknown_way_of_splitting_is_refused_by_name() {
        assert!(splitting("martian").unwrap_err().contains("martian"));
    }
}
