use greenroom_kernel::FaultClass;
use greenroom_provider_http::Assembler as _;

use super::*;

fn assembler() -> Assembler {
    Assembler::new(Faults::new("p", "http://h/v1", None, &crate::classify::WIRE), "m")
}

fn run(chunks: &[&str]) -> Result<Vec<ModelEvent>, FaultClass> {
    let mut out = VecDeque::new();
    let mut assembler = assembler();
    for chunk in chunks {
        assembler
            .take(chunk.as_bytes(), &mut out)
            .map_err(|fault| fault.class)?;
    }
    assembler.end(&mut out).map_err(|fault| fault.class)?;
    out.retain(|e| *e != ModelEvent::Progress);
    Ok(out.into())
}

fn call(id: &str, name: &str, arguments: &str) -> ModelEvent {
    ModelEvent::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    })
}

fn end(finish: FinishReason) -> ModelEvent {
    ModelEvent::End { finish, usage: None }
}

#[test]
fn interleaved_tool_calls_are_put_together_by_index_and_told_whole() {
    let events = run(&[
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{\"y\""}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":1}"}},{"index":1,"function":{"arguments":":2}"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        "[DONE]",
    ]);
    assert_eq!(
        events.unwrap(),
        [
            call("a", "f", "{\"x\":1}"),
            call("b", "g", "{\"y\":2}"),
            end(FinishReason::ToolCalls)
        ]
    );
}

#[test]
fn servers_that_number_every_call_zero_or_not_at_all_and_say_stop_are_understood() {
    let expected = [
        call("a", "f", "{\"x\":1}"),
        call("b", "g", "{}"),
        end(FinishReason::ToolCalls),
    ];
    let zero = run(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":null}}]},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(zero.unwrap(), expected);
    let none = run(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":":1}"}},{"id":"b","function":{"name":"g"}}]},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(none.unwrap(), expected);
}

#[test]
fn a_tool_call_cut_off_by_the_token_limit_is_not_told() {
    let events = run(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x"}}]},"finish_reason":"length"}]}"#,
    ]);
    assert_eq!(events.unwrap(), [end(FinishReason::Length)]);
}

#[test]
fn an_answer_is_whole_by_its_finish_reason_or_by_done_and_by_nothing_else() {
    let text = r#"{"choices":[{"delta":{"content":"hi"}}]}"#;
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let whole = [ModelEvent::Content("hi".into()), end(FinishReason::Stop)];
    assert_eq!(run(&[text, finish]).unwrap(), whole);
    assert_eq!(run(&[text, "[DONE]"]).unwrap(), whole);
    assert_eq!(run(&[text]), Err(FaultClass::Transient));
    assert_eq!(run(&["[DONE]"]), Err(FaultClass::Transient));
    assert_eq!(run(&[]), Err(FaultClass::Transient));
}

