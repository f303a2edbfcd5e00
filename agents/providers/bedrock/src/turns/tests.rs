mod ids;

use greenroom_kernel::Seal;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const CLAUDE: &str = "anthropic.claude-haiku-4-5-20251001-v1:0";

fn told(messages: &[ModelMessage], with_tools: bool) -> Result<(Value, Value), Unsayable> {
    let mut marks = Marks::of(&ModelRequest::default(), false, Traits::of(CLAUDE));
    let told = conversation(messages, with_tools, &mut marks)?;
    Ok((
        serde_json::to_value(told.system).unwrap(),
        serde_json::to_value(told.turns).unwrap(),
    ))
}

fn turns(messages: &[ModelMessage]) -> Value {
    told(messages, true).unwrap().1
}

fn text(role: ModelRole, text: &str) -> ModelMessage {
    ModelMessage::text(role, text)
}

fn parts(role: ModelRole, parts: Vec<Part>) -> ModelMessage {
    ModelMessage::new(role, Content::Parts(parts))
}

fn result(id: &str, content: &str) -> ModelMessage {
    ModelMessage {
        tool_call_id: Some(id.into()),
        ..text(ModelRole::Tool, content)
    }
}

fn calls(content: &str, calls: &[(&str, &str)]) -> ModelMessage {
    let call = |(id, arguments): &(&str, &str)| ToolCall {
        id: (*id).into(),
        name: "add".into(),
        arguments: (*arguments).into(),
    };
    ModelMessage {
        tool_calls: calls.iter().map(call).collect(),
        ..text(ModelRole::Assistant, content)
    }
}

fn image(media_type: &str, data: &str) -> Part {
    Part::Image {
        source: ImageSource::Base64 {
            media_type: media_type.into(),
            data: data.into(),
        },
        detail: None,
        cache: None,
    }
}

#[test]
fn instructions_stand_apart_and_the_turns_alternate() {
    let (system, turns) = told(
        &[
            text(ModelRole::System, "be brief"),
            text(ModelRole::User, "hi"),
            text(ModelRole::User, "there"),
            text(ModelRole::Assistant, "yes?"),
            text(ModelRole::System, "be kind"),
            text(ModelRole::Assistant, " \n"),
            text(ModelRole::User, ""),
            text(ModelRole::User, "nothing"),
        ],
        true,
    )
    .unwrap();
    assert_eq!(system, json!([{"text": "be brief"}, {"text": "be kind"}]));
    assert_eq!(
        turns,
        json!([
            {"role": "user", "content": [{"text": "hi"}, {"text": "there"}]},
            {"role": "assistant", "content": [{"text": "yes?"}]},
            {"role": "user", "content": [{"text": "nothing"}]},
        ])
    );
}

