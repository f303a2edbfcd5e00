use aws_sdk_bedrockruntime::types::{
    ContentBlockDeltaEvent, ContentBlockStartEvent, ContentBlockStopEvent, ConverseStreamMetadataEvent,
    MessageStopEvent, ToolUseBlockDelta, ToolUseBlockStart,
};
use aws_smithy_types::Blob;
use greenroom_kernel::FaultClass;
use proptest::prelude::*;

use super::*;

const CLAUDE: &str = "us.anthropic.claude-haiku-4-5-20251001-v1:0";

fn delta(index: i32, delta: ContentBlockDelta) -> ConverseStreamOutput {
    let event = ContentBlockDeltaEvent::builder()
        .content_block_index(index)
        .delta(delta);
    ConverseStreamOutput::ContentBlockDelta(event.build().unwrap())
}

fn text(text: &str) -> ConverseStreamOutput {
    delta(0, ContentBlockDelta::Text(text.into()))
}

fn call(index: i32, name: &str) -> ConverseStreamOutput {
    let call = ToolUseBlockStart::builder()
        .tool_use_id(format!("t{index}"))
        .name(name);
    let start = ContentBlockStart::ToolUse(call.build().unwrap());
    let event = ContentBlockStartEvent::builder()
        .content_block_index(index)
        .start(start);
    ConverseStreamOutput::ContentBlockStart(event.build().unwrap())
}

fn input(index: i32, piece: &str) -> ConverseStreamOutput {
    let piece = ToolUseBlockDelta::builder().input(piece).build().unwrap();
    delta(index, ContentBlockDelta::ToolUse(piece))
}

fn thought(index: i32, piece: ReasoningContentBlockDelta) -> ConverseStreamOutput {
    delta(index, ContentBlockDelta::ReasoningContent(piece))
}

fn block_stop(index: i32) -> ConverseStreamOutput {
    let event = ContentBlockStopEvent::builder().content_block_index(index);
    ConverseStreamOutput::ContentBlockStop(event.build().unwrap())
}

fn stop(why: &str) -> ConverseStreamOutput {
    let event = MessageStopEvent::builder().stop_reason(StopReason::from(why));
    ConverseStreamOutput::MessageStop(event.build().unwrap())
}

fn figures(input: i32, output: i32, total: i32, read: i32, written: i32) -> ConverseStreamOutput {
    let usage = TokenUsage::builder()
        .input_tokens(input)
        .output_tokens(output)
        .total_tokens(total)
        .cache_read_input_tokens(read)
        .cache_write_input_tokens(written)
        .build()
        .unwrap();
    ConverseStreamOutput::Metadata(ConverseStreamMetadataEvent::builder().usage(usage).build())
}

fn read(awaited: Awaited, events: Vec<ConverseStreamOutput>) -> Result<Vec<ModelEvent>, ProviderFault> {
    let mut assembler = Assembler::new(Faults::new("bedrock", "here"), CLAUDE, awaited);
    let mut out = VecDeque::new();
    for event in events {
        assembler.take(event, &mut out)?;
    }
    assembler.end(&mut out)?;
    out.retain(|event| !matches!(event, ModelEvent::Progress | ModelEvent::Used(_)));
    Ok(out.into())
}

fn ended(finish: FinishReason) -> ModelEvent {
    ModelEvent::End { finish, usage: None }
}

fn called(index: i32, name: &str, arguments: &str) -> ModelEvent {
    ModelEvent::ToolCall(ToolCall {
        id: format!("t{index}"),
        name: name.into(),
        arguments: arguments.into(),
    })
}

fn content(text: &str) -> ModelEvent {
    ModelEvent::Content(text.into())
}

#[test]
fn parallel_calls_are_told_whole_and_at_the_end() {
    let events = vec![
        text("adding"),
        block_stop(0),
        call(1, "add"),
        input(1, "{\"a\""),
        call(2, "list"),
        input(1, ":1}"),
        block_stop(1),
        block_stop(2),
        stop("tool_use"),
    ];
    assert_eq!(
        read(Awaited::Text, events).unwrap(),
        [
            content("adding"),
            called(1, "add", "{\"a\":1}"),
            called(2, "list", "{}"),
            ended(FinishReason::ToolCalls),
        ]
    );
}

