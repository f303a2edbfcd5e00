//! Messages, as its strictest client reads it.

use serde_json::Value;

use super::{Event, Figures, Finish, Judge, Listening, json, text};

#[derive(Default)]
pub(super) struct Messages {
    has_begun: bool,
    /// The open block, and how many there were.
    open: Option<u64>,
    blocks: u64,
    input: u64,
}

fn finish(reason: &str) -> Option<Finish> {
    Some(match reason {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "tool_use" => Finish::Call,
        "refusal" => Finish::Filter,
        "max_tokens" => Finish::Length,
        _ => return None,
    })
}

impl Judge for Messages {
    fn event(&mut self, event: &Event, heard: &mut Listening) -> Result<(), String> {
        let data = json(event)?;
        let kind = data["type"].as_str().ok_or("no type")?;
        if event.name.as_deref() != Some(kind) {
            return Err(format!("an event {:?} of the type {kind}", event.name));
        }
        if !self.has_begun && !matches!(kind, "message_start" | "ping" | "error") {
            return Err(format!("{kind} before the beginning"));
        }
        match kind {
            "message_start" => {
                if std::mem::replace(&mut self.has_begun, true) {
                    return Err("a second beginning".to_owned());
                }
                self.input = data["message"]["usage"]["input_tokens"]
                    .as_u64()
                    .ok_or("no figures")?;
            }
            "content_block_start" => {
                if self.open.is_some() || data["index"] != self.blocks || heard.finish.is_some() {
                    return Err("a block out of its place".to_owned());
                }
                self.open = Some(self.blocks);
                self.blocks += 1;
                heard.said.push_str(&text(&data["content_block"]["text"]));
            }
            "content_block_delta" => {
                if self.open.is_none() || data["index"].as_u64() != self.open {
                    return Err("a delta of no open block".to_owned());
                }
                heard.said.push_str(&text(&data["delta"]["text"]));
                heard.said.push_str(&text(&data["delta"]["partial_json"]));
            }
            "content_block_stop" => {
                if self.open.take() != data["index"].as_u64() {
                    return Err("no such block is open".to_owned());
                }
            }
            "message_delta" => {
                if self.open.is_some() || heard.finish.is_some() {
                    return Err("an end inside a block, or a second one".to_owned());
                }
                heard.finish = data["delta"]["stop_reason"].as_str().and_then(finish);
                let usage = &data["usage"];
                heard.figures = usage["output_tokens"].as_u64().map(|output| Figures {
                    input: usage["input_tokens"].as_u64().unwrap_or(self.input),
                    output,
                });
            }
            "message_stop" => heard.is_done = true,
            "error" => {
                let message = text(&data["error"]["message"]);
                if message.is_empty() || !data["error"]["type"].is_string() {
                    return Err("an error that says nothing".to_owned());
                }
                heard.error = Some(message);
            }
            "ping" => {}
            _ => return Err(format!("an unknown event {kind}")),
        }
        Ok(())
    }
}

pub(super) fn whole(body: &Value) -> Option<(String, Finish, Figures)> {
    let block = &body["content"][0];
    let said = match block["type"].as_str()? {
        "text" => block["text"].as_str()?.to_owned(),
        _ => block["input"].as_object().map(|_| block["input"].to_string())?,
    };
    let usage = &body["usage"];
    let figures = Figures {
        input: usage["input_tokens"].as_u64()?,
        output: usage["output_tokens"].as_u64()?,
    };
    (body["type"] == "message").then_some(())?;
    Some((said, finish(body["stop_reason"].as_str()?)?, figures))
}
