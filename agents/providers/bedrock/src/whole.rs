//! An answer in one piece, told as if it had been streamed.

use std::collections::VecDeque;

use aws_sdk_bedrockruntime::operation::converse::ConverseOutput as Answer;
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ConverseOutput, ReasoningContentBlock, ReasoningContentBlockDelta,
};
use greenroom_kernel::{ModelEvent, ProviderFault};

use crate::assemble::Assembler;
use crate::document::json;

/// Every event of an answer.
pub(crate) fn told(answer: Answer, mut assembler: Assembler) -> Result<VecDeque<ModelEvent>, ProviderFault> {
    let mut out = VecDeque::new();
    if let Some(ConverseOutput::Message(message)) = answer.output {
        for (index, block) in (0..).zip(message.content) {
            match block {
                ContentBlock::Text(text) => out.push_back(assembler.text(text)?),
                ContentBlock::ToolUse(call) => {
                    assembler.began(index, call.tool_use_id, call.name)?;
                    out.push_back(assembler.input(index, &json(&call.input).to_string())?);
                }
                ContentBlock::ReasoningContent(thought) => {
                    for piece in pieces(thought) {
                        out.push_back(assembler.thought(index, piece)?);
                    }
                }
                _ => {}
            }
            assembler.whole(index, &mut out);
        }
    }
    assembler.stopped(answer.stop_reason, answer.usage.as_ref());
    assembler.end(&mut out)?;
    Ok(out)
}

fn pieces(thought: ReasoningContentBlock) -> Vec<ReasoningContentBlockDelta> {
    match thought {
        ReasoningContentBlock::ReasoningText(said) => {
            let signature = said.signature.map(ReasoningContentBlockDelta::Signature);
            [ReasoningContentBlockDelta::Text(said.text)]
                .into_iter()
                .chain(signature)
                .collect()
        }
        ReasoningContentBlock::RedactedContent(hidden) => {
            vec![ReasoningContentBlockDelta::RedactedContent(hidden)]
        }
        _ => Vec::new(),
    }
}
