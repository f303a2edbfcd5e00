//! OpenAI Responses.

use serde_json::{Value, json};

use super::{Answer, Event, Kind, TOOL, Trouble, chat};

fn response(status: &str, output: &Value, answer: Option<&Answer>) -> Value {
    let usage = answer.map(|answer| {
        let (input, output) = (answer.figures.input, answer.figures.output);
        json!({"input_tokens": input, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": output,
               "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": input + output})
    });
    let incomplete = (status == "incomplete").then(|| json!({"reason": "content_filter"}));
    json!({
        "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "status": status, "background": false,
        "error": null, "incomplete_details": incomplete, "instructions": null, "max_output_tokens": null,
        "metadata": {}, "model": "m", "output": output, "parallel_tool_calls": true, "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null}, "store": false, "temperature": 1.0,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "usage": usage, "user": null,
    })
}

fn item(answer: &Answer, status: &str, said: &str) -> Value {
    if answer.is_call {
        return json!({"id": "fc_1", "type": "function_call", "status": status, "call_id": "call_1", "name": TOOL,
                      "arguments": said});
    }
    let content = match said {
        "" => json!([]),
        text => json!([part(text)]),
    };
    json!({"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content})
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn ending(answer: &Answer) -> &'static str {
    if answer.is_filtered {
        "incomplete"
    } else {
        "completed"
    }
}

pub(super) fn whole(answer: &Answer) -> Value {
    let status = ending(answer);
    let output = json!([item(answer, status, &answer.said())]);
    response(status, &output, Some(answer))
}

/// Numbers the events as they are told.
struct Told(Vec<Event>);

impl Told {
    fn tell(&mut self, kind: Kind, name: &str, more: &Value) {
        let mut body = json!({"type": name, "sequence_number": self.0.len()});
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        self.0
            .push(Event::new(kind, format!("event: {name}\ndata: {body}\n\n")));
    }
}

pub(super) fn events(answer: &Answer) -> Vec<Event> {
    let mut told = Told(Vec::new());
    let begun = json!({"response": response("in_progress", &json!([]), None)});
    told.tell(Kind::Begin, "response.created", &begun);
    told.tell(Kind::Begin, "response.in_progress", &begun);
    let added = json!({"output_index": 0, "item": item(answer, "in_progress", "")});
    told.tell(Kind::Begin, "response.output_item.added", &added);
    let said = answer.said();
    if answer.is_call {
        let at = json!({"output_index": 0, "item_id": "fc_1"});
        let with = |name: &str, value: &str| {
            let mut at = at.clone();
            at[name] = value.into();
            at
        };
        for piece in &answer.pieces {
            let delta = with("delta", piece);
            told.tell(Kind::Said, "response.function_call_arguments.delta", &delta);
        }
        let done = with("arguments", &said);
        told.tell(Kind::Close, "response.function_call_arguments.done", &done);
    } else {
        let at = json!({"output_index": 0, "content_index": 0, "item_id": "msg_1"});
        let with = |name: &str, value: Value| {
            let mut at = at.clone();
            at[name] = value;
            at
        };
        told.tell(
            Kind::Begin,
            "response.content_part.added",
            &with("part", part("")),
        );
        for piece in &answer.pieces {
            let mut delta = with("delta", piece.clone().into());
            delta["logprobs"] = json!([]);
            told.tell(Kind::Said, "response.output_text.delta", &delta);
        }
        let mut done = with("text", said.clone().into());
        done["logprobs"] = json!([]);
        told.tell(Kind::Close, "response.output_text.done", &done);
        told.tell(
            Kind::Close,
            "response.content_part.done",
            &with("part", part(&said)),
        );
    }
    let status = ending(answer);
    let done = json!({"output_index": 0, "item": item(answer, status, &said)});
    told.tell(Kind::Close, "response.output_item.done", &done);
    let end = json!({"response": whole(answer)});
    told.tell(Kind::End, &format!("response.{status}"), &end);
    told.0
}

pub(super) fn error_event(trouble: Trouble, told: usize) -> Vec<u8> {
    let error = &chat::error(trouble)["error"];
    let body = json!({"type": "error", "sequence_number": told, "code": error["code"], "param": null,
                      "message": error["message"]});
    format!("event: error\ndata: {body}\n\n").into_bytes()
}
