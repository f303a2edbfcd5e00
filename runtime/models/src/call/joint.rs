//! Where a second try's text is joined to what was shown. Pure.

use std::collections::VecDeque;

use greenroom_kernel::ToolCall;
use serde_json::Value;

/// Most bytes that are compared of what was shown and of what is said again.
const OVERLAP_AT_MOST: usize = 400;

/// The shortest repetition that is taken for one: a few letters are often the same by chance.
const OVERLAP_AT_LEAST: usize = 8;

/// So much of what was shown is looked for at the beginning of what goes on from it: some servers hand it back first, and
/// one that can't go on begins anew.
const ECHO: usize = 32;

/// The second try doesn't repeat what was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Diverged;

/// What of a second try's text is new.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Joint {
    /// All of it.
    Open,
    /// All but the white space that was taken from the end of what was shown.
    Blank(String),
    /// The same, and not what was shown either.
    Echo {
        shown: String,
        blank: String,
        held: String,
    },
    /// What comes behind a repetition of all that was shown.
    Repeat {
        /// What is still to be repeated.
        text: String,
        /// The white space that was taken from the end of it.
        blank: String,
        calls: VecDeque<ToolCall>,
    },
    /// What comes behind a repetition of the end of what was shown, if there is one.
    Overlap { tail: String, held: String },
}

impl Joint {
    /// Behind a text that a target was given to go on from, without the white space at its end.
    pub(super) fn prefilled(shown: &str, blank: &str) -> Self {
        Self::Echo {
            shown: shown.to_owned(),
            blank: blank.to_owned(),
            held: String::new(),
        }
    }

    /// Behind a text and calls that a second run must repeat.
    pub(super) fn repeat(text: &str, calls: &[ToolCall]) -> Self {
        Self::Repeat {
            text: text.to_owned(),
            blank: String::new(),
            calls: calls.iter().cloned().collect(),
        }
    }

    /// Behind a text that ends so.
    pub(super) fn overlap(shown: &str) -> Self {
        let mut begin = shown.len().saturating_sub(OVERLAP_AT_MOST);
        while !shown.is_char_boundary(begin) {
            begin += 1;
        }
        Self::Overlap {
            tail: shown[begin..].to_owned(),
            held: String::new(),
        }
    }

    /// What is new of `more`.
    pub(super) fn text(&mut self, more: String) -> Result<Option<String>, Diverged> {
        let new = match self {
            Self::Open => more,
            Self::Blank(blank) => {
                let same = |(a, b): &(char, char)| a == b;
                let taken: usize = more
                    .chars()
                    .zip(blank.chars())
                    .take_while(same)
                    .map(|(a, _)| a.len_utf8())
                    .sum();
                let rest = more.get(taken..).unwrap_or_default().to_owned();
                blank.drain(..taken);
                if !rest.is_empty() || blank.is_empty() {
                    *self = Self::Open;
                }
                rest
            }
            Self::Echo { shown, held, .. } => {
                held.push_str(&more);
                let begin = begin_of(shown, ECHO);
                let may_be_one = !begin.is_empty() && begin.starts_with(&**held);
                if may_be_one && held.len() < begin.len() {
                    return Ok(None);
                }
                return self.no_echo_or_all_of_it();
            }
            Self::Repeat { text, .. } if text.is_empty() => more,
            Self::Repeat { text, blank, .. } => {
                if let Some(rest) = more.strip_prefix(&**text) {
                    text.clear();
                    let rest = rest.to_owned();
                    if !blank.is_empty() {
                        *self = Self::Blank(std::mem::take(blank));
                        return self.text(rest);
                    }
                    rest
                } else if let Some(rest) = text.strip_prefix(&*more) {
                    *text = rest.to_owned();
                    String::new()
                } else {
                    return Err(Diverged);
                }
            }
            Self::Overlap { held, .. } => {
                held.push_str(&more);
                if held.len() < OVERLAP_AT_MOST {
                    return Ok(None);
                }
                self.decided()
            }
        };
        Ok((!new.is_empty()).then_some(new))
    }

