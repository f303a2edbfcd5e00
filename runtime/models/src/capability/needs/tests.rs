use greenroom_kernel::{Content, ImageSource, ModelMessage, Part, ToolSpec};
use serde_json::json;

use super::*;

fn said(role: ModelRole, parts: Vec<Part>) -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::new(role, Content::Parts(parts))],
        ..ModelRequest::default()
    }
}

#[test]
fn needs_are_read_off_a_request() {
    let image = Part::Image {
        source: ImageSource::Url {
            url: "https://x/y.png".into(),
        },
        detail: None,
        cache: None,
    };
    assert!(Needs::of(&said(ModelRole::User, vec![Part::text("look"), image])).images);
    let plain = Needs::of(&said(ModelRole::User, vec![Part::text("12345678")]));
    let expected = Needs {
        streaming: true,
        input_tokens: 6,
        ..Needs::default()
    };
    assert_eq!(plain, expected);
    let mut request = said(ModelRole::Assistant, vec![Part::text("So")]);
    request.tools.push(ToolSpec {
        name: "f".into(),
        description: String::new(),
        parameters: json!({}),
        cache: None,
    });
    request.output = OutputFormat::JsonSchema {
        name: "x".into(),
        schema: json!({}),
    };
    let needs = Needs::of(&request);
    assert!(needs.tools && needs.json_schema && needs.prefill && !needs.images);
    assert!(Needs::of_embeddings(&EmbeddingRequest::default()).embeddings);
}

#[test]
fn only_what_is_needed_and_known_to_be_missing_is_lacking() {
    let nothing = Capabilities::default();
    let all = Needs {
        images: true,
        tools: true,
        json_schema: true,
        prefill: true,
        streaming: true,
        input_tokens: 1 << 40,
        ..Needs::default()
    };
    assert_eq!(lacks(&all, &nothing), None);
    let no = Some(false);
    for (can, lack) in [
        (
            Capabilities {
                vision: no,
                ..nothing
            },
            Lack::Images,
        ),
        (Capabilities { tools: no, ..nothing }, Lack::Tools),
        (
            Capabilities {
                json_schema: no,
                ..nothing
            },
            Lack::JsonSchema,
        ),
        (
            Capabilities {
                prefill: no,
                ..nothing
            },
            Lack::Prefill,
        ),
        (
            Capabilities {
                streaming: no,
                ..nothing
            },
            Lack::Streaming,
        ),
        (
            Capabilities {
                embeddings: Some(true),
                ..nothing
            },
            Lack::Answers,
        ),
    ] {
        assert_eq!(lacks(&all, &can), Some(lack));
        assert!(may_lack(&can, false, 0), "{lack}");
        if lack != Lack::Answers {
            assert_eq!(lacks(&Needs::default(), &can), None);
        }
    }
    let vectors = Needs {
        embeddings: true,
        ..Needs::default()
    };
    let chat = Capabilities {
        embeddings: no,
        ..nothing
    };
    assert!(may_lack(&chat, true, 0) && !may_lack(&chat, false, 0));
    assert_eq!(
        lacks(
            &vectors,
            &Capabilities {
                embeddings: no,
                ..nothing
            }
        ),
        Some(Lack::Embeddings)
    );
    assert_eq!(
        lacks(
            &vectors,
            &Capabilities {
                embeddings: Some(true),
                vision: no,
                ..nothing
            }
        ),
        None
    );
    assert!(!may_lack(&nothing, false, 1 << 40));
}

#[test]
fn a_window_is_too_small_when_four_fifths_of_the_estimate_and_the_answer_don_t_fit() {
    let can = Capabilities {
        context_window: Some(1_000),
        ..Capabilities::default()
    };
    let of = |input_tokens, max_tokens| {
        lacks(
            &Needs {
                input_tokens,
                max_tokens,
                ..Needs::default()
            },
            &can,
        )
    };
    assert_eq!(of(1_250, None), None);
    assert_eq!(
        of(1_255, None),
        Some(Lack::Window {
            needs: 1_255,
            has: 1_000
        })
    );
    assert_eq!(of(500, Some(600)), None);
    assert_eq!(
        of(505, Some(600)),
        Some(Lack::Window {
            needs: 1_105,
            has: 1_000
        })
    );
    assert!(may_lack(&can, false, 501) && !may_lack(&can, false, 500));
}
