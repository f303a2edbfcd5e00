//! What a call asks, in whichever words.

use std::io;
use std::sync::Arc;

use greenroom_kernel::{
    Allows, EmbeddingInput, EmbeddingRequest, FaultClass, ModelRequest, ProviderFault, Resumed, Shown,
    Unreadable, Usage, WireCall, WireFamily, Wish,
};

use crate::capability::Needs;
use crate::estimate;

/// How many tokens an answer without a bound may take, as budgets hold it.
const UNBOUNDED_ANSWER: u32 = 4_096;

/// A call's request.
#[derive(Clone)]
pub(crate) enum Asked {
    /// In the kernel's words.
    Spoken(Arc<ModelRequest>),
    /// In a wire family's.
    Wire(WireCall),
    /// Vectors, in the kernel's words.
    Vectors(Arc<EmbeddingRequest>),
}

impl Asked {
    /// The wish, read if need be.
    pub(crate) fn wish(&self) -> Result<Wish, Unreadable> {
        match self {
            Self::Spoken(request) => Ok(Wish::Answer(Arc::clone(request))),
            Self::Wire(call) => call.readable.wish(),
            Self::Vectors(request) => Ok(Wish::Embeddings(Arc::clone(request))),
        }
    }

    /// The wish for a provider that can't take the request as it is.
    pub(crate) fn wish_for(&self, provider: &str) -> Result<Wish, ProviderFault> {
        self.wish()
            .map_err(|wrong| ProviderFault::new(provider, FaultClass::BadRequest, wrong.message))
    }

    /// Who goes on with a relayed stream.
    pub(crate) fn resumed(&self, shown: &Shown) -> Option<Box<dyn Resumed>> {
        match self {
            Self::Spoken(_) | Self::Vectors(_) => None,
            Self::Wire(call) => call.readable.resumed(shown),
        }
    }

    /// Whether vectors are asked for, as far as that shows without reading it.
    pub(crate) fn embeds(&self) -> bool {
        match self {
            Self::Spoken(_) => false,
            Self::Wire(call) => call.raw.family == WireFamily::OpenAiEmbeddings,
            Self::Vectors(_) => true,
        }
    }

    /// What it needs of a model; none where nobody can read it.
    pub(crate) fn needs(&self) -> Option<Needs> {
        let needs = match self.wish().ok()? {
            Wish::Answer(request) => Needs::of(&request),
            Wish::Embeddings(request) => Needs::of_embeddings(&request),
        };
        Some(match self {
            Self::Spoken(_) | Self::Vectors(_) => needs,
            Self::Wire(call) => Needs {
                streaming: call.raw.stream,
                ..needs
            },
        })
    }

    /// The tokens of the request, about, without reading it.
    pub(crate) fn about(&self) -> u64 {
        match self {
            Self::Spoken(request) => estimate::input(request),
            Self::Wire(call) => estimate::of_bytes(call.raw.before.len() + call.raw.after.len()),
            Self::Vectors(request) => estimate::embedded(request),
        }
    }

    /// Whether the answer is to be told as it comes.
    pub(crate) fn is_streamed(&self) -> bool {
        match self {
            Self::Spoken(_) => true,
            Self::Wire(call) => call.raw.stream,
            Self::Vectors(_) => false,
        }
    }

    /// The logical name that is asked for.
    pub(crate) fn logical(&self) -> Option<&str> {
        match self {
            Self::Spoken(request) => request.model.as_deref(),
            Self::Wire(call) => call.model.as_deref(),
            Self::Vectors(request) => request.model.as_deref(),
        }
    }

    /// What is asked, as text, cut where it is longer than so many bytes.
    pub(crate) fn shown(&self, at_most: usize) -> String {
        let mut text = match self {
            Self::Spoken(request) => {
                let mut shown = Cut {
                    bytes: Vec::new(),
                    at_most,
                };
                // It ends with an error where it is cut.
                let _ = serde_json::to_writer(&mut shown, &**request);
                String::from_utf8_lossy(&shown.bytes).into_owned()
            }
            Self::Vectors(request) => {
                let texts = request.inputs.iter().filter_map(|input| match input {
                    EmbeddingInput::Text(text) => Some(text.as_str()),
                    EmbeddingInput::Tokens(_) => None,
                });
                texts.collect::<Vec<_>>().join("\n")
            }
            Self::Wire(call) => {
                let raw = &call.raw;
                let parts = [&raw.before, &raw.model, &raw.after].map(|part| {
                    let shown = part.get(..at_most).unwrap_or(part);
                    String::from_utf8_lossy(shown).into_owned()
                });
                parts.concat()
            }
        };
        text.truncate(text.floor_char_boundary(at_most));
        text
    }

