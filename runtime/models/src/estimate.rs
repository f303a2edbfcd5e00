//! What a call probably used, when its provider didn't say.

use greenroom_kernel::{ModelRequest, ToolCall, Usage};

/// Tokens that wrap each message.
const PER_MESSAGE: u64 = 4;

/// Four bytes of UTF-8 a token, rounded up: right for English within a fifth, and for other scripts too, whose
/// letters take more bytes and make more tokens.
fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

/// The usage of a request and what was answered to it, marked as estimated.
pub(crate) fn usage(request: &ModelRequest, content: &str, calls: &[ToolCall]) -> Usage {
    let messages = request.messages.iter().map(|m| {
        let calls: u64 = m.tool_calls.iter().map(call).sum();
        PER_MESSAGE + tokens(&m.content) + calls
    });
    let tools = request
        .tools
        .iter()
        .map(|t| tokens(&t.name) + tokens(&t.description) + tokens(&t.parameters.to_string()));
    Usage {
        input_tokens: messages.sum::<u64>() + tools.sum::<u64>(),
        output_tokens: tokens(content) + calls.iter().map(call).sum::<u64>(),
        estimated: true,
        ..Usage::default()
    }
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
}
