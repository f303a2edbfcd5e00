use std::time::Duration;

use greenroom_kernel::Usage;
use proptest::prelude::*;

use super::*;
use crate::embed;

fn read(body: Value) -> Result<EmbeddingRequest, Option<String>> {
    match EmbeddingsDialect.read(body.to_string().as_bytes()) {
        Ok(Wish::Embeddings(request)) => Ok((*request).clone()),
        Ok(Wish::Answer(_)) => panic!("vectors were asked for"),
        Err(wrong) => Err(wrong.param),
    }
}

fn head() -> AnswerHead {
    AnswerHead {
        id: "1".into(),
        model: "m".into(),
        created: Duration::from_secs(1),
    }
}

#[test]
fn all_forms_of_input_are_read() {
    let text = |text: &str| EmbeddingInput::Text(text.into());
    let inputs = |input: Value| read(json!({"input": input, "model": "m"})).unwrap().inputs;
    assert_eq!(inputs(json!("a")), [text("a")]);
    assert_eq!(inputs(json!(["a", "b"])), [text("a"), text("b")]);
    assert_eq!(inputs(json!([1, 2])), [EmbeddingInput::Tokens(vec![1, 2])]);
    assert_eq!(
        inputs(json!([[1], [2, 3]])),
        [
            EmbeddingInput::Tokens(vec![1]),
            EmbeddingInput::Tokens(vec![2, 3])
        ]
    );
    let whole =
        json!({"input": "a", "model": "m", "dimensions": 8, "encoding_format": "base64", "user": "u"});
    let request = read(whole).unwrap();
    assert_eq!(
        (request.model.as_deref(), request.end_user.as_deref()),
        (Some("m"), Some("u"))
    );
    assert_eq!(request.dimensions, Some(8));
}

#[test]
fn wrong_fields_are_named() {
    for (body, param) in [
        (json!({}), "input"),
        (json!({"input": ""}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": 7}), "input"),
        (json!({"input": [-1]}), "input"),
        (json!({"input": ["a", ""]}), "input[1]"),
        (json!({"input": [[1], []]}), "input[1]"),
        (json!({"input": ["a", 1]}), "input[1]"),
        (json!({"input": "a", "model": 1}), "model"),
        (json!({"input": "a", "dimensions": 0}), "dimensions"),
        (json!({"input": "a", "encoding_format": "hex"}), "encoding_format"),
        (json!({"input": "a", "user": 1}), "user"),
    ] {
        assert_eq!(read(body.clone()), Err(Some(param.to_owned())), "{body}");
    }
    assert_eq!(read(json!([])), Err(None));
}

proptest! {
    #[test]
    fn vectors_are_read_back_as_they_were_written_in_either_form(
        vectors in prop::collection::vec(prop::collection::vec(-1e6_f32..1e6, 1..5), 1..5),
        tokens in 0_u64..1000,
        base64 in any::<bool>(),
    ) {
        let usage = Usage { input_tokens: tokens, ..Usage::default() };
        let vectors = Embeddings { vectors, usage: Some(usage) };
        let format = if base64 { "base64" } else { "float" };
        let asked = json!({"input": "a", "encoding_format": format}).to_string();
        let body = EmbeddingsDialect.embeddings(asked.as_bytes(), &head(), &vectors);
        let written: Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(written["data"][0]["embedding"].is_string(), base64);
        prop_assert_eq!(&written["usage"], &json!({"prompt_tokens": tokens, "total_tokens": tokens}));
        let faults = greenroom_provider_http::Faults::new("p", "h", None, &crate::classify::WIRE);
        prop_assert_eq!(embed::read(&body, vectors.vectors.len(), "m", &faults).unwrap(), vectors);
    }
}
