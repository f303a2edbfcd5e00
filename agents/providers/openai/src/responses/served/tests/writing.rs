use greenroom_provider_http::{EdgeError, ErrorKind};

use super::*;

fn asking() -> Value {
    json!({"model": "my-route", "input": "hi", "instructions": "Be brief.", "temperature": 0.5, "metadata": {"k": "v"},
           "tools": [{"type": "function", "name": "add", "parameters": {"type": "object"}}], "stream": true})
}

/// What is the same in every response to that request.
fn framed(response: &Value) -> Value {
    let mut response = response.clone();
    for name in ["output", "usage", "status", "error", "incomplete_details"] {
        response.as_object_mut().unwrap().remove(name).expect(name);
    }
    response
}

#[test]
fn a_whole_response_repeats_its_request_and_holds_the_answer() {
    let response = whole(&asking(), &answer());
    assert_eq!(
        framed(&response),
        json!({
            "id": "resp_01abc", "object": "response", "created_at": 1_700_000_000, "background": false,
            "instructions": "Be brief.", "max_output_tokens": null, "max_tool_calls": null, "model": "my-route",
            "parallel_tool_calls": true, "previous_response_id": null, "prompt_cache_key": null,
            "reasoning": {"effort": null, "summary": null}, "safety_identifier": null, "service_tier": "default",
            "store": false, "temperature": 0.5, "text": {"format": {"type": "text"}}, "tool_choice": "auto",
            "tools": [{"type": "function", "name": "add", "parameters": {"type": "object"}, "description": null, "strict": null}],
            "top_logprobs": 0, "top_p": null, "truncation": "disabled", "user": null, "metadata": {"k": "v"},
        })
    );
    assert_eq!(response["status"], "completed");
    assert_eq!(
        (&response["error"], &response["incomplete_details"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        response["usage"],
        json!({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
               "output_tokens": 10, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 20})
    );
    let calling = |id: &str, call: &str| {
        json!({"id": id, "type": "function_call", "status": "completed",
        "arguments": "{\"a\":1}", "call_id": call, "name": "add"})
    };
    assert_eq!(
        response["output"],
        json!([
            {"id": "rs_01abc0000", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"id": "msg_01abc0001", "type": "message", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "annotations": [], "logprobs": [], "text": "Hi there"}]},
            calling("fc_01abc0002", "c1"), calling("fc_01abc0003", "c2"),
        ])
    );
}

#[test]
fn an_answer_that_was_cut_is_incomplete_and_says_why() {
    for (finish, reason) in [
        (FinishReason::Length, "max_output_tokens"),
        (FinishReason::ContentFilter, "content_filter"),
    ] {
        let answer = ModelAnswer {
            finish,
            tool_calls: Vec::new(),
            ..answer()
        };
        let response = whole(&asking(), &answer);
        let streamed = stream(&asking(), &told(&answer));
        let (kind, last) = streamed.last().unwrap();
        assert_eq!(kind, "response.incomplete");
        for response in [&response, &last["response"]] {
            assert_eq!(response["status"], "incomplete");
            assert_eq!(response["incomplete_details"], json!({"reason": reason}));
            assert_eq!(response["output"][1]["status"], "incomplete");
        }
    }
}

#[test]
fn a_stream_tells_every_item_from_its_beginning_to_its_end() {
    let events = stream(&asking(), &told(&answer()));
    let kinds: Vec<_> = events
        .iter()
        .map(|(kind, _)| kind.strip_prefix("response.").unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    for (at, (kind, event)) in events.iter().enumerate() {
        assert_eq!(event["type"], *kind);
        assert_eq!(event["sequence_number"], at);
    }
    assert_eq!(
        events[10].1,
        json!({"type": "response.output_text.delta", "item_id": "msg_01abc0001", "output_index": 1, "content_index": 0,
               "delta": "Hi t", "logprobs": [], "sequence_number": 10})
    );
    let (first, last) = (&events[0].1["response"], &events[23].1["response"]);
    assert_eq!(
        (&first["status"], &first["output"], &first["usage"]),
        (&json!("in_progress"), &json!([]), &Value::Null)
    );
    assert_eq!(framed(first), framed(last));
    // What was told item by item is what the response holds in the end, and what a whole answer would hold.
    let done: Vec<_> = events
        .iter()
        .filter(|(kind, _)| kind.ends_with("item.done"))
        .collect();
    for (at, (_, event)) in done.iter().enumerate() {
        assert_eq!(event["output_index"], at);
        assert_eq!(event["item"], last["output"][at]);
    }
    assert_eq!(*last, whole(&asking(), &answer()));
}

#[test]
fn an_answer_that_is_only_told_in_the_end_is_streamed_all_the_same() {
    let events = stream(&asking(), &[CallEvent::End(Box::new(answer()))]);
    let (_, last) = events.last().unwrap();
    let kinds: Vec<_> = last["response"]["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["type"])
        .collect();
    assert_eq!(kinds, ["message", "function_call", "function_call"]);
}

#[test]
fn what_must_go_back_with_thoughts_is_told_to_those_who_ask_for_it() {
    let mut asking = asking();
    let has = |response: &Value| response.to_string().contains("encrypted_content");
    let last = |asking: &Value| stream(asking, &told(&answer())).pop().unwrap().1["response"].clone();
    assert!(!has(&whole(&asking, &answer())["output"]));
    assert!(!has(&last(&asking)["output"]));
    asking["include"] = json!(["reasoning.encrypted_content"]);
    // In a stream it is known only in the end.
    for (response, behind) in [(whole(&asking, &answer()), 0), (last(&asking), 4)] {
        let mut input = response["output"].as_array().unwrap().clone();
        assert!(has(&input[behind]), "{input:?}");
        input.insert(0, json!({"role": "user", "content": "hi"}));
        input.push(json!({"type": "function_call_output", "call_id": "c1", "output": "1"}));
        let messages = read(&json!({"input": input})).unwrap().messages;
        assert_eq!(messages.len(), 3);
        assert_eq!(messages[1], answer().into_message());
    }
}

#[test]
fn a_broken_stream_raises_in_the_libraries_and_fails_its_response() {
    let mut writer = ResponsesDialect.writer(asking().to_string().as_bytes(), head());
    let mut out = Vec::new();
    writer.begin(&mut out);
    writer.event(&text("Hi"), &mut out);
    writer.fail(&EdgeError::new(ErrorKind::RateLimited, "slow down"), &mut out);
    let events = events(&out);
    let [.., (kind, error), (end, failed)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((kind.as_str(), end.as_str()), ("error", "response.failed"));
    assert_eq!(
        *error,
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": null, "sequence_number": 5,
               "error": {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "slow down", "param": null}})
    );
    let response = &failed["response"];
    assert_eq!(response["status"], "failed");
    assert_eq!(
        response["error"],
        json!({"code": "rate_limit_exceeded", "message": "slow down"})
    );
    assert_eq!(response["output"][0]["status"], "incomplete");
    assert!(!String::from_utf8(out).unwrap().contains("response.completed"));
}