    /// Whether a call is new.
    pub(super) fn call(&mut self, call: &ToolCall) -> Result<bool, Diverged> {
        let Self::Repeat { text, calls, .. } = self else {
            return Ok(true);
        };
        if !text.is_empty() {
            return Err(Diverged);
        }
        match calls.pop_front() {
            None => Ok(true),
            Some(shown) if is_same(&shown, call) => Ok(false),
            Some(_) => Err(Diverged),
        }
    }

    /// Nothing more comes, or something else than text: what is left that is new.
    pub(super) fn rest(&mut self) -> Result<Option<String>, Diverged> {
        match self {
            Self::Overlap { .. } => {
                let rest = self.decided();
                Ok((!rest.is_empty()).then_some(rest))
            }
            Self::Echo { .. } => self.no_echo_or_all_of_it(),
            Self::Open | Self::Blank(_) | Self::Repeat { .. } => Ok(None),
        }
    }

    /// What is held is compared with what was shown.
    fn no_echo_or_all_of_it(&mut self) -> Result<Option<String>, Diverged> {
        let Self::Echo { shown, blank, held } = std::mem::replace(self, Self::Open) else {
            return Ok(None);
        };
        let begin = begin_of(&shown, ECHO);
        let repeats = !begin.is_empty() && held.starts_with(begin);
        // Of a few letters nobody can tell whether they are handed back or said again.
        if repeats && begin.len() < OVERLAP_AT_LEAST {
            return Err(Diverged);
        }
        *self = match repeats {
            true => Self::Repeat {
                text: shown,
                blank,
                calls: VecDeque::new(),
            },
            false => Self::Blank(blank),
        };
        self.text(held)
    }

    /// Nothing more comes.
    pub(super) fn end(&self) -> Result<(), Diverged> {
        match self {
            Self::Repeat { text, calls, .. } if !text.is_empty() || !calls.is_empty() => Err(Diverged),
            _ => Ok(()),
        }
    }

    /// What is held, without what of it was shown before.
    fn decided(&mut self) -> String {
        let Self::Overlap { tail, held } = std::mem::replace(self, Self::Open) else {
            return String::new();
        };
        let longest = held.len().min(tail.len());
        let again = (OVERLAP_AT_LEAST..=longest)
            .rev()
            .find(|length| held.get(..*length).is_some_and(|begin| tail.ends_with(begin)));
        held.get(again.unwrap_or(0)..).unwrap_or_default().to_owned()
    }
}