    /// What it may come to at most, as far as that can be told before it is answered.
    pub(crate) fn likely(&self) -> Usage {
        let needs = self.needs();
        let embeds = needs.map_or(self.embeds(), |needs| needs.embeddings);
        let allows = match self {
            Self::Wire(call) => call.raw.allows,
            Self::Spoken(_) | Self::Vectors(_) => Allows::default(),
        };
        let answer = needs
            .and_then(|needs| needs.max_tokens)
            .or(allows.tokens)
            .unwrap_or(UNBOUNDED_ANSWER);
        let answers = allows.answers.unwrap_or(1).max(1);
        Usage {
            input_tokens: needs.map_or_else(|| self.about(), |needs| needs.input_tokens),
            output_tokens: if embeds {
                0
            } else {
                u64::from(answer) * u64::from(answers)
            },
            estimated: true,
            ..Usage::default()
        }
    }

    /// The tokens of the request, as estimated; of one that nobody can read, by its size.
    pub(crate) fn input(&self) -> u64 {
        match self.wish() {
            Ok(Wish::Answer(request)) => estimate::input(&request),
            Ok(Wish::Embeddings(request)) => estimate::embedded(&request),
            Err(_) => self.about(),
        }
    }
}

/// Bytes up to a bound: whoever writes more of them is told to stop. A request may be a hundred times as long as what is
/// shown of it.
struct Cut {
    bytes: Vec<u8>,
    at_most: usize,
}

impl io::Write for Cut {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let room = self.at_most.saturating_sub(self.bytes.len());
        let more = more.get(..room).unwrap_or(more);
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use greenroom_kernel::{RawRequest, Readable};

    use super::*;

    /// Asks for what has no words elsewhere, such as several answers or probabilities.
    struct Strange;

    impl Readable for Strange {
        fn wish(&self) -> Result<Wish, Unreadable> {
            Err(Unreadable::new("it has no words here"))
        }
    }

    #[test]
    fn a_request_that_nobody_can_read_is_held_for_all_that_it_lets_be_answered() {
        let likely = |tokens, answers| {
            let raw = RawRequest {
                family: WireFamily::OpenAiChat,
                before: Bytes::from_static(b"{\"x\": 12}"),
                model: Bytes::new(),
                after: Bytes::new(),
                stream: false,
                headers: http::HeaderMap::new(),
                allows: Allows { tokens, answers },
            };
            let asked = Asked::Wire(WireCall {
                model: None,
                raw,
                readable: Arc::new(Strange),
            });
            let Usage {
                input_tokens,
                output_tokens,
                ..
            } = asked.likely();
            assert_eq!(input_tokens, 3);
            output_tokens
        };
        assert_eq!(likely(None, None), 4_096);
        assert_eq!(likely(None, Some(5)), 5 * 4_096);
        assert_eq!(likely(Some(100_000), None), 100_000);
        assert_eq!(likely(Some(7), Some(0)), 7);
        assert_eq!(likely(Some(u32::MAX), Some(u32::MAX)), u64::from(u32::MAX).pow(2));
    }

    #[test]
    fn what_is_shown_of_a_long_request_is_cut_while_it_is_written() {
        let request = ModelRequest {
            messages: vec![greenroom_kernel::ModelMessage::text(
                greenroom_kernel::ModelRole::User,
                "\u{e9}".repeat(1_000),
            )],
            ..ModelRequest::default()
        };
        let whole = serde_json::to_string(&request).unwrap();
        let asked = Asked::Spoken(Arc::new(request));
        assert_eq!(asked.shown(usize::MAX), whole);
        for at_most in [0, 1, 100, 101] {
            let shown = asked.shown(at_most);
            assert!(shown.len() + 2 >= at_most && shown.len() <= at_most, "{at_most}");
            assert!(whole.starts_with(&shown), "{shown}");
        }
    }
}