#[test]
fn a_role_alone_before_done_is_no_answer_and_anything_said_is_one() {
    let answer = |delta: &str| format!(r#"{{"choices":[{{"delta":{delta},"finish_reason":null}}]}}"#);
    for silent in [
        r#"{"role":"assistant","content":"","reasoning_content":""}"#,
        r#"{"role":"assistant","content":null,"tool_calls":[]}"#,
        "{}",
    ] {
        let outcome = run(&[&answer(silent), r#"{"choices":[{}]}"#, "[DONE]"]);
        assert_eq!(outcome, Err(FaultClass::Transient), "{silent}");
    }
    for told in [
        r#"{"refusal":"no"}"#,
        r#"{"reasoning":"hm"}"#,
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}"#,
    ] {
        assert!(run(&[&answer(told), "[DONE]"]).is_ok(), "{told}");
    }
}

#[test]
fn other_choices_than_the_first_and_what_follows_done_are_ignored() {
    let events = run(&[
        r#"{"choices":[{"index":1,"delta":{"content":"other"}},{"index":0,"delta":{"content":"mine"},"finish_reason":"stop"}]}"#,
        "[DONE]",
        "not json",
    ]);
    assert_eq!(
        events.unwrap(),
        [ModelEvent::Content("mine".into()), end(FinishReason::Stop)]
    );
}

fn told(delta: &str) -> Vec<ModelEvent> {
    let mut out = VecDeque::new();
    let chunk = format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#);
    assembler().take(chunk.as_bytes(), &mut out).unwrap();
    out.into()
}

#[test]
fn parts_of_tool_calls_are_progress_and_a_role_alone_is_nothing() {
    for unseen in [
        r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{"}}]}"#,
        r#"{"reasoning":{"some":"form"}}"#,
    ] {
        assert_eq!(told(unseen), [ModelEvent::Progress], "{unseen}");
    }
    for silent in [
        r#"{"role":"assistant","content":"","reasoning_content":""}"#,
        r#"{"role":"assistant","content":null,"reasoning":null,"tool_calls":[]}"#,
        "{}",
    ] {
        assert!(told(silent).is_empty(), "{silent}");
    }
}

#[test]
fn thoughts_are_told_as_they_come_and_whole_before_the_calls_they_led_to() {
    let events = run(&[
        r#"{"choices":[{"delta":{"role":"assistant","content":"","reasoning_content":"h"}}]}"#,
        r#"{"choices":[{"delta":{"reasoning_content":"m","reasoning":"m"}}]}"#,
        r#"{"choices":[{"delta":{"content":"hi","tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#,
    ]);
    let whole = sealed("hm".to_owned(), Field::ReasoningContent, "p");
    assert_eq!(
        events.unwrap(),
        [
            ModelEvent::Thinking("h".into()),
            ModelEvent::Thinking("m".into()),
            ModelEvent::Content("hi".into()),
            ModelEvent::Reasoned(whole),
            call("a", "f", "{}"),
            end(FinishReason::ToolCalls)
        ]
    );
}

#[test]
fn thoughts_and_text_in_parts_are_told_apart() {
    assert_eq!(
        told(
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"hi"}]}"#
        ),
        [
            ModelEvent::Thinking("hm".into()),
            ModelEvent::Content("hi".into())
        ]
    );
}

#[test]
fn endless_thoughts_are_a_fault() {
    let part = format!(
        r#"{{"choices":[{{"delta":{{"reasoning":"{}"}}}}]}}"#,
        "x".repeat(1 << 19)
    );
    let mut chunks = vec![part.as_str(); 9];
    chunks.push("[DONE]");
    assert_eq!(run(&chunks), Err(FaultClass::Transient));
}

#[test]
fn an_error_finish_and_an_error_chunk_are_faults() {
    assert_eq!(
        run(&[r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"error"}]}"#]),
        Err(FaultClass::Transient)
    );
    assert_eq!(
        run(&[r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#]),
        Err(FaultClass::Throttled)
    );
}

#[test]
fn endless_tool_calls_are_a_fault() {
    let part = format!(
        r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"function":{{"name":"f","arguments":"{}"}}}}]}}}}]}}"#,
        "x".repeat(1 << 19)
    );
    let mut chunks = vec![part.as_str(); 9];
    chunks.push("[DONE]");
    assert_eq!(run(&chunks), Err(FaultClass::Transient));
}

#[test]
fn endless_names_and_ids_of_tool_calls_are_a_fault() {
    let long = "x".repeat(1 << 19);
    for (id, name) in [("a", &*long), (&*long, "f")] {
        let chunks: Vec<String> = (0..9)
            .map(|at| {
                format!(
                    r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{at},"id":"{id}{at}","function":{{"name":"{name}"}}}}]}}}}]}}"#
                )
            })
            .chain(["[DONE]".to_owned()])
            .collect();
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        assert_eq!(run(&chunks), Err(FaultClass::Transient));
    }
}

#[test]
fn a_call_behind_the_last_index_there_is_stays_a_call_of_its_own() {
    let events = run(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":4294967295,"id":"a","function":{"name":"f"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"id":"b","function":{"name":"g"}}]},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(
        events.unwrap(),
        [
            call("a", "f", "{}"),
            call("b", "g", "{}"),
            end(FinishReason::ToolCalls)
        ]
    );
}

#[test]
fn a_call_without_an_id_gets_one_that_no_other_answer_has() {
    let ids = || {
        let told = run(&[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f"}},{"index":1,"function":{"name":"g"}}]},"finish_reason":"stop"}]}"#,
        ]);
        told.unwrap().into_iter().filter_map(|event| match event {
            ModelEvent::ToolCall(call) => Some(call.id),
            _ => None,
        })
    };
    let made: std::collections::BTreeSet<_> = ids().chain(ids()).collect();
    assert_eq!(made.len(), 4, "{made:?}");
    assert!(made.iter().all(|id| id.starts_with("call_")), "{made:?}");
}
