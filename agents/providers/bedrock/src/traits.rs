//! What a model's id tells of its ways: Converse is one interface, and its models are not alike.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>,
//! <https://docs.aws.amazon.com/nova/latest/userguide/concept-chapter-servicename.html>

use greenroom_provider_claude::{Sampling, Takes};

/// How a model is held to a JSON schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// It takes the schema.
    Schema,
    /// It is made to call a tool whose input has the schema.
    Tool,
}

/// How a model is asked to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    /// It can't be asked.
    Unasked,
    /// Claude, in its generation's words.
    Claude(Takes),
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
            "anthropic" => Takes::of(name).map_or(other, |takes| Self {
                prefill: Some(takes.prefill),
                form: if takes.schemas { Form::Schema } else { Form::Tool },
                thinking: Thinking::Claude(takes),
                sampling: takes.sampling,
                caches: takes.caches,
                caches_tools: takes.caches,
                caches_for_an_hour: takes.caches_for_an_hour,
                one_tool_at_a_time: takes.caches_for_an_hour,
                ..other
            }),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claude_s_ways_go_by_its_version_wherever_it_is_served() {
        for (id, name, form, hour) in [
            ("anthropic.claude-v2:1", "claude-v2:1", Form::Tool, false),
            (
                "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
                "claude-3-7-sonnet",
                Form::Tool,
                false,
            ),
            (
                "global.anthropic.claude-haiku-4-5-20251001-v1:0",
                "claude-haiku-4-5",
                Form::Schema,
                true,
            ),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-5",
                "claude-opus-5",
                Form::Schema,
                true,
            ),
        ] {
            let traits = Traits::of(id);
            let takes = Takes::of(name).unwrap();
            assert_eq!(traits.maker, "anthropic", "{id}");
            assert_eq!(
                (traits.form, traits.thinking),
                (form, Thinking::Claude(takes)),
                "{id}"
            );
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
