//! Responses, as its strictest client reads it.

use serde_json::Value;

use super::{Event, Figures, Finish, Judge, Listening, json, text};

#[derive(Default)]
pub(super) struct Responses {
    next: u64,
    id: Option<Value>,
    /// Items and parts that are open.
    items: u32,
    parts: u32,
    done: Option<String>,
    is_failed: bool,
}

fn finish(response: &Value) -> Option<Finish> {
    let calls = response["output"]
        .as_array()?
        .iter()
        .any(|item| item["type"] == "function_call");
    Some(match response["status"].as_str()? {
        "completed" if calls => Finish::Call,
        "completed" => Finish::Stop,
        "incomplete" if response["incomplete_details"]["reason"] == "content_filter" => Finish::Filter,
        "incomplete" => Finish::Length,
        _ => return None,
    })
}

fn said(response: &Value) -> String {
    let items = response["output"].as_array().into_iter().flatten();
    items
        .map(|item| match item["type"].as_str() {
            Some("function_call") => text(&item["arguments"]),
            _ => item["content"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|part| text(&part["text"]))
                .collect(),
        })
        .collect()
}

impl Judge for Responses {
    fn event(&mut self, event: &Event, heard: &mut Listening) -> Result<(), String> {
        let data = json(event)?;
        let kind = data["type"].as_str().ok_or("no type")?;
        if event.name.as_deref() != Some(kind) {
            return Err(format!("an event {:?} of the type {kind}", event.name));
        }
        let number = data["sequence_number"].as_u64().ok_or("no sequence_number")?;
        if kind != "error" && number != self.next {
            return Err(format!("event {number} where {} comes", self.next));
        }
        self.next = number + 1;
        match kind {
            "response.created" if self.id.is_none() => self.id = Some(data["response"]["id"].clone()),
            "response.created" => return Err("a second beginning".to_owned()),
            "error" => {}
            _ if self.id.is_none() => return Err(format!("{kind} before the beginning")),
            "response.output_item.added" => self.items += 1,
            "response.output_item.done" => self.items = self.items.checked_sub(1).ok_or("no item is open")?,
            "response.content_part.added" => self.parts += 1,
            "response.content_part.done" => {
                self.parts = self.parts.checked_sub(1).ok_or("no part is open")?
            }
            "response.output_text.delta" if self.parts == 1 => heard.said.push_str(&text(&data["delta"])),
            "response.function_call_arguments.delta" if self.items == 1 => {
                heard.said.push_str(&text(&data["delta"]));
            }
            "response.output_text.done" => self.done = Some(text(&data["text"])),
            "response.function_call_arguments.done" => self.done = Some(text(&data["arguments"])),
            "response.in_progress" => {}
            "response.completed" | "response.incomplete" => {
                let response = &data["response"];
                if Some(&response["id"]) != self.id.as_ref() || self.items + self.parts > 0 {
                    return Err("it ends another answer, or with something open".to_owned());
                }
                if said(response) != heard.said || self.done.as_ref() != Some(&heard.said) {
                    return Err(format!("it ends with another text: {}", said(response)));
                }
                heard.finish = finish(response);
                heard.figures = figures(&response["usage"]);
                heard.is_done = true;
            }
            "response.failed" if self.is_failed => return Err("it fails twice".to_owned()),
            "response.failed" => {
                self.is_failed = true;
                heard.error = Some(text(&data["response"]["error"]["message"]));
            }
            _ => return Err(format!("an unexpected event {kind}")),
        }
        if kind == "error" {
            heard.error = Some(text(&data["message"]));
        }
        if heard.error.as_ref().is_some_and(String::is_empty) {
            return Err("an error that says nothing".to_owned());
        }
        Ok(())
    }

    /// The event `error` says that the connection has failed, and `response.failed` that the response has.
    fn is_of_the_error(&self, event: &Event) -> bool {
        !self.is_failed && event.name.as_deref() == Some("response.failed")
    }
}

fn figures(usage: &Value) -> Option<Figures> {
    Some(Figures {
        input: usage["input_tokens"].as_u64()?,
        output: usage["output_tokens"].as_u64()?,
    })
}

pub(super) fn whole(body: &Value) -> Option<(String, Finish, Figures)> {
    (body["object"] == "response").then_some(())?;
    Some((said(body), finish(body)?, figures(&body["usage"])?))
}
