//! Turns the bytes of sampled tokens into text to show: never half a character, never part of a stop text.

/// Assembles one answer.
#[derive(Debug)]
pub(crate) struct Assembler {
    /// Bytes that do not make a whole character yet.
    bytes: Vec<u8>,
    /// Text that may turn out to begin a stop text.
    held: String,
    stops: Vec<String>,
}

/// What a token made visible.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Text to show now.
    pub(crate) text: String,
    /// A stop text was met: the answer ends with `text`.
    pub(crate) stopped: bool,
}

impl Assembler {
    /// Ends the answer at the first of `stops`; empty ones are ignored.
    pub(crate) fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self {
            bytes: Vec::new(),
            held: String::new(),
            stops,
        }
    }

    /// Takes the bytes of one token.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Piece {
        self.bytes.extend_from_slice(bytes);
        self.take_whole_characters();
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.held.truncate(at);
            return Piece {
                text: std::mem::take(&mut self.held),
                stopped: true,
            };
        }
        let rest = self.held.split_off(self.held.len() - self.possible_stop());
        Piece {
            text: std::mem::replace(&mut self.held, rest),
            stopped: false,
        }
    }

    /// What is left when the answer ends without a stop text. Bytes that never became a character are replaced.
    pub(crate) fn finish(mut self) -> String {
        self.held.push_str(&String::from_utf8_lossy(&self.bytes));
        self.held
    }

    fn take_whole_characters(&mut self) {
        let mut incomplete = 0;
        for chunk in self.bytes.utf8_chunks() {
            self.held.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            if self.bytes.ends_with(invalid) && may_continue(invalid) {
                incomplete = invalid.len();
            } else {
                self.held.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.bytes.drain(..self.bytes.len() - incomplete);
    }

    /// The length of the longest end of the held text that begins a stop text.
    fn possible_stop(&self) -> usize {
        let longest = self
            .stops
            .iter()
            .map(|stop| stop.len() - 1)
            .max()
            .unwrap_or(0)
            .min(self.held.len());
        (1..=longest)
            .rev()
            .filter(|length| self.held.is_char_boundary(self.held.len() - length))
            .find(|length| {
                self.stops
                    .iter()
                    .any(|stop| stop.starts_with(&self.held[self.held.len() - length..]))
            })
            .unwrap_or(0)
    }
}

/// Whether more bytes can make `start` a character.
fn may_continue(start: &[u8]) -> bool {
    std::str::from_utf8(start)
        .err()
        .is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(stops: &[&str], tokens: &[&[u8]]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(|s| (*s).to_owned()).collect();
        let mut assembler = Assembler::new(&stops);
        let mut texts = Vec::new();
        for token in tokens {
            let piece = assembler.push(token);
            texts.push(piece.text);
            if piece.stopped {
                return (texts, true);
            }
        }
        texts.push(assembler.finish());
        (texts, false)
    }

    #[test]
    fn a_character_is_shown_when_its_last_byte_arrives() {
        let (texts, _) = shown(&[], &[b"a\xF0\x9F", b"\x8E", b"\xADb", b"\xC3", b"\xA9"]);
        assert_eq!(texts, ["a", "", "🎭b", "", "é", ""]);
    }

    #[test]
    fn bytes_that_can_never_be_a_character_are_replaced_at_once_and_cut_ones_at_the_end() {
        let (texts, _) = shown(&[], &[b"a\xFFb", b"\xC3x", b"\xE2\x82"]);
        assert_eq!(texts, ["a\u{FFFD}b", "\u{FFFD}x", "", "\u{FFFD}"]);
    }

    #[test]
    fn every_way_of_cutting_a_text_into_tokens_shows_the_same_text() {
        let text = "Zwölf 🎭 — 中文, a\u{FFFD}";
        for size in 1..text.len() {
            let tokens: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(shown(&[], &tokens).0.concat(), text, "in pieces of {size}");
        }
    }

    #[test]
    fn a_stop_text_spread_over_tokens_ends_the_answer_and_is_not_shown() {
        let (texts, stopped) = shown(&["\nUser:"], &[b"Hi", b"\nUs", b"er", b": more"]);
        assert!(stopped);
        assert_eq!(texts.concat(), "Hi");
        assert_eq!(texts[1], "", "text that may begin a stop is held back");
    }

    #[test]
    fn text_that_only_resembled_a_stop_is_shown_after_all() {
        let (texts, stopped) = shown(&["\nUser:"], &[b"Hi\nUs", b"ually", b" \nU"]);
        assert!(!stopped);
        assert_eq!(texts, ["Hi", "\nUsually", " ", "\nU"]);
    }

    #[test]
    fn the_earliest_of_several_stops_counts() {
        let (texts, stopped) = shown(&["ccc", "b", ""], &[b"aabccc"]);
        assert!(stopped);
        assert_eq!(texts, ["aa"]);
    }
}
