//! The text of a task as its caller sees it, where nothing that was shown can be taken back.

/// What was said can't be told to a caller who has seen something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Revised;

/// What a caller has seen, and the text as it stands if that is behind it: a new attempt may repeat the old words.
#[derive(Debug, Default)]
pub(super) struct Shown {
    text: String,
    units: u64,
    again: Option<String>,
}

impl Shown {
    /// The text starts over.
    pub(super) fn restart(&mut self) {
        if !self.text.is_empty() {
            self.again = Some(String::new());
        }
    }

    /// `text = text[..offset] + delta`, with `offset` in UTF-16 units: what of it the caller hasn't seen.
    pub(super) fn delta(&mut self, offset: u64, delta: &str) -> Result<Option<String>, Revised> {
        let now = match &self.again {
            None if offset == self.units => {
                self.push(delta);
                return Ok((!delta.is_empty()).then(|| delta.to_owned()));
            }
            None => &self.text,
            Some(again) => again,
        };
        let now = format!("{}{delta}", &now[..byte_of(now, offset)]);
        self.becomes(now)
    }

    /// The text is whole: what of it the caller hasn't seen.
    pub(super) fn whole(&mut self, text: &str) -> Result<Option<String>, Revised> {
        match text.strip_prefix(self.text.as_str()) {
            Some("") => Ok(None),
            Some(rest) => Ok(Some(rest.to_owned())),
            None => Err(Revised),
        }
    }

    fn becomes(&mut self, now: String) -> Result<Option<String>, Revised> {
        if let Some(rest) = now.strip_prefix(self.text.as_str()) {
            self.again = None;
            let rest = rest.to_owned();
            self.push(&rest);
            return Ok((!rest.is_empty()).then_some(rest));
        }
        if !self.text.starts_with(&now) {
            return Err(Revised);
        }
        self.again = Some(now);
        Ok(None)
    }

    fn push(&mut self, more: &str) {
        self.units += more.encode_utf16().count() as u64;
        self.text.push_str(more);
    }
}

/// Where the unit `offset` of a text stands in its bytes; its end where there are fewer.
fn byte_of(text: &str, offset: u64) -> usize {
    let mut units = 0;
    for (at, letter) in text.char_indices() {
        if units >= offset {
            return at;
        }
        units += letter.len_utf16() as u64;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<Option<String>, Revised> {
        Ok(Some(text.to_owned()))
    }

    #[test]
    fn pieces_are_told_as_they_come() {
        let mut shown = Shown::default();
        assert_eq!(shown.delta(0, "a𝄞"), told("a𝄞"));
        assert_eq!(shown.delta(3, "b"), told("b"));
        assert_eq!(shown.whole("a𝄞bc"), told("c"));
        assert_eq!(shown.whole("a𝄞b"), Ok(None));
        assert_eq!(shown.whole("else"), Err(Revised));
    }

    #[test]
    fn a_new_attempt_that_repeats_what_was_shown_goes_on_behind_it() {
        let mut shown = Shown::default();
        shown.restart();
        assert_eq!(shown.delta(0, "one two"), told("one two"));
        shown.restart();
        assert_eq!(shown.delta(0, "one"), Ok(None));
        assert_eq!(shown.delta(3, " two three"), told(" three"));
        assert_eq!(shown.delta(13, "!"), told("!"));
    }

    #[test]
    fn a_new_attempt_with_other_words_is_a_revision() {
        let mut shown = Shown::default();
        assert_eq!(shown.delta(0, "one two"), told("one two"));
        shown.restart();
        assert_eq!(shown.delta(0, "one"), Ok(None));
        assert_eq!(shown.delta(3, " more"), Err(Revised));
    }

    #[test]
    fn a_cut_is_a_revision_unless_what_was_cut_comes_again() {
        let mut shown = Shown::default();
        assert_eq!(shown.delta(0, "one two"), told("one two"));
        assert_eq!(shown.delta(4, ""), Ok(None));
        assert_eq!(shown.delta(4, "two."), told("."));
        assert_eq!(shown.delta(4, "more"), Err(Revised));
    }
}
