use super::*;

/// The ids of a call and of its result.
fn sent(id: &str) -> (String, String) {
    let turns = turns(&[calls("", &[(id, "{}")]), result(id, "42")]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (
        text(&turns[0]["content"][0]["toolUse"]["toolUseId"]),
        text(&turns[1]["content"][0]["toolResult"]["toolUseId"]),
    )
}

#[test]
fn other_wires_ids_are_put_into_letters_that_the_service_takes_and_no_more_than_it_takes() {
    for (id, expected) in [
        ("tooluse_a-B9", "tooluse_a-B9"),
        ("functions.add:0", "functions_add_0"),
        ("", "_"),
    ] {
        assert_eq!(sent(id), (expected.to_owned(), expected.to_owned()));
    }
    let longest = "a".repeat(64);
    assert_eq!(sent(&longest).0, longest);
    // What is longer stays apart from what begins alike.
    let (one, other) = (sent(&format!("{longest}b")), sent(&format!("{longest}c")));
    assert_eq!(one.0, one.1);
    assert_eq!(one.0.len(), 64);
    assert_ne!(one.0, other.0);
}

proptest! {
    #[test]
    fn any_id_becomes_one_that_the_service_takes(id in "\\PC{0,90}") {
        let (call, result) = sent(&id);
        prop_assert!((1..=64).contains(&call.len()), "{}", call);
        prop_assert!(call.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')), "{}", call);
        prop_assert_eq!(call, result);
    }
}
