use super::*;

const CLAUDE_4: &str = "us.anthropic.claude-sonnet-4-20250514-v1:0";
const CLAUDE_5: &str = "us.anthropic.claude-opus-5";

fn sampled(model: &str, reasoning: Option<ReasoningWish>) -> Value {
    let request = ModelRequest {
        temperature: Some(0.5),
        top_p: Some(0.25),
        reasoning,
        ..hi()
    };
    sent_to(model, &request).0["inferenceConfig"].clone()
}

#[test]
fn each_generation_of_claude_is_sent_the_sampling_that_it_takes() {
    let (both, one) = (
        json!({"temperature": 0.5, "topP": 0.25}),
        json!({"temperature": 0.5}),
    );
    assert_eq!(sampled(CLAUDE_4, None), both);
    assert_eq!(sampled(CLAUDE, None), one);
    assert_eq!(sampled("us.anthropic.claude-opus-4-1-20250805-v1:0", None), one);
    assert_eq!(sampled("anthropic.claude-opus-4-6-v1", None), one);
    assert_eq!(sampled("eu.anthropic.claude-opus-4-7", None), Value::Null);
    assert_eq!(sampled(CLAUDE_5, None), Value::Null);
    assert_eq!(sampled(NOVA, None), both);

    let nucleus = ModelRequest {
        top_p: Some(0.25),
        ..hi()
    };
    assert_eq!(sent(&nucleus)["inferenceConfig"], json!({"topP": 0.25}));
}

#[test]
fn sampling_gives_way_to_a_claude_s_thinking_and_to_nobody_else_s() {
    let low = Some(ReasoningWish::Effort(Effort::Low));
    assert_eq!(sampled(CLAUDE, low), Value::Null);
    assert_eq!(sampled("anthropic.claude-opus-4-6-v1", low), Value::Null);
    assert_eq!(
        sampled(CLAUDE_4, Some(ReasoningWish::Off)),
        sampled(CLAUDE_4, None)
    );
    assert_eq!(sampled(NOVA, low), sampled(NOVA, None));
}

fn thoughts(model: &str, request: ModelRequest) -> (Value, Value) {
    let request = ModelRequest {
        reasoning: Some(ReasoningWish::Effort(Effort::Low)),
        ..request
    };
    let sent = sent_to(model, &request).0;
    let fields = &sent["additionalModelRequestFields"];
    (fields["thinking"].clone(), sent["outputConfig"]["effort"].clone())
}

#[test]
fn a_claude_that_must_call_a_tool_is_not_asked_to_think() {
    for tool_choice in [ToolChoice::Required, ToolChoice::Tool("add".into())] {
        let request = ModelRequest {
            tools: vec![tool("add")],
            tool_choice,
            // No room to think is no error where nobody thinks.
            max_tokens: Some(9),
            ..hi()
        };
        assert_eq!(thoughts(CLAUDE, request.clone()), (Value::Null, Value::Null));
        assert_eq!(thoughts(CLAUDE_5, request), (Value::Null, json!("low")));
    }
    // The tool that is the answer must be called too.
    assert_eq!(
        thoughts(CLAUDE_4, formed(vec![], ToolChoice::Auto)).0,
        Value::Null
    );
    let budget = json!({"type": "enabled", "budget_tokens": 2048});
    assert_eq!(thoughts(CLAUDE, formed(vec![], ToolChoice::Auto)).0, budget);
    let sent = sent_to(
        NOVA,
        &ModelRequest {
            reasoning: Some(ReasoningWish::Effort(Effort::Low)),
            ..formed(vec![], ToolChoice::Auto)
        },
    );
    assert!(sent.0["additionalModelRequestFields"]["reasoningConfig"].is_object());
}

#[test]
fn a_turn_of_calls_made_without_a_thought_that_goes_back_goes_on_without_thinking() {
    let thought = |family: &str, maker: &str| {
        Part::Reasoning(greenroom_kernel::Reasoning {
            text: "hm".into(),
            seal: Some(greenroom_kernel::Seal {
                family: family.into(),
                value: json!({"maker": maker, "signature": "s"}),
            }),
        })
    };
    let going_on = |parts: Vec<Part>| {
        let calling = ModelMessage {
            tool_calls: vec![greenroom_kernel::ToolCall {
                id: "t".into(),
                name: "add".into(),
                arguments: "{}".into(),
            }],
            ..ModelMessage::new(ModelRole::Assistant, Content::Parts(parts))
        };
        let result = ModelMessage {
            tool_call_id: Some("t".into()),
            ..ModelMessage::text(ModelRole::Tool, "42")
        };
        ModelRequest {
            messages: vec![ModelMessage::text(ModelRole::User, "hi"), calling, result],
            tools: vec![tool("add")],
            ..ModelRequest::default()
        }
    };
    let budget = json!({"type": "enabled", "budget_tokens": 2048});
    let own = going_on(vec![thought("bedrock", "anthropic")]);
    assert_eq!(thoughts(CLAUDE, own).0, budget);
    for lost in [
        vec![],
        vec![Part::text("adding")],
        vec![thought("anthropic", "anthropic")],
        vec![thought("bedrock", "amazon")],
    ] {
        assert_eq!(
            thoughts(CLAUDE, going_on(lost.clone())).0,
            Value::Null,
            "{lost:?}"
        );
        // Those that think as they see fit take it.
        assert_eq!(thoughts(CLAUDE_5, going_on(lost)).0, json!({"type": "adaptive"}));
    }
    let mut answered = going_on(vec![]);
    answered
        .messages
        .push(ModelMessage::text(ModelRole::Assistant, "42"));
    answered
        .messages
        .push(ModelMessage::text(ModelRole::User, "sure?"));
    assert_eq!(thoughts(CLAUDE, answered).0, budget);
}
