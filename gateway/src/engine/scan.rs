//! A look at a document's text before it is parsed: the parser descends once for every bracket, so brackets are
//! counted first.

use greenroom_kernel::Failure;

use crate::config::QueryLimits;

/// Brackets within brackets. Fields below fields are limited apart, and tighter.
const MAX_NESTING: usize = 48;

/// Refuses a text that is too long or too deep to parse.
pub(super) fn check(text: &str, limits: &QueryLimits) -> Result<(), Failure> {
    if text.len() > limits.bytes {
        return Err(Failure::bad_input(format!(
            "the query is longer than {} bytes",
            limits.bytes
        )));
    }
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut tokens) = (0, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_NESTING {
            return Err(Failure::bad_input(format!(
                "the query is nested deeper than {MAX_NESTING} brackets"
            )));
        }
        let length = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += bytes[at..]
                    .iter()
                    .position(|b| matches!(b, b'\n' | b'\r'))
                    .unwrap_or(bytes.len() - at);
                continue;
            }
            b'"' => string_length(&bytes[at..]),
            byte if is_word(byte) => bytes[at..].iter().take_while(|b| is_word(**b)).count(),
            _ => 1,
        };
        at += length;
        tokens += 1;
        if tokens > limits.tokens {
            return Err(Failure::bad_input(format!(
                "the query has more than {} tokens",
                limits.tokens
            )));
        }
    }
    Ok(())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// How long the string is that begins here; an unterminated one ends with its line, a block string with the text.
fn string_length(bytes: &[u8]) -> usize {
    let is_block = bytes.starts_with(b"\"\"\"");
    let mut at = if is_block { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if !is_block => at += 2,
            b'\\' if bytes[at..].starts_with(b"\\\"\"\"") => at += 4,
            b'"' if !is_block => return at + 1,
            b'"' if bytes[at..].starts_with(b"\"\"\"") => return at + 3,
            b'\n' | b'\r' if !is_block => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(tokens: usize) -> QueryLimits {
        QueryLimits {
            tokens,
            ..QueryLimits::default()
        }
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let brackets = "[".repeat(100);
        let text = format!(
            "{{ a(b: \"{brackets}\\\"{brackets}\", c: \"\"\"{brackets}\\\"\"\"{brackets}\"\"\") # {brackets}\n }}"
        );
        check(&text, &limits(20)).unwrap();
        assert!(check(&format!("{{ a(b: {brackets}"), &limits(1_000)).is_err());
        assert!(check(&format!("\"{brackets}\n{brackets}"), &limits(1_000)).is_err());
    }

    #[test]
    fn tokens_are_counted_as_the_specification_does() {
        let text = "query Q($a: Int = 1) { f(a: $a) { g, h } } # end";
        check(text, &limits(23)).unwrap();
        assert!(check(text, &limits(22)).is_err());
    }

    #[test]
    fn any_text_is_scanned_to_its_end() {
        for text in ["", "\"", "\"\"\"", "\"\\", "#", "ä\"ö\\", "\"\"\"\\\"\"\"", "{{{"] {
            check(text, &limits(100)).unwrap();
        }
    }
}
