use super::*;

fn asked(inputs: Vec<EmbeddingInput>, dimensions: Option<u32>) -> EmbeddingRequest {
    EmbeddingRequest {
        inputs,
        dimensions,
        ..EmbeddingRequest::default()
    }
}

fn text(text: &str) -> EmbeddingInput {
    EmbeddingInput::Text(text.into())
}

#[test]
fn models_are_known_by_their_ids_and_others_refused() {
    for (model, known) in [
        ("amazon.titan-embed-text-v2:0", Kind::Titan { sized: true }),
        ("amazon.titan-embed-text-v1", Kind::Titan { sized: false }),
        ("us.cohere.embed-v4:0", Kind::Cohere { sized: true }),
        ("cohere.embed-multilingual-v3", Kind::Cohere { sized: false }),
    ] {
        assert_eq!(kind(model), Ok(known), "{model}");
    }
    let refused = kind("amazon.nova-lite-v1:0").unwrap_err();
    assert!(refused.to_string().contains("titan-embed-text-v2"), "{refused}");
}

#[test]
fn what_can_t_be_embedded_is_refused_and_the_input_named() {
    let (titan, old) = (Kind::Titan { sized: true }, Kind::Titan { sized: false });
    assert_eq!(texts(titan, &asked(vec![], None)), Err(Unsayable::Nothing));
    let tokens = vec![text("a"), EmbeddingInput::Tokens(vec![1])];
    assert_eq!(texts(titan, &asked(tokens, None)), Err(Unsayable::Tokens(1)));
    assert_eq!(
        texts(titan, &asked(vec![text(" ")], None)),
        Err(Unsayable::Empty(0))
    );
    assert_eq!(
        texts(old, &asked(vec![text("a")], Some(256))),
        Err(Unsayable::Sized)
    );
    assert_eq!(texts(titan, &asked(vec![text("a")], Some(256))), Ok(vec!["a"]));
}

#[test]
fn both_forms_of_cohere_s_answers_are_read() {
    for body in [
        r#"{"id":"1","embeddings":{"float":[[0.5,1]]},"texts":["a"],"response_type":"embeddings_by_type"}"#,
        r#"{"embeddings":[[0.5,1]]}"#,
    ] {
        let answer: CohereAnswer = serde_json::from_str(body).unwrap();
        let (CohereVectors::Typed { float } | CohereVectors::Plain(float)) = answer.embeddings;
        assert_eq!(float, [[0.5, 1.0]]);
    }
}
