use super::*;

#[test]
fn thoughts_are_told_as_they_come_and_whole_with_their_seals() {
    let started = |index: u32, block: Value| {
        json!({"type": "content_block_start", "index": index, "content_block": block}).to_string()
    };
    let grown = |index: u32, delta: Value| {
        json!({"type": "content_block_delta", "index": index, "delta": delta}).to_string()
    };
    let stop = |index: u32| json!({"type": "content_block_stop", "index": index}).to_string();
    let thinking = || json!({"type": "thinking", "thinking": "", "signature": ""});
    let thought = |index, text: &str| grown(index, json!({"type": "thinking_delta", "thinking": text}));
    let signature = |index, text: &str| grown(index, json!({"type": "signature_delta", "signature": text}));
    let events = [
        started(0, thinking()),
        thought(0, "h"),
        thought(0, "m"),
        signature(0, "EqQ"),
        stop(0),
        started(1, json!({"type": "redacted_thinking", "data": "xyz"})),
        stop(1),
        // Kept from view: nothing but its signature.
        started(2, thinking()),
        signature(2, "Abc"),
        // Nobody says that it stops, and nobody signed it.
        started(3, thinking()),
        thought(3, "so"),
        started(4, json!({"type": "text", "text": "Hi"})),
        // One that is nothing.
        started(5, thinking()),
        stop(5),
        stopped("end_turn"),
        STOP.to_owned(),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let told = |text: &str| ModelEvent::Thinking(text.into());
    assert_eq!(
        shown(&events).unwrap(),
        [
            told("h"),
            told("m"),
            ModelEvent::Reasoned(seal::signed("hm".into(), "EqQ")),
            ModelEvent::Reasoned(seal::redacted("xyz")),
            ModelEvent::Reasoned(seal::signed(String::new(), "Abc")),
            told("so"),
            ModelEvent::Reasoned(seal::signed("so".into(), "")),
            ModelEvent::Content("Hi".into()),
            end(FinishReason::Stop),
        ]
    );
}
