//! An attempt's text as its deltas make it: `text = text[..offset] + delta`, offsets in UTF-16 units.

/// The text so far, and how much of it was printed.
#[derive(Debug, Default)]
pub(super) struct Text {
    attempt: u64,
    units: Vec<u16>,
}

impl Text {
    /// Lays a delta over the text; what is to be printed so that the screen ends with the text.
    pub(super) fn apply(&mut self, attempt: u64, offset: usize, delta: &str) -> String {
        let fresh = attempt != self.attempt && !self.units.is_empty();
        self.attempt = attempt;
        let delta: Vec<u16> = delta.encode_utf16().collect();
        let kept = if fresh { 0 } else { offset.min(self.units.len()) };
        let mut next: Vec<u16> = self.units[..kept].to_vec();
        next.extend(delta);
        self.show(next)
    }

    /// The text is this now, whatever the deltas said.
    pub(super) fn settle(&mut self, content: &str) -> String {
        self.show(content.encode_utf16().collect())
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        String::from_utf16_lossy(&self.units)
    }

    fn show(&mut self, next: Vec<u16>) -> String {
        let shown = match next.strip_prefix(self.units.as_slice()) {
            Some(more) => String::from_utf16_lossy(more),
            None => format!("\n[once more]\n{}", String::from_utf16_lossy(&next)),
        };
        self.units = next;
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_are_printed_as_they_come() {
        let mut text = Text::default();
        assert_eq!(text.apply(1, 0, "Hé"), "Hé");
        assert_eq!(text.apply(1, 2, "llo 😀"), "llo 😀");
        assert_eq!(text.apply(1, 8, "!"), "!");
        assert_eq!(text.settle("Héllo 😀!"), "");
        assert_eq!(text.text(), "Héllo 😀!");
    }

    #[test]
    fn a_catch_up_delta_prints_only_what_is_new() {
        let mut text = Text::default();
        text.apply(1, 0, "one two");
        assert_eq!(text.apply(1, 0, "one two three"), " three");
        assert_eq!(text.apply(1, 3, " two three four"), " four");
    }

    #[test]
    fn another_attempt_starts_again_unless_it_says_the_same() {
        let mut text = Text::default();
        text.apply(1, 0, "one");
        assert_eq!(text.apply(2, 0, "one two"), " two");
        assert_eq!(text.apply(3, 0, "uno"), "\n[once more]\nuno");
        assert_eq!(text.text(), "uno");
    }

    #[test]
    fn the_message_has_the_last_word() {
        let mut text = Text::default();
        assert_eq!(text.settle("all at once"), "all at once");
        assert_eq!(text.settle("all"), "\n[once more]\nall");
        assert_eq!(text.text(), "all");
    }
}
