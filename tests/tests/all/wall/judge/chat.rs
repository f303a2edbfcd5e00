//! Chat Completions, as its strictest client reads it.

use serde_json::Value;

use super::{Event, Figures, Finish, Judge, Listening, json, text};

#[derive(Default)]
pub(super) struct Chat {
    id: Option<Value>,
    has_role: bool,
}

fn finish(reason: &str) -> Option<Finish> {
    Some(match reason {
        "stop" => Finish::Stop,
        "tool_calls" => Finish::Call,
        "content_filter" => Finish::Filter,
        "length" => Finish::Length,
        _ => return None,
    })
}

fn figures(usage: &Value) -> Option<Figures> {
    Some(Figures {
        input: usage["prompt_tokens"].as_u64()?,
        output: usage["completion_tokens"].as_u64()?,
    })
}

impl Judge for Chat {
    fn event(&mut self, event: &Event, heard: &mut Listening) -> Result<(), String> {
        if event.data == "[DONE]" {
            heard.is_done = true;
            return if heard.finish.is_some() {
                Ok(())
            } else {
                Err("[DONE] without an end".to_owned())
            };
        }
        let chunk = json(event)?;
        if chunk["error"].is_object() {
            let message = text(&chunk["error"]["message"]);
            heard.error = (!message.is_empty()).then_some(message);
            return heard
                .error
                .as_ref()
                .map(|_| ())
                .ok_or_else(|| "an error without a message".to_owned());
        }
        if chunk["object"] != "chat.completion.chunk"
            || *self.id.get_or_insert(chunk["id"].clone()) != chunk["id"]
        {
            return Err(format!("no chunk of this answer: {chunk}"));
        }
        heard.figures = figures(&chunk["usage"]).or(heard.figures);
        let choices = chunk["choices"].as_array().ok_or("no choices")?;
        let Some(choice) = choices.first() else {
            return Ok(());
        };
        if heard.finish.is_some() {
            return Err("a choice behind its end".to_owned());
        }
        let delta = &choice["delta"];
        if delta["role"].is_string() {
            if std::mem::replace(&mut self.has_role, true) {
                return Err("a second beginning".to_owned());
            }
        } else if !self.has_role {
            return Err("no role at the beginning".to_owned());
        }
        heard.said.push_str(&text(&delta["content"]));
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            heard.said.push_str(&text(&call["function"]["arguments"]));
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            heard.finish = Some(finish(reason).ok_or("an unknown end")?);
        }
        Ok(())
    }
}

pub(super) fn whole(body: &Value) -> Option<(String, Finish, Figures)> {
    let choice = &body["choices"][0];
    let message = &choice["message"];
    let said = match message["tool_calls"][0]["function"]["arguments"].as_str() {
        Some(arguments) => arguments.to_owned(),
        None => message["content"].as_str()?.to_owned(),
    };
    Some((
        said,
        finish(choice["finish_reason"].as_str()?)?,
        figures(&body["usage"])?,
    ))
}
