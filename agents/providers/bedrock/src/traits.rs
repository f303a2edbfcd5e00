//! What a model's id tells of its ways: Converse is one interface, and its models are not alike.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>,
//! <https://docs.aws.amazon.com/nova/latest/userguide/concept-chapter-servicename.html>

/// How a model is held to a JSON schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// It takes the schema.
    Schema,
    /// It is made to call a tool whose input has the schema.
    Tool,
}

/// Which sampling settings a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sampling {
    /// All that the interface has.
    All,
    /// One of temperature and nucleus.
    One,
    /// None.
    None,
}

/// How a model is asked to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    /// It can't be asked.
    Unasked,
    /// Claude, with a number of tokens; unasked it doesn't think.
    Budget,
    /// Claude, as it sees fit, by effort.
    Adaptive {
        /// What keeps it from thinking: a `type`; none where nothing need or can be said.
        off: Option<&'static str>,
        /// It can't be kept from thinking.
        always: bool,
        /// It knows the effort `xhigh`.
        xhigh: bool,
    },
    /// Nova 2.
    Nova,
    /// OpenAI's open models.
    Effort,
}

/// A model's ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traits<'a> {
    /// Who made it, as far as the id tells: `anthropic`, `amazon`. What one maker's model sealed, another's can't read.
    pub(crate) maker: &'a str,
    /// It goes on from an assistant's message; none where that isn't known.
    pub(crate) prefill: Option<bool>,
    pub(crate) form: Form,
    pub(crate) thinking: Thinking,
    /// While it isn't asked to think.
    pub(crate) sampling: Sampling,
    /// It takes cache points in instructions and messages.
    pub(crate) caches: bool,
    /// It takes them behind tools.
    pub(crate) caches_tools: bool,
    /// It takes them for an hour.
    pub(crate) caches_for_an_hour: bool,
    /// It can be kept from asking for several tools at once, in Claude's words.
    pub(crate) one_tool_at_a_time: bool,
}

/// Beginnings of ids of inference profiles: where a call may be served.
const PLACES: [&str; 14] = [
    "us", "us-gov", "eu", "apac", "ap", "jp", "au", "ca", "global", "sa", "mx", "in", "il", "uk",
];

impl<'a> Traits<'a> {
    /// Reads an id of a model or of an inference profile, or an ARN that ends with one.
    pub(crate) fn of(model: &'a str) -> Self {
        let id = model.rsplit('/').next().unwrap_or(model);
        let id = match id.split_once('.') {
            Some((place, rest)) if PLACES.contains(&place) => rest,
            _ => id,
        };
        let (maker, name) = id.split_once('.').unwrap_or(("", id));
        let other = Self {
            maker,
            prefill: None,
            form: Form::Schema,
            thinking: Thinking::Unasked,
            sampling: Sampling::All,
            caches: false,
            caches_tools: false,
            caches_for_an_hour: false,
            one_tool_at_a_time: false,
        };
        match maker {
            "anthropic" => {
                let version = version(name);
                Self {
                    prefill: Some(version < (4, 6)),
                    form: if version < (4, 5) {
                        Form::Tool
                    } else {
                        Form::Schema
                    },
                    thinking: claude_thinks(name, version),
                    sampling: match version {
                        (..4, _) | (4, 0) => Sampling::All,
                        (4, ..=6) => Sampling::One,
                        _ => Sampling::None,
                    },
                    caches: version >= (3, 5),
                    caches_tools: version >= (3, 5),
                    caches_for_an_hour: version >= (4, 5),
                    one_tool_at_a_time: version >= (4, 5),
                    ..other
                }
            }
            "amazon" if name.starts_with("nova-") => Self {
                form: Form::Tool,
                thinking: match name.starts_with("nova-2-") {
                    true => Thinking::Nova,
                    false => Thinking::Unasked,
                },
                caches: true,
                ..other
            },
            "openai" => Self {
                thinking: Thinking::Effort,
                ..other
            },
            _ => other,
        }
    }
}

