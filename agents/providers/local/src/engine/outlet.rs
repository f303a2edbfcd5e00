//! Parts an answer into what is shown and the tool call that is not.

use greenroom_kernel::ToolCall;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::{Assembler, Piece};

/// Begins a tool call.
pub(crate) const CALL_START: &str = "<tool_call>";
/// Ends a tool call.
pub(crate) const CALL_END: &str = "</tool_call>";

/// Where in an answer a tool call may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallsAt {
    /// Nowhere.
    Nowhere,
    /// At the very beginning: the answer is a call or none.
    Start,
    /// Anywhere: text may come before.
    Anywhere,
}

/// Takes the bytes of an answer, tells its text.
#[derive(Debug)]
pub(crate) struct Outlet {
    text: Assembler,
    calls: CallsAt,
    /// Bytes that may turn out to begin a call.
    held: Vec<u8>,
    /// The call's bytes after its mark, once it has begun.
    call: Option<Vec<u8>>,
}

/// What an answer ended with.
#[derive(Debug, PartialEq)]
pub(crate) struct Ending {
    /// The rest of the text.
    pub(crate) text: String,
    /// The call.
    pub(crate) call: Option<ToolCall>,
}

impl Outlet {
    /// For one answer; its text ends at the first of `stops`.
    pub(crate) fn new(stops: &[String], calls: CallsAt) -> Self {
        Self {
            text: Assembler::new(stops),
            calls,
            held: Vec::new(),
            call: None,
        }
    }

    /// Whether a tool call is being written.
    pub(crate) fn in_call(&self) -> bool {
        self.call.is_some()
    }

    /// Takes the bytes of one token.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Piece {
        if let Some(call) = &mut self.call {
            call.extend_from_slice(bytes);
            return Piece::default();
        }
        if self.calls == CallsAt::Nowhere {
            return self.text.push(bytes);
        }
        self.held.extend_from_slice(bytes);
        if let Some(at) = position(&self.held, CALL_START.as_bytes())
            && (at == 0 || self.calls == CallsAt::Anywhere)
        {
            let call = self.held.split_off(at + CALL_START.len());
            let before = self.held[..at].trim_ascii_end().to_vec();
            self.held.clear();
            let piece = self.text.push(&before);
            if !piece.stopped {
                self.call = Some(call);
            }
            return piece;
        }
        let may_begin = match self.calls {
            CallsAt::Start if CALL_START.as_bytes().starts_with(&self.held) => self.held.len(),
            CallsAt::Anywhere => possible_call(&self.held),
            CallsAt::Start | CallsAt::Nowhere => {
                self.calls = CallsAt::Nowhere;
                0
            }
        };
        let rest = self.held.split_off(self.held.len() - may_begin);
        let text = std::mem::replace(&mut self.held, rest);
        self.text.push(&text)
    }

    /// The end. Of an answer that was `cut`, a call that had begun is dropped; what only looked like one is text.
    pub(crate) fn finish(mut self, cut: bool) -> Ending {
        let mut text = String::new();
        match self.call.take() {
            Some(_) if cut => {}
            Some(said) => match read_call(&said) {
                Some(call) => {
                    return Ending {
                        text: self.text.finish(),
                        call: Some(call),
                    };
                }
                None => {
                    self.held = CALL_START.as_bytes().to_vec();
                    self.held.extend(said);
                }
            },
            None if cut && self.calls == CallsAt::Start => self.held.clear(),
            None => {}
        }
        let piece = self.text.push(&self.held);
        text.push_str(&piece.text);
        if !piece.stopped {
            text.push_str(&self.text.finish());
        }
        Ending { text, call: None }
    }
}

/// A call as the model writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    name: String,
    arguments: Box<RawValue>,
}

fn read_call(said: &[u8]) -> Option<ToolCall> {
    let said = std::str::from_utf8(said).ok()?.trim().strip_suffix(CALL_END)?;
    let Said { name, arguments } = serde_json::from_str(said).ok()?;
    Some(ToolCall {
        id: format!("call_{:016x}", StdRng::from_os_rng().random::<u64>()),
        name,
        arguments: arguments.get().to_owned(),
    })
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The length of the longest end of `bytes` that white space and the beginning of a call's mark could be.
fn possible_call(bytes: &[u8]) -> usize {
    let mark = CALL_START.as_bytes();
    let begun = (1..mark.len())
        .rev()
        .find(|length| bytes.ends_with(&mark[..*length]))
        .unwrap_or(0);
    let before = &bytes[..bytes.len() - begun];
    begun + before.len() - before.trim_ascii_end().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str =
        "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Zürich\"}}\n</tool_call>";

    fn told(calls: CallsAt, text: &str, size: usize, cut: bool) -> (String, Option<(String, String)>) {
        let mut outlet = Outlet::new(&["STOP".to_owned()], calls);
        let mut shown = String::new();
        for bytes in text.as_bytes().chunks(size) {
            let piece = outlet.push(bytes);
            shown.push_str(&piece.text);
            if piece.stopped {
                return (shown, None);
            }
        }
        let ending = outlet.finish(cut);
        shown.push_str(&ending.text);
        (shown, ending.call.map(|call| (call.name, call.arguments)))
    }

    #[test]
    fn a_call_is_told_whole_and_never_as_text_however_it_is_cut_into_tokens() {
        let call = Some(("weather".to_owned(), "{\"city\": \"Zürich\"}".to_owned()));
        for size in 1..CALL.len() {
            assert_eq!(
                told(CallsAt::Start, CALL, size, false),
                (String::new(), call.clone())
            );
            let after_text = format!("Let me look. <\n {CALL}");
            let (text, said) = told(CallsAt::Anywhere, &after_text, size, false);
            assert_eq!(
                (text.as_str(), said),
                ("Let me look. <", call.clone()),
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn text_is_told_as_it_comes_and_whole() {
        let text = "a <b> <tool_cal \n <tool_ca <tool_cal";
        for size in 1..text.len() {
            for calls in [CallsAt::Nowhere, CallsAt::Start, CallsAt::Anywhere] {
                assert_eq!(
                    told(calls, text, size, false),
                    (text.to_owned(), None),
                    "in pieces of {size}"
                );
            }
        }
        let mut outlet = Outlet::new(&[], CallsAt::Anywhere);
        assert_eq!(outlet.push(b"Hello").text, "Hello");
        assert_eq!(outlet.push(b" <tool").text, "");
        assert_eq!(outlet.push(b"s> ").text, " <tools>");
    }

    #[test]
    fn a_call_that_was_cut_or_is_none_is_not_told_as_one() {
        let (cut, _) = CALL.split_at(CALL.len() - 1);
        assert_eq!(told(CallsAt::Anywhere, cut, 3, true), (String::new(), None));
        assert_eq!(told(CallsAt::Start, cut, 3, false), (cut.to_owned(), None));
        assert_eq!(told(CallsAt::Start, "<tool", 3, true), (String::new(), None));
        assert_eq!(
            told(CallsAt::Anywhere, "<tool", 3, true),
            ("<tool".to_owned(), None)
        );
        assert_eq!(told(CallsAt::Nowhere, CALL, 3, false), (CALL.to_owned(), None));
        let quoted = format!("[\"{CALL}\"]");
        assert_eq!(told(CallsAt::Start, &quoted, 3, false), (quoted.clone(), None));
    }

    #[test]
    fn a_stop_text_before_a_call_ends_the_answer_there() {
        let text = format!("no STOP {CALL}");
        for size in 1..text.len() {
            assert_eq!(
                told(CallsAt::Anywhere, &text, size, false),
                ("no ".to_owned(), None)
            );
        }
    }
}
