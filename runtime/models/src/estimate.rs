//! What a call probably used, when its provider didn't say.

use greenroom_kernel::{ModelRequest, ToolCall, Usage};

use crate::tries::Sign;

/// Tokens that wrap each message.
const PER_MESSAGE: u64 = 4;

/// Four bytes of UTF-8 a token, rounded up: right for English within a fifth, and for other scripts too, whose
/// letters take more bytes and make more tokens.
fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
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
    pub(crate) fn more(&mut self, brought: &Sign<'_>) {
        match brought {
            Sign::Text(text) => self.bytes += text.len() as u64,
            Sign::Call(asked) => self.calls += call(asked),
            Sign::Working => {}
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

/// The usage of a request and what was answered to it, marked as estimated.
pub(crate) fn usage(request: &ModelRequest, content: &str, calls: &[ToolCall]) -> Usage {
    Usage {
        input_tokens: input(request),
        output_tokens: tokens(content) + calls.iter().map(call).sum::<u64>(),
        estimated: true,
        ..Usage::default()
    }
}

/// The tokens of a request.
pub(crate) fn input(request: &ModelRequest) -> u64 {
    let messages = request.messages.iter().map(|m| {
        let calls: u64 = m.tool_calls.iter().map(call).sum();
        PER_MESSAGE + tokens(&m.content.text()) + calls
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
        let usage = usage(&request, "123456789", &[]);
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
            Sign::Text("123"),
            Sign::Call(&asked),
            Sign::Text("45"),
        ] {
            running.more(&sign);
        }
        assert_eq!(running.usage(), usage(&request, "12345", &[asked]));
    }
}