#[test]
fn parallel_results_are_one_turn_and_come_before_what_the_user_says() {
    let failed = ModelMessage {
        is_error: true,
        ..result("c2", "no such city")
    };
    let marked = ModelMessage {
        tool_call_id: Some("c3".into()),
        ..parts(
            ModelRole::Tool,
            vec![
                Part::Text {
                    text: "3".into(),
                    cache: Some(CacheFor::Minutes5),
                },
                image("image/PNG", "aGk="),
            ],
        )
    };
    let turns = turns(&[
        calls(
            "adding",
            &[("c1", r#"{"b":1,"a":1.0}"#), ("c2", ""), ("c3", "{}")],
        ),
        result("c1", ""),
        text(ModelRole::User, "hurry"),
        failed,
        marked,
    ]);
    let written = turns[0]["content"][1]["toolUse"]["input"].to_string();
    assert_eq!(written, r#"{"b":1,"a":1.0}"#);
    assert_eq!(
        turns[1]["content"],
        json!([
            {"toolResult": {"toolUseId": "c1", "content": []}},
            {"toolResult": {"toolUseId": "c2", "content": [{"text": "no such city"}], "status": "error"}},
            {"toolResult": {"toolUseId": "c3", "content": [
                {"text": "3"}, {"image": {"format": "png", "source": {"bytes": "aGk="}}},
            ]}},
            {"cachePoint": {"type": "default"}},
            {"text": "hurry"},
        ])
    );
}

#[test]
fn where_no_tools_are_offered_former_calls_are_told_as_text() {
    let messages = [calls("", &[("c1", r#"{"a":1}"#)]), result("c1", "2")];
    let (_, turns) = told(&messages, false).unwrap();
    assert_eq!(
        turns,
        json!([
            {"role": "assistant", "content": [{"text": "[called add with {\"a\":1}]"}]},
            {"role": "user", "content": [{"text": "[the call c1 found:]"}, {"text": "2"}]},
        ])
    );
}

#[test]
fn arguments_that_are_no_object_are_handed_back_inside_one() {
    for garbled in ["{\"a\":", "[1]", "7", "{} {}"] {
        let turns = turns(&[calls("", &[("c1", garbled)])]);
        assert_eq!(
            turns[0]["content"][0]["toolUse"]["input"],
            json!({ "unreadable": garbled })
        );
    }
}

#[test]
fn a_result_that_answers_no_call_is_refused() {
    let refused = told(&[text(ModelRole::Tool, "2")], true).unwrap_err();
    assert_eq!(refused, Unsayable::ResultOfNothing);
}

#[test]
fn images_that_the_service_can_t_take_are_refused_with_the_reason() {
    let refused = |role, part| told(&[parts(role, vec![part])], true).unwrap_err();
    let url = Part::Image {
        source: ImageSource::Url {
            url: "https://h/i.png".into(),
        },
        detail: None,
        cache: None,
    };
    assert_eq!(refused(ModelRole::User, url), Unsayable::ImageUrl);
    assert_eq!(
        refused(ModelRole::User, image("image/tiff", "aGk=")),
        Unsayable::ImageKind("image/tiff".into())
    );
    for data in ["", "a", "!!!!"] {
        assert_eq!(
            refused(ModelRole::User, image("image/png", data)),
            Unsayable::ImageData
        );
    }
    assert_eq!(
        refused(ModelRole::Assistant, image("image/png", "aGk=")),
        Unsayable::ImageElsewhere
    );
}

#[test]
fn thoughts_go_back_to_the_maker_of_the_model_that_had_them_and_to_nobody_else() {
    let thought = |family: &str, value| {
        Part::Reasoning(Reasoning {
            text: "hm".into(),
            seal: Some(Seal {
                family: family.into(),
                value,
            }),
        })
    };
    let turns = turns(&[parts(
        ModelRole::Assistant,
        vec![
            thought(FAMILY, json!({"maker": "anthropic", "signature": "s"})),
            thought(FAMILY, json!({"maker": "anthropic", "redacted": "aGk="})),
            thought(FAMILY, json!({"maker": "amazon", "signature": "s"})),
            thought("anthropic", json!({"maker": "anthropic", "signature": "s"})),
            thought(FAMILY, json!({"maker": "anthropic"})),
            Part::Reasoning(Reasoning {
                text: "unsealed".into(),
                seal: None,
            }),
            Part::text("so"),
        ],
    )]);
    assert_eq!(
        turns[0]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
            {"reasoningContent": {"redactedContent": "aGk="}},
            {"text": "so"},
        ])
    );
}

fn any_message() -> impl Strategy<Value = ModelMessage> {
    let role = prop_oneof![
        Just(ModelRole::System),
        Just(ModelRole::User),
        Just(ModelRole::Assistant),
        Just(ModelRole::Tool)
    ];
    (
        role,
        "[ a-c{}\"]{0,6}",
        prop::collection::vec("[{}\"a:1,]{0,8}", 0..3),
    )
        .prop_map(|(role, said, arguments)| {
            let arguments: Vec<_> = arguments.iter().map(|a| ("c", a.as_str())).collect();
            match role {
                ModelRole::Assistant => calls(&said, &arguments),
                ModelRole::Tool => result("c", &said),
                role => text(role, &said),
            }
        })
}

proptest! {
    #[test]
    fn whatever_is_said_the_turns_alternate_and_none_is_empty(
        messages in prop::collection::vec(any_message(), 0..12),
        with_tools: bool,
    ) {
        let (_, turns) = told(&messages, with_tools).unwrap();
        let turns = turns.as_array().unwrap();
        for pair in turns.windows(2) {
            prop_assert_ne!(&pair[0]["role"], &pair[1]["role"]);
        }
        for turn in turns {
            let content = turn["content"].as_array().unwrap();
            prop_assert!(!content.is_empty());
            for block in content {
                prop_assert!(with_tools || block.get("text").is_some(), "{block}");
                if let Some(call) = block.get("toolUse") {
                    prop_assert!(call["input"].is_object());
                }
            }
        }
    }
}
