//! What a call probably used, when its provider didn't say.

use greenroom_kernel::{EmbeddingInput, EmbeddingRequest, ModelRequest, Reach, Reported, ToolCall, Usage};

use crate::tries::{Brought, Sign};

/// Tokens that wrap each message.
const PER_MESSAGE: u64 = 4;

/// Tokens of an image, whatever its size: what one of some 1,000 by 750 pixels takes.
const PER_IMAGE: u64 = 1_000;

/// Four bytes of UTF-8 a token, rounded up: right for English within a fifth, and for other scripts too, whose
/// letters take more bytes and make more tokens.
fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

/// The tokens of so many bytes of anything.
pub(crate) fn of_bytes(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

/// The tokens of what is to be embedded.
pub(crate) fn embedded(request: &EmbeddingRequest) -> u64 {
    embedded_inputs(&request.inputs)
}

/// The tokens of some inputs.
pub(crate) fn embedded_inputs(inputs: &[EmbeddingInput]) -> u64 {
    let tokens_of = |input: &EmbeddingInput| match input {
        EmbeddingInput::Text(text) => tokens(text),
        EmbeddingInput::Tokens(tokens) => tokens.len() as u64,
    };
    inputs.iter().map(tokens_of).sum()
}

/// The usage of a try that runs: its request, and what has been answered so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Running {
    input: u64,
    bytes: u64,
    calls: u64,
}

impl Running {
    /// Of a request that takes `input` tokens.
    pub(crate) fn begin(input: u64) -> Self {
        Self {
            input,
            bytes: 0,
            calls: 0,
        }
    }

    /// More was answered.
    pub(crate) fn more(&mut self, brought: &Sign) {
        match brought {
            Sign::Text(text) => self.bytes += text.len() as u64,
            Sign::Call(asked) => self.calls += call(asked),
            Sign::Thinking(_) | Sign::Piece(_) | Sign::Working | Sign::End(_) => {}
        }
    }

    /// What that comes to until now: the same as [`usage`] says of the whole.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            input_tokens: self.input,
            output_tokens: self.bytes.div_ceil(4) + self.calls,
            estimated: true,
            ..Usage::default()
        }
    }
}

/// The usage of a request of so many tokens and of what was answered to it, marked as estimated.
pub(crate) fn usage(input_tokens: u64, brought: &Brought) -> Usage {
    let relayed = brought.relayed.div_ceil(4);
    Usage {
        input_tokens,
        output_tokens: tokens(&brought.content) + brought.calls.iter().map(call).sum::<u64>() + relayed,
        estimated: true,
        ..Usage::default()
    }
}

/// The usage of a try that ended before its figures were whole: what was reported, and our estimate of the output that
/// this leaves out. Marked as estimated where there is such output, or may be.
pub(crate) fn completed(reported: Reported, brought: &Brought) -> Usage {
    let told = reported.usage;
    let output_tokens = match reported.output {
        Reach::Whole => return told,
        Reach::Until { .. } => match brought.uncounted() {
            0 => return told,
            bytes => told.output_tokens + bytes.div_ceil(4),
        },
        Reach::Begun => told.output_tokens.max(usage(0, brought).output_tokens),
    };
    Usage {
        output_tokens,
        estimated: true,
        ..told
    }
}

/// The tokens of a request.
pub(crate) fn input(request: &ModelRequest) -> u64 {
    let messages = request.messages.iter().map(|m| {
        let calls: u64 = m.tool_calls.iter().map(call).sum();
        let images = m.content.images() as u64 * PER_IMAGE;
        PER_MESSAGE + tokens(&m.content.text()) + images + calls
    });
    let tools = request
        .tools
        .iter()
        .map(|t| tokens(&t.name) + tokens(&t.description) + tokens(&t.parameters.to_string()));
    messages.sum::<u64>() + tools.sum::<u64>()
}

fn call(call: &ToolCall) -> u64 {
    PER_MESSAGE + tokens(&call.name) + tokens(&call.arguments)
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::{ModelMessage, ModelRole};

    use super::*;

    #[test]
    fn an_estimate_counts_both_sides_and_says_that_it_is_one() {
        let request = ModelRequest {
            messages: vec![ModelMessage::text(ModelRole::User, "12345678")],
            ..ModelRequest::default()
        };
        let brought = Brought {
            content: "123456789".into(),
            ..Brought::default()
        };
        let usage = usage(input(&request), &brought);
        assert_eq!((usage.input_tokens, usage.output_tokens), (6, 3));
        assert!(usage.estimated);
    }

    #[test]
    fn a_running_try_comes_to_the_same_as_the_whole_one() {
        let request = ModelRequest {
            messages: vec![ModelMessage::text(ModelRole::User, "12345678")],
            ..ModelRequest::default()
        };
        let asked = ToolCall {
            id: "1".into(),
            name: "clock".into(),
            arguments: "{}".into(),
        };
        let mut running = Running::begin(input(&request));
        for sign in [
            Sign::Working,
            Sign::Text("123".into()),
            Sign::Call(asked.clone()),
            Sign::Text("45".into()),
        ] {
            running.more(&sign);
        }
        let brought = Brought {
            content: "12345".into(),
            calls: vec![asked],
            ..Brought::default()
        };
        assert_eq!(running.usage(), usage(input(&request), &brought));
    }
}
