//! What streams and bodies as servers send them mean.

use greenroom_kernel::FaultClass;

use super::*;

fn signs(watcher: &mut ChatWatcher, events: &[&str]) -> Vec<RelaySign> {
    let told = events.iter().map(|event| watcher.event(event.as_bytes()));
    told.collect::<Result<_, _>>().unwrap()
}

fn class(outcome: Result<RelaySign, ProviderFault>) -> FaultClass {
    outcome.unwrap_err().class
}

const ROLE: &str = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}"#;
const TEXT: &str = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":" say \"finish_reason\":\"stop\"\n"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"y"}"#;
const STOP: &str = r#"{"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#;
const USAGE: &str = r#"{"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4}}}"#;

fn figures() -> Usage {
    Usage {
        input_tokens: 5,
        cached_input_tokens: 4,
        output_tokens: 2,
        ..Usage::default()
    }
}

#[test]
fn a_stream_is_a_role_text_a_finish_figures_and_an_end() {
    let finish = FinishReason::Stop;
    let usage = Some(figures());
    assert_eq!(
        signs(&mut watcher(), &[ROLE, TEXT, STOP, USAGE, "[DONE]", "anything"]),
        [
            RelaySign::Lifecycle,
            RelaySign::Content { said: 28 },
            RelaySign::Finished(finish),
            RelaySign::Lifecycle,
            RelaySign::End { finish, usage },
            RelaySign::Lifecycle,
        ]
    );
}

#[test]
fn text_is_seen_at_a_glance_and_all_else_is_parsed() {
    let glance = &*GLANCE;
    assert_eq!(glance.said(ROLE.as_bytes()), Some(0));
    assert_eq!(glance.said(TEXT.as_bytes()), Some(28));
    let spaced = r#"{"choices": [{"index": 0, "delta": {"content": "hi", "reasoning_content": null}, "finish_reason": null}]}"#;
    assert_eq!(glance.said(spaced.as_bytes()), Some(2));
    for parsed in [
        STOP,
        USAGE,
        "[DONE]",
        "{}",
        r#"{"error":{}}"#,
        r#"{"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"delta":{"content":"hi"}}],"usage":{"prompt_tokens":1}}"#,
        r#"{"choices":[{"delta":{"content":"hi"}},{"delta":{"content":"hi"}}]}"#,
        r#"{"choices":[{"delta":{"content":"usage"}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{}]}}]}"#,
        r#"{"choices":[{"delta":{"content":["hi"]}}]}"#,
        r#"{"choices":[{"delta":{"cont\u0065nt":"hi"}}]}"#,
        r#"{"choices":[{"delta":"hi"}]}"#,
    ] {
        assert_eq!(glance.said(parsed.as_bytes()), None, "{parsed}");
    }
}

#[test]
fn an_answer_without_done_is_whole_by_its_finish_and_else_truncated() {
    let finish = FinishReason::Stop;
    let mut finished = watcher();
    signs(&mut finished, &[TEXT, STOP]);
    assert_eq!(finished.end().unwrap(), RelaySign::End { finish, usage: None });
    let mut cut = watcher();
    signs(&mut cut, &[ROLE, TEXT]);
    assert_eq!(class(cut.end()), FaultClass::Transient);
    // Some servers say no reason.
    let mut done = watcher();
    signs(&mut done, &[TEXT]);
    assert_eq!(
        done.event(b"[DONE]").unwrap(),
        RelaySign::End { finish, usage: None }
    );
    assert_eq!(class(watcher().event(b" [DONE]")), FaultClass::Transient);
    assert_eq!(class(watcher().end()), FaultClass::Transient);
}

#[test]
fn a_role_alone_before_done_is_no_answer_at_a_glance_or_parsed() {
    let parsed = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[]}}]}"#;
    assert_eq!(GLANCE.said(parsed.as_bytes()), None);
    for role in [ROLE, parsed] {
        let mut silent = watcher();
        signs(&mut silent, &[role]);
        assert_eq!(class(silent.event(b"[DONE]")), FaultClass::Transient, "{role}");
    }
    for delta in [
        r#"{"refusal":"no"}"#,
        r#"{"reasoning":"hm"}"#,
        r#"{"tool_calls":[{"index":0,"function":{"name":"f"}}]}"#,
    ] {
        let mut told = watcher();
        signs(
            &mut told,
            &[&format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#), "[DONE]"],
        );
    }
    // A whole body is not cut off, and a model may have nothing to say.
    let empty = br#"{"choices":[{"index":0,"message":{"role":"assistant","content":""}}]}"#;
    assert!(watcher().whole(empty).is_ok());
}