fn claude_thinks(name: &str, version: (u32, u32)) -> Thinking {
    let is = |kind: &str| name.split('-').any(|part| part == kind);
    if version < (3, 7) {
        return Thinking::Unasked;
    }
    if version < (4, 6) {
        return Thinking::Budget;
    }
    let always = is("fable") || is("mythos") || is("opus") && version >= (5, 5);
    let off = match version {
        _ if always => None,
        (..5, _) => None,
        (5, 5..) if is("sonnet") => Some("between_tools"),
        _ => Some("disabled"),
    };
    Thinking::Adaptive {
        off,
        always,
        xhigh: version >= (4, 7),
    }
}

/// A Claude model's version: the first short number of its name and the one behind it.
fn version(name: &str) -> (u32, u32) {
    let short = |part: &str| (part.len() <= 2).then(|| part.parse::<u32>().ok()).flatten();
    let mut parts = name.split('-').skip_while(|part| short(part).is_none());
    let major = parts.next().and_then(short).unwrap_or(0);
    (major, parts.next().and_then(short).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adaptive(off: Option<&'static str>, always: bool, xhigh: bool) -> Thinking {
        Thinking::Adaptive { off, always, xhigh }
    }

    #[test]
    fn claude_s_ways_go_by_its_version_wherever_it_is_served() {
        for (id, form, thinking, hour) in [
            ("anthropic.claude-v2:1", Form::Tool, Thinking::Unasked, false),
            (
                "anthropic.claude-3-5-sonnet-20241022-v2:0",
                Form::Tool,
                Thinking::Unasked,
                false,
            ),
            (
                "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
                Form::Tool,
                Thinking::Budget,
                false,
            ),
            (
                "anthropic.claude-sonnet-4-20250514-v1:0",
                Form::Tool,
                Thinking::Budget,
                false,
            ),
            (
                "us.anthropic.claude-opus-4-1-20250805-v1:0",
                Form::Tool,
                Thinking::Budget,
                false,
            ),
            (
                "global.anthropic.claude-haiku-4-5-20251001-v1:0",
                Form::Schema,
                Thinking::Budget,
                true,
            ),
            (
                "anthropic.claude-opus-4-6-v1",
                Form::Schema,
                adaptive(None, false, false),
                true,
            ),
            (
                "eu.anthropic.claude-opus-4-7",
                Form::Schema,
                adaptive(None, false, true),
                true,
            ),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-5",
                Form::Schema,
                adaptive(Some("disabled"), false, true),
                true,
            ),
            (
                "anthropic.claude-sonnet-5-5",
                Form::Schema,
                adaptive(Some("between_tools"), false, true),
                true,
            ),
            (
                "us.anthropic.claude-opus-5-5",
                Form::Schema,
                adaptive(None, true, true),
                true,
            ),
            (
                "anthropic.claude-fable-5",
                Form::Schema,
                adaptive(None, true, true),
                true,
            ),
        ] {
            let traits = Traits::of(id);
            assert_eq!(traits.maker, "anthropic", "{id}");
            assert_eq!((traits.form, traits.thinking), (form, thinking), "{id}");
            assert_eq!(traits.caches_for_an_hour, hour, "{id}");
        }
    }

    #[test]
    fn other_makers_have_ways_of_their_own() {
        let nova = Traits::of("eu.amazon.nova-2-lite-v1:0");
        assert_eq!((nova.form, nova.thinking), (Form::Tool, Thinking::Nova));
        assert!(nova.caches && !nova.caches_tools && !nova.caches_for_an_hour);
        assert_eq!(Traits::of("amazon.nova-lite-v1:0").thinking, Thinking::Unasked);
        assert_eq!(Traits::of("openai.gpt-oss-20b-1:0").thinking, Thinking::Effort);
        let llama = Traits::of("us.meta.llama3-3-70b-instruct-v1:0");
        assert_eq!((llama.maker, llama.form), ("meta", Form::Schema));
        assert!(!llama.caches);
        assert_eq!(Traits::of("a1b2c3").maker, "");
    }

    proptest::proptest! {
        #[test]
        fn no_id_breaks_it(id in "[a-z0-9.:/é-]{0,40}") {
            let _ = Traits::of(&id);
        }
    }
}