#[test]
fn a_call_that_was_cut_off_is_no_call() {
    let events = vec![call(0, "add"), input(0, "{\"a\""), stop("max_tokens")];
    assert_eq!(
        read(Awaited::Text, events).unwrap(),
        [ended(FinishReason::Length)]
    );
}

#[test]
fn thoughts_are_shown_as_they_come_and_sealed_once_they_are_whole() {
    use ReasoningContentBlockDelta::{RedactedContent, Signature, Text};
    let events = vec![
        thought(0, Text("h".into())),
        thought(0, Text("m".into())),
        thought(0, Signature("si".into())),
        thought(0, Signature("gn".into())),
        block_stop(0),
        thought(1, RedactedContent(Blob::new("hi"))),
        block_stop(1),
        thought(2, Text("open".into())),
        block_stop(2),
        text("so"),
        stop("end_turn"),
    ];
    let seal = |value| {
        Some(Seal {
            family: "bedrock".into(),
            value,
        })
    };
    let reasoned = |text: &str, seal| {
        ModelEvent::Reasoned(Reasoning {
            text: text.into(),
            seal,
        })
    };
    assert_eq!(
        read(Awaited::Text, events).unwrap(),
        [
            ModelEvent::Thinking("h".into()),
            ModelEvent::Thinking("m".into()),
            reasoned("hm", seal(json!({"maker": "anthropic", "signature": "sign"}))),
            reasoned("", seal(json!({"maker": "anthropic", "redacted": "aGk="}))),
            ModelEvent::Thinking("open".into()),
            reasoned("open", None),
            content("so"),
            ended(FinishReason::Stop),
        ]
    );
}

#[test]
fn an_answer_without_its_stop_is_truncated() {
    let fault = read(Awaited::Text, vec![text("half"), figures(1, 1, 2, 0, 0)]).unwrap_err();
    assert_eq!(fault.class, FaultClass::Transient);
}

#[test]
fn every_reason_to_stop_has_its_word() {
    for (why, finish) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("guardrail_intervened", FinishReason::ContentFilter),
        ("content_filtered", FinishReason::ContentFilter),
        ("refusal", FinishReason::ContentFilter),
        ("something_new", FinishReason::Stop),
    ] {
        assert_eq!(
            read(Awaited::Text, vec![text("x"), stop(why)]).unwrap(),
            [content("x"), ended(finish)],
            "{why}"
        );
    }
    for why in ["malformed_model_output", "malformed_tool_use"] {
        let fault = read(Awaited::Text, vec![text("x"), stop(why)]).unwrap_err();
        assert_eq!(fault.class, FaultClass::Transient, "{why}");
    }
}

