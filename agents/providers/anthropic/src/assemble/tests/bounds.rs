use super::*;

#[test]
fn endless_tool_calls_are_a_fault() {
    let begun = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}"#;
    let part = json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": "x".repeat(1 << 19)}})
    .to_string();
    let ended = stopped("tool_use");
    let call_of = |parts: usize| {
        let parts = std::iter::repeat_n(part.as_str(), parts);
        let events: Vec<&str> = std::iter::once(begun)
            .chain(parts)
            .chain([&ended, STOP])
            .collect();
        run(&events).map(|_| ())
    };
    assert_eq!(call_of(7), Ok(()));
    assert_eq!(call_of(8), Err(FaultClass::Transient));
}

#[test]
fn an_endless_thought_is_a_fault_and_thinking_has_its_own_figure() {
    let begun =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#;
    let part = json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "thinking_delta", "thinking": "x".repeat(1 << 20)}})
    .to_string();
    let ended = stopped("end_turn");
    let thought_of = |parts: usize| {
        let parts = std::iter::repeat_n(part.as_str(), parts);
        let events: Vec<&str> = std::iter::once(begun)
            .chain(parts)
            .chain([&ended, STOP])
            .collect();
        run(&events).map(|_| ())
    };
    assert_eq!(thought_of(3), Ok(()));
    assert_eq!(thought_of(4), Err(FaultClass::Transient));

    let figures = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15,"output_tokens_details":{"thinking_tokens":9}}}"#;
    let usage = Usage {
        output_tokens: 6,
        reasoning_tokens: 9,
        ..Usage::default()
    };
    let finish = FinishReason::Stop;
    assert_eq!(
        run(&[figures, STOP]).unwrap(),
        [ModelEvent::End {
            finish,
            usage: Some(usage)
        }]
    );
}

/// `times` blocks that begin with all they hold, ended.
fn begun(block: Value, times: usize) -> Result<(), FaultClass> {
    let begun = json!({"type": "content_block_start", "index": 0, "content_block": block}).to_string();
    let ended = stopped("tool_use");
    let events: Vec<&str> = std::iter::repeat_n(begun.as_str(), times)
        .chain([ended.as_str(), STOP])
        .collect();
    run(&events).map(|_| ())
}

#[test]
fn what_comes_whole_in_a_block_s_beginning_counts_too() {
    let half = "x".repeat(1 << 19);
    for block in [
        json!({"type": "tool_use", "id": "a", "name": "f", "input": {"text": half}}),
        json!({"type": "redacted_thinking", "data": half}),
        json!({"type": "thinking", "thinking": half, "signature": ""}),
        json!({"type": "thinking", "thinking": "", "signature": half}),
    ] {
        assert_eq!(begun(block.clone(), 7), Ok(()), "{}", block["type"]);
        assert_eq!(
            begun(block.clone(), 8),
            Err(FaultClass::Transient),
            "{}",
            block["type"]
        );
    }
}

#[test]
fn thoughts_without_an_end_are_a_fault_however_short_they_are() {
    let block = json!({"type": "redacted_thinking", "data": "x"});
    assert_eq!(begun(block.clone(), 1000), Ok(()));
    assert_eq!(begun(block, 70_000), Err(FaultClass::Transient));
}

#[test]
fn signatures_that_grow_count_as_what_they_belong_to() {
    let began = json!({"type": "content_block_start", "index": 0,
        "content_block": {"type": "thinking", "thinking": "", "signature": ""}})
    .to_string();
    let signed = json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "signature_delta", "signature": "x".repeat(1 << 19)}})
    .to_string();
    let ended = stopped("end_turn");
    let events = |times: usize| {
        let signed = std::iter::repeat_n(signed.as_str(), times);
        let events: Vec<&str> = std::iter::once(began.as_str())
            .chain(signed)
            .chain([ended.as_str(), STOP])
            .collect();
        run(&events).map(|_| ())
    };
    assert_eq!(events(7), Ok(()));
    assert_eq!(events(8), Err(FaultClass::Transient));
}

#[test]
fn figures_that_nobody_can_have_are_bounded_and_break_no_sum() {
    let most = u64::MAX;
    let started = json!({"type": "message_start", "message": {"usage": {
        "input_tokens": most, "cache_creation_input_tokens": most, "cache_read_input_tokens": most,
        "output_tokens": most, "output_tokens_details": {"thinking_tokens": 5},
    }}})
    .to_string();
    let events = run(&[&started, &stopped("end_turn"), STOP]).unwrap();
    let bound = u64::from(u32::MAX);
    let usage = Usage {
        input_tokens: bound,
        cache_write_tokens: bound,
        cached_input_tokens: bound,
        output_tokens: bound - 5,
        reasoning_tokens: 5,
        ..Usage::default()
    };
    let finish = FinishReason::Stop;
    assert_eq!(
        events.last(),
        Some(&ModelEvent::End {
            finish,
            usage: Some(usage)
        })
    );
}

#[test]
fn a_call_without_an_id_gets_one_that_no_other_answer_has() {
    let started = json!({"type": "content_block_start", "index": 0,
        "content_block": {"type": "tool_use", "name": "f", "input": {}}})
    .to_string();
    let ids = || -> Vec<String> {
        let events = shown(&[&started, &started, &stopped("tool_use"), STOP]).unwrap();
        let id = |event| match event {
            ModelEvent::ToolCall(call) => Some(call.id),
            _ => None,
        };
        events.into_iter().filter_map(id).collect()
    };
    let mut all = [ids(), ids()].concat();
    assert!(
        all.iter().all(|id| id.starts_with("toolu_") && id.len() == 22),
        "{all:?}"
    );
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 4);
}
