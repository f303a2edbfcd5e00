use greenroom_kernel::{ImageDetail, ImageSource, Reasoning};

use super::*;
use crate::seal;

fn sent(messages: &[ModelMessage]) -> (Value, Value) {
    let (system, turns) = turns(messages, None).unwrap();
    (
        serde_json::to_value(system).unwrap(),
        serde_json::to_value(turns).unwrap(),
    )
}

fn text(role: ModelRole, text: &str) -> ModelMessage {
    ModelMessage::text(role, text)
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

#[test]
fn instructions_stand_apart_and_the_turns_alternate() {
    let (system, turns) = sent(&[
        text(ModelRole::System, "be brief"),
        text(ModelRole::User, "hi"),
        text(ModelRole::User, "there"),
        text(ModelRole::Assistant, "yes?"),
        text(ModelRole::System, "be kind"),
        text(ModelRole::Assistant, " \n"),
        text(ModelRole::User, ""),
        text(ModelRole::User, "nothing"),
    ]);
    assert_eq!(system, "be brief\n\nbe kind");
    assert_eq!(
        turns,
        json!([
            {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "yes?"}]},
            {"role": "user", "content": [{"type": "text", "text": "nothing"}]},
        ])
    );
    assert_eq!(sent(&[text(ModelRole::User, "hi")]).0, Value::Null);
}

#[test]
fn parallel_results_are_one_turn_and_come_before_what_the_user_says() {
    let (_, turns) = sent(&[
        calls("adding", &[("c1", r#"{"a":1}"#), ("c2", "")]),
        result("c1", "2"),
        text(ModelRole::User, "hurry"),
        result("c2", ""),
    ]);
    assert_eq!(
        turns,
        json!([
            {"role": "assistant", "content": [
                {"type": "text", "text": "adding"},
                {"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}},
                {"type": "tool_use", "id": "c2", "name": "add", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "2"},
                {"type": "tool_result", "tool_use_id": "c2"},
                {"type": "text", "text": "hurry"},
            ]},
        ])
    );
}

#[test]
fn arguments_that_are_no_object_are_handed_back_inside_one() {
    for garbled in ["{\"a\":", "[1]", "7"] {
        let (_, turns) = sent(&[calls("", &[("c1", garbled)])]);
        assert_eq!(turns[0]["content"][0]["input"], json!({"unreadable": garbled}));
    }
}

#[test]
fn a_result_that_answers_no_call_is_refused() {
    assert_eq!(
        turns(&[text(ModelRole::Tool, "2")], None).unwrap_err(),
        Unsayable::ResultOfNothing
    );
}

fn image(cache: Option<CacheFor>) -> Part {
    Part::Image {
        source: ImageSource::Base64 {
            media_type: "image/png".into(),
            data: "aGk=".into(),
        },
        detail: None,
        cache,
    }
}

#[test]
fn parts_are_blocks_in_order_with_their_marks() {
    let url = Part::Image {
        source: ImageSource::Url {
            url: "https://h/i.png".into(),
        },
        detail: Some(ImageDetail::Low),
        cache: None,
    };
    let parts = vec![
        Part::text("look"),
        image(None),
        url,
        Part::Text {
            text: "well".into(),
            cache: Some(CacheFor::Minutes5),
        },
        Part::text(" "),
    ];
    let (_, turns) = sent(&[ModelMessage::new(ModelRole::User, Content::Parts(parts))]);
    assert_eq!(
        turns[0]["content"],
        json!([
            {"type": "text", "text": "look"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
            {"type": "image", "source": {"type": "url", "url": "https://h/i.png"}},
            {"type": "text", "text": "well", "cache_control": {"type": "ephemeral"}},
        ])
    );
    for role in [ModelRole::System, ModelRole::Assistant] {
        let message = ModelMessage::new(role, Content::Parts(vec![image(None)]));
        assert!(matches!(
            super::turns(&[message], None),
            Err(Unsayable::ImageOf(_))
        ));
    }
}

#[test]
fn a_tool_s_failure_and_its_images_go_in_its_result_which_is_marked_as_a_whole() {
    let failed = ModelMessage {
        is_error: true,
        ..result("c.1", "no")
    };
    let seen = ModelMessage {
        content: Content::Parts(vec![Part::text("seen"), image(Some(CacheFor::Hour1))]),
        ..result("c2", "")
    };
    let (_, turns) = sent(&[failed, seen]);
    assert_eq!(
        turns[0]["content"],
        json!([
            {"type": "tool_result", "tool_use_id": "c_1", "content": "no", "is_error": true},
            {"type": "tool_result", "tool_use_id": "c2", "content": [
                {"type": "text", "text": "seen"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
            ], "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ])
    );
}

#[test]
fn thoughts_go_back_to_who_sealed_them_before_what_was_said_and_called() {
    let foreign = Reasoning {
        text: "mine".into(),
        seal: Some(greenroom_kernel::Seal {
            family: "openai".into(),
            value: json!({"type": "thinking", "signature": "x"}),
        }),
    };
    let thoughts = |said: Vec<Part>| {
        let parts = [
            Part::Reasoning(seal::signed("hm".into(), "s")),
            Part::Reasoning(foreign.clone()),
            Part::Reasoning(Reasoning::default()),
            Part::Reasoning(seal::redacted("d")),
        ];
        Content::Parts(parts.into_iter().chain(said).collect())
    };
    let message = ModelMessage {
        content: thoughts(vec![Part::text("adding")]),
        ..calls("", &[("c.1", "")])
    };
    let (_, turns) = sent(&[message]);
    assert_eq!(
        turns[0]["content"],
        json!([
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "adding"},
            {"type": "tool_use", "id": "c_1", "name": "add", "input": {}},
        ])
    );
    let (_, turns) = sent(&[ModelMessage::new(ModelRole::Assistant, thoughts(Vec::new()))]);
    assert_eq!(turns, json!([]));
}
