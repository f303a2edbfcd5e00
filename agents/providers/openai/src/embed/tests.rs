use greenroom_kernel::{FaultClass, Usage};
use serde_json::json;

use super::*;

fn faults() -> Faults {
    Faults::new("p", "http://h/v1", None, &crate::classify::WIRE)
}

fn vectors(body: &str, inputs: usize) -> Result<Vec<Vec<f32>>, FaultClass> {
    let read = read(body.as_bytes(), inputs, "m", &faults());
    read.map(|e| e.vectors).map_err(|fault| fault.class)
}

#[test]
fn vectors_come_in_the_order_of_the_inputs_in_either_form_with_their_figures() {
    let body = r#"{"object":"list","model":"m","data":[
        {"object":"embedding","index":1,"embedding":"AACAPwAAAL8="},
        {"object":"embedding","index":0,"embedding":[0.25,1]}],
        "usage":{"prompt_tokens":5,"total_tokens":5}}"#;
    let read = read(body.as_bytes(), 2, "m", &faults()).unwrap();
    assert_eq!(read.vectors, [[0.25, 1.0], [1.0, -0.5]]);
    let usage = Usage {
        input_tokens: 5,
        ..Usage::default()
    };
    assert_eq!(read.usage, Some(usage));
    let unnumbered = r#"{"data":[{"embedding":[1]},{"embedding":[2]}]}"#;
    assert_eq!(vectors(unnumbered, 2), Ok(vec![vec![1.0], vec![2.0]]));
}

#[test]
fn an_answer_that_lacks_a_vector_is_no_answer() {
    for body in [
        r#"{"data":[{"index":0,"embedding":[1]}]}"#,
        r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#,
        r#"{"data":[{"index":0,"embedding":[1]},{"index":7,"embedding":[1]}]}"#,
        r#"{"data":[{"index":0,"embedding":[]},{"index":1,"embedding":[1]}]}"#,
        r#"{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1]},{"index":1,"embedding":[1]}]}"#,
        r#"{"data":[{"index":0},{"index":1}]}"#,
        r#"{"data":[{},{},{}]}"#,
        "{}",
        "no json",
    ] {
        assert_eq!(vectors(body, 2), Err(FaultClass::Transient), "{body}");
    }
    let error = r#"{"error":{"code":"model_not_found"}}"#;
    assert_eq!(vectors(error, 2), Err(FaultClass::HardDown));
}

#[test]
fn texts_or_tokens_are_asked_for_but_not_both() {
    let text = EmbeddingInput::Text("a".into());
    let tokens = EmbeddingInput::Tokens(vec![1, 2]);
    let mut request = EmbeddingRequest {
        inputs: vec![text, tokens],
        dimensions: Some(8),
        end_user: Some("u".into()),
        ..EmbeddingRequest::default()
    };
    assert_eq!(EmbedRequest::new("m", &request).unwrap_err(), Unsayable::Mixed);
    request.inputs.remove(0);
    let said = serde_json::to_value(EmbedRequest::new("m", &request).unwrap()).unwrap();
    assert_eq!(
        said,
        json!({"model": "m", "input": [[1, 2]], "encoding_format": "float", "dimensions": 8, "user": "u"})
    );
    request.inputs = vec![EmbeddingInput::Text("a".into())];
    let said = serde_json::to_value(EmbedRequest::new("m", &request).unwrap()).unwrap();
    assert_eq!(said["input"], json!(["a"]));
}