/// At most so many bytes of the beginning of a text.
fn begin_of(text: &str, at_most: usize) -> &str {
    let mut end = text.len().min(at_most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Whether two calls ask for the same; ids differ from run to run.
fn is_same(one: &ToolCall, other: &ToolCall) -> bool {
    let read = |call: &ToolCall| serde_json::from_str::<Value>(&call.arguments);
    one.name == other.name
        && (one.arguments == other.arguments
            || matches!((read(one), read(other)), (Ok(one), Ok(other)) if one == other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(id: &str, arguments: &str) -> ToolCall {
        ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: arguments.into(),
        }
    }

    fn joined(mut joint: Joint, pieces: &[&str]) -> Result<String, Diverged> {
        let mut new = String::new();
        for piece in pieces {
            new.extend(joint.text((*piece).to_owned())?);
        }
        new.extend(joint.rest()?);
        joint.end()?;
        Ok(new)
    }

    fn repeat(text: &str) -> Joint {
        Joint::repeat(text, &[])
    }

    #[test]
    fn white_space_that_was_taken_off_is_not_said_twice() {
        let blank = |text: &str| Joint::Blank(text.to_owned());
        assert_eq!(joined(blank(" \n"), &[" ", "\nand", " so"]), Ok("and so".into()));
        assert_eq!(joined(blank(" "), &["  and"]), Ok(" and".into()));
        assert_eq!(joined(blank(" "), &["and", " so"]), Ok("and so".into()));
        assert_eq!(joined(blank("\n\n"), &["\n", "and\n"]), Ok("and\n".into()));
    }

    #[test]
    fn a_second_run_must_repeat_all_that_was_shown() {
        assert_eq!(
            joined(repeat("one two"), &["on", "e t", "wo thr", "ee"]),
            Ok(" three".into())
        );
        assert_eq!(joined(repeat("one two"), &["one two"]), Ok(String::new()));
        assert_eq!(joined(repeat("one two"), &["one", " too"]), Err(Diverged));
        assert_eq!(joined(repeat("one two"), &["one"]), Err(Diverged));
        assert_eq!(
            joined(repeat("\u{e9}\u{e8}"), &["\u{e9}", "\u{e8}!"]),
            Ok("!".into())
        );
    }

    #[test]
    fn a_server_that_hands_back_what_it_goes_on_from_is_understood_and_one_that_begins_anew_found_out() {
        let go_on = |pieces: &[&str]| joined(Joint::prefilled("The quick brown", " "), pieces);
        assert_eq!(go_on(&[" fox"]), Ok("fox".into()));
        assert_eq!(go_on(&["The", " fox"]), Ok("The fox".into()));
        assert_eq!(go_on(&["The qu", "ick brown", " fox"]), Ok("fox".into()));
        assert_eq!(go_on(&["The quick brown fox"]), Ok("fox".into()));
        assert_eq!(go_on(&["The"]), Ok("The".into()));
        assert_eq!(joined(Joint::prefilled("1", ""), &["2"]), Ok("2".into()));
        // Ten, or one hundred and ten? Nobody knows.
        assert_eq!(joined(Joint::prefilled("1", ""), &["10"]), Err(Diverged));
        let long = "The quick brown fox jumps over the lazy dog";
        let anew = ["The quick brown fox jumps over th", "e fence"];
        assert_eq!(joined(Joint::prefilled(long, ""), &anew), Err(Diverged));
    }

    #[test]
    fn calls_are_the_same_by_name_and_arguments() {
        let shown = || Joint::repeat("", &[call("1", r#"{"a": 1, "b": 2}"#)]);
        let mut joint = shown();
        assert_eq!(joint.end(), Err(Diverged));
        assert_eq!(joint.call(&call("2", r#"{"b":2,"a":1}"#)), Ok(false));
        assert_eq!(joint.call(&call("3", r#"{"b":2,"a":1}"#)), Ok(true));
        assert_eq!(joint.end(), Ok(()));
        assert_eq!(shown().call(&call("2", r#"{"b":3,"a":1}"#)), Err(Diverged));
        assert_eq!(repeat("x").call(&call("1", "{}")), Err(Diverged));
    }

    #[test]
    fn what_a_model_says_again_when_it_is_asked_to_go_on_is_left_out() {
        let go_on = |pieces: &[&str]| joined(Joint::overlap("The quick brown fox"), pieces);
        assert_eq!(go_on(&["quick bro", "wn fox jumps"]), Ok(" jumps".into()));
        assert_eq!(go_on(&[" jumps"]), Ok(" jumps".into()));
        // Too little to be sure.
        assert_eq!(go_on(&["fox fur"]), Ok("fox fur".into()));
        assert_eq!(go_on(&["The quick brown fox"]), Ok(String::new()));
    }

    proptest! {
        #[test]
        fn a_text_that_repeats_is_joined_wherever_it_is_cut(
            text in "\\PC{0,40}", shown in 0..40usize, cuts in prop::collection::vec(0..40usize, 0..6),
        ) {
            let at = |cut: usize| text.char_indices().map(|(at, _)| at).nth(cut).unwrap_or(text.len());
            let shown = &text[..at(shown)];
            let mut cuts: Vec<usize> = cuts.into_iter().map(at).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let new = joined(repeat(shown), &pieces).unwrap();
            prop_assert_eq!(format!("{shown}{new}"), text);
        }
    }
}