#[test]
fn thoughts_refusals_tool_calls_and_sound_are_content() {
    for (delta, said) in [
        (r#"{"reasoning_content":"hm","reasoning":"hm"}"#, 2),
        (r#"{"reasoning":"hmm"}"#, 3),
        (r#"{"refusal":"no"}"#, 2),
        (
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}"#,
            1,
        ),
        (r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#, 2),
        (
            r#"{"tool_calls":[{"index":0,"function":{"arguments":{"a":1}}}]}"#,
            7,
        ),
        (r#"{"function_call":{"arguments":"{}"}}"#, 2),
        (r#"{"audio":{"data":"AA=="}}"#, 0),
    ] {
        let chunk = format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#);
        let sign = watcher().event(chunk.as_bytes()).unwrap();
        assert_eq!(sign, RelaySign::Content { said }, "{delta}");
    }
    let calls = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f"}}]},"finish_reason":"stop"}]}"#;
    let finished = RelaySign::Finished(FinishReason::ToolCalls);
    assert_eq!(watcher().event(calls.as_bytes()).unwrap(), finished);
}

#[test]
fn several_choices_are_finished_when_all_are() {
    let mut both = watcher_of(r#"{"n":2}"#);
    let first = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#;
    let second = r#"{"choices":[{"index":1,"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
    assert_eq!(signs(&mut both, &[first]), [RelaySign::Lifecycle]);
    assert_eq!(class(both.end()), FaultClass::Transient);
    let finish = FinishReason::Length;
    assert_eq!(signs(&mut both, &[second]), [RelaySign::Finished(finish)]);
    assert_eq!(both.end().unwrap(), RelaySign::End { finish, usage: None });
    assert_eq!(watcher_of(r#"{"tools":[{"n":9}]}"#).choices, 1);
    assert_eq!(watcher_of(r#"{"n":0}"#).choices, 1);
    assert_eq!(watcher_of(r#"{"n":4000000000}"#).choices, 128);
}

#[test]
fn errors_are_faults_and_forms_of_their_own_are_let_pass() {
    let error = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;
    assert_eq!(class(watcher().event(error.as_bytes())), FaultClass::Throttled);
    let ended = r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#;
    assert_eq!(class(watcher().event(ended.as_bytes())), FaultClass::Transient);
    assert_eq!(
        class(watcher().event(b"{\"choices\":[{\"del")),
        FaultClass::Transient
    );
    for passed in [
        r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":"some"}}]}"#,
        r#"{"choices":null,"error":null}"#,
        "7",
    ] {
        assert_eq!(
            signs(&mut watcher(), &[passed]),
            [RelaySign::Lifecycle],
            "{passed}"
        );
    }
}

#[test]
fn a_whole_body_tells_its_end_and_its_figures() {
    let body = r#"{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",
        "content":null,"refusal":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},
        "logprobs":null,"finish_reason":"tool_calls"}],
        "usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}"#;
    assert_eq!(
        watcher().whole(body.as_bytes()).unwrap(),
        RelaySign::End {
            finish: FinishReason::ToolCalls,
            usage: Some(figures())
        }
    );
    for broken in ["", "<html>", "{}", r#"{"choices":[]}"#] {
        assert_eq!(
            class(watcher().whole(broken.as_bytes())),
            FaultClass::Transient,
            "{broken}"
        );
    }
    let error = br#"{"error":{"code":"context_length_exceeded"}}"#;
    assert_eq!(class(watcher().whole(error)), FaultClass::ContextLength);
}

#[test]
fn embeddings_tell_their_figures_and_are_never_streamed() {
    let mut watcher = EmbeddingsWatcher::new(faults(), "m");
    let body = br#"{"object":"list","data":[{"index":0,"embedding":[0.1]}],"usage":{"prompt_tokens":5,"total_tokens":5}}"#;
    let usage = Usage {
        input_tokens: 5,
        ..Usage::default()
    };
    assert_eq!(
        watcher.whole(body).unwrap(),
        RelaySign::End {
            finish: FinishReason::Stop,
            usage: Some(usage)
        }
    );
    assert_eq!(class(watcher.whole(b"{}")), FaultClass::Transient);
    assert_eq!(
        class(watcher.whole(br#"{"error":{"code":"model_not_found"}}"#)),
        FaultClass::HardDown
    );
    assert_eq!(class(watcher.event(b"{}")), FaultClass::Transient);
    assert_eq!(class(watcher.end()), FaultClass::Transient);
}