#[test]
fn the_classes_of_usage_are_disjoint_however_the_model_counts() {
    let used = |event| match read(Awaited::Text, vec![text("x"), stop("end_turn"), event])
        .unwrap()
        .pop()
    {
        Some(ModelEvent::End { usage: Some(u), .. }) => (
            u.input_tokens,
            u.cached_input_tokens,
            u.cache_write_tokens,
            u.output_tokens,
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(used(figures(10, 5, 22, 4, 3)), (10, 4, 3, 5));
    assert_eq!(used(figures(10, 5, 15, 4, 3)), (3, 4, 3, 5));
    assert_eq!(used(figures(-1, 5, 4, 0, 0)), (0, 0, 0, 5));
}

fn in_tool() -> Awaited {
    Awaited::InTool("doc".into())
}

#[test]
fn the_input_of_the_tool_of_the_answer_is_the_answer() {
    let events = vec![
        text("I will answer now."),
        call(1, "doc"),
        input(1, "{\"a\":"),
        input(1, "1}"),
        block_stop(1),
        stop("tool_use"),
    ];
    assert_eq!(
        read(in_tool(), events).unwrap(),
        [content("{\"a\":"), content("1}"), ended(FinishReason::Stop)]
    );
    // Another tool may come first: then the answer is still to come.
    let events = vec![call(1, "add"), block_stop(1), stop("tool_use")];
    assert_eq!(
        read(in_tool(), events).unwrap(),
        [called(1, "add", "{}"), ended(FinishReason::ToolCalls)]
    );
}

#[test]
fn an_answer_in_another_form_is_a_fault() {
    for (awaited, events) in [
        (Awaited::Document, vec![text("no JSON"), stop("end_turn")]),
        (in_tool(), vec![text("{}"), stop("end_turn")]),
        (
            in_tool(),
            vec![call(0, "doc"), input(0, "{\"a\""), stop("tool_use")],
        ),
    ] {
        let fault = read(awaited.clone(), events).unwrap_err();
        assert_eq!(fault.class, FaultClass::BadRequest, "{awaited:?}");
    }
    let whole = vec![text("{\"a\""), text(": 1}"), stop("end_turn")];
    assert_eq!(read(Awaited::Document, whole).unwrap().len(), 3);
    // One that the bound cut may be anything.
    let cut = vec![text("{\"a\""), stop("max_tokens")];
    assert_eq!(read(Awaited::Document, cut).unwrap().len(), 2);
}

#[test]
fn what_is_held_back_is_bounded() {
    let piece = "x".repeat(1 << 20);
    let mut events = vec![call(0, "add")];
    events.extend((0..8).map(|_| input(0, &piece)));
    assert_eq!(
        read(Awaited::Text, events).unwrap_err().class,
        FaultClass::Transient
    );
}

fn any_event() -> impl Strategy<Value = ConverseStreamOutput> {
    let index = 0..3i32;
    prop_oneof![
        "[a-c]{0,3}".prop_map(|t| text(&t)),
        (index.clone(), "[a-c]{1,2}").prop_map(|(i, name)| call(i, &name)),
        (index.clone(), "[{}a]{0,3}").prop_map(|(i, piece)| input(i, &piece)),
        (index.clone(), "[a-c]{0,3}").prop_map(|(i, t)| thought(i, ReasoningContentBlockDelta::Text(t))),
        index.prop_map(block_stop),
        Just(figures(3, 2, 1, 0, 9)),
    ]
}

proptest! {
    #[test]
    fn in_whatever_order_events_come_no_text_is_lost_and_the_end_comes_once_and_last(
        events in prop::collection::vec(any_event(), 0..20),
    ) {
        let said: String = events.iter().filter_map(|event| match event {
            ConverseStreamOutput::ContentBlockDelta(delta) => delta.delta.as_ref()?.as_text().ok().cloned(),
            _ => None,
        }).collect();
        prop_assert!(read(Awaited::Text, events.clone()).is_err());
        let whole = events.into_iter().chain([stop("end_turn")]).collect();
        let told = read(Awaited::Text, whole).unwrap();
        let ends = |event: &ModelEvent| matches!(event, ModelEvent::End { .. });
        prop_assert!(told.last().is_some_and(ends));
        prop_assert_eq!(told.iter().filter(|event| ends(event)).count(), 1);
        let heard: String = told.iter().filter_map(|event| match event {
            ModelEvent::Content(text) => Some(text.as_str()),
            _ => None,
        }).collect();
        prop_assert_eq!(heard, said);
    }
}

#[test]
fn figures_are_told_as_soon_as_they_come() {
    let mut assembler = Assembler::new(Faults::new("bedrock", "here"), CLAUDE, Awaited::Text);
    let mut out = VecDeque::new();
    for event in [text("x"), figures(10, 5, 22, 4, 3)] {
        assembler.take(event, &mut out).unwrap();
    }
    let usage = Usage {
        input_tokens: 10,
        cached_input_tokens: 4,
        cache_write_tokens: 3,
        output_tokens: 5,
        ..Usage::default()
    };
    let output = Reach::Whole;
    assert_eq!(out.pop_back(), Some(ModelEvent::Used(Reported { usage, output })));
    assembler.end(&mut out).unwrap_err();
}
