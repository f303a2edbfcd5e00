//! What a Claude takes, by its name, wherever it is served: the generations differ in what they refuse, and a name is
//! all there is to tell them by before a call.
//!
//! - Sampling: models after 4.6 refuse `temperature` and `top_p` (all but their defaults); from 4.1 on, one of the two
//!   goes, not both. <https://platform.claude.com/docs/en/about-claude/models/migration-guide>
//! - Thinking: a budget until 4.5, `adaptive` with an effort from 4.6 on, both at 4.6.
//!   <https://platform.claude.com/docs/en/build-with-claude/thinking>
//! - Levels of effort: <https://platform.claude.com/docs/en/build-with-claude/effort>
//!
//! - Schemas that answers are held to, and cache marks that live for an hour: from 4.5 on; cache marks at all: from 3.5.
//!   <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>,
//!   <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>
//!
//! A Claude without a version in its name is taken for the newest.

use greenroom_kernel::Effort;

/// How a model is asked to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinks {
    /// It doesn't.
    Never,
    /// Up to a number of tokens.
    ByBudget,
    /// As it sees fit, by a level of effort; up to a number of tokens too.
    ByBoth,
    /// As it sees fit, by a level of effort.
    ByEffort,
}

/// How a model is asked not to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Off {
    /// It doesn't think unless it is asked to.
    Unsaid,
    /// `disabled`.
    Disabled,
    /// `between_tools`: nothing but short notes between calls of tools.
    BetweenTools,
    /// It can't be asked: the least effort is the nearest.
    LeastEffort,
}

/// Which sampling settings a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// All that the wire has.
    All,
    /// One of temperature and nucleus.
    One,
    /// None.
    None,
}

/// What a Claude takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takes {
    /// While it isn't asked to think.
    pub sampling: Sampling,
    /// How it is asked to think.
    pub thinks: Thinks,
    /// How it is asked not to.
    pub off: Off,
    /// It knows a level between `high` and `max`.
    pub xhigh: bool,
    /// It thinks unless it is asked not to.
    pub by_default: bool,
    /// It continues an assistant's message.
    pub prefill: bool,
    /// It can be held to a JSON schema.
    pub schemas: bool,
    /// It takes cache marks.
    pub caches: bool,
    /// It takes them for an hour, and can be kept from asking for several tools at once on every wire.
    pub caches_for_an_hour: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Opus,
    Sonnet,
    Haiku,
    /// Fable and Mythos, and lines that nobody knows yet.
    Other,
}

/// Of a Claude without a version in its name. Version 4.5 is 405.
const NEWEST: u16 = u16::MAX;

impl Takes {
    /// By a model's name: Anthropic's, or one of the clouds' and routers', which put words before and behind it. None where
    /// it names no Claude.
    pub fn of(model: &str) -> Option<Self> {
        let name = model.to_ascii_lowercase();
        let at = name.find("claude")?;
        let (line, version) = parsed(&name[at..]);
        Some(Self {
            sampling: match version {
                ..=400 => Sampling::All,
                401..=406 => Sampling::One,
                _ => Sampling::None,
            },
            thinks: match version {
                ..=306 => Thinks::Never,
                307..=405 => Thinks::ByBudget,
                406 => Thinks::ByBoth,
                _ => Thinks::ByEffort,
            },
            off: match (line, version) {
                (Line::Opus | Line::Sonnet | Line::Haiku, ..=408) => Off::Unsaid,
                (Line::Opus | Line::Sonnet, 500) | (Line::Haiku, 500..=599) => Off::Disabled,
                (Line::Sonnet, 505) => Off::BetweenTools,
                (Line::Other, ..=406) => Off::Unsaid,
                _ => Off::LeastEffort,
            },
            xhigh: version >= 407 && !name.contains("mythos-preview"),
            by_default: version >= 500 || (line == Line::Other && version >= 407),
            prefill: version < 406,
            schemas: version >= 405,
            caches: version >= 305,
            caches_for_an_hour: version >= 405,
        })
    }
}

impl Takes {
    /// A level of effort as it is said; the nearest where the model knows fewer.
    pub const fn level(&self, effort: Effort) -> &'static str {
        match effort {
            Effort::Minimal | Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::XHigh if self.xhigh => "xhigh",
            Effort::High | Effort::XHigh => "high",
            Effort::Max => "max",
        }
    }
}

/// Fewest tokens that a model can be asked to think up to.
pub const LEAST_BUDGET: u32 = 1_024;

/// What a level of effort comes to, in tokens, for a model that only takes budgets.
pub const fn budget_of(effort: Effort) -> u32 {
    match effort {
        Effort::Minimal => LEAST_BUDGET,
        Effort::Low => 2_048,
        Effort::Medium => 8_192,
        Effort::High => 16_384,
        Effort::XHigh => 24_576,
        Effort::Max => 32_000,
    }
}

/// `claude-opus-4-5-20251101`, `claude-3-7-sonnet-latest`, `claude-4-opus-20250514`, `claude-opus-4.7`,
/// `claude-opus-4-6-v1:0`: the line, and the first two short numbers that stand together.
fn parsed(name: &str) -> (Line, u16) {
    let line = [
        ("opus", Line::Opus),
        ("sonnet", Line::Sonnet),
        ("haiku", Line::Haiku),
    ]
    .into_iter()
    .find_map(|(word, line)| name.contains(word).then_some(line))
    .unwrap_or(Line::Other);
    let number = |word: &&str| {
        let digits = (1..=2).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| word.parse::<u16>().ok()).flatten()
    };
    let words: Vec<&str> = name.split(['-', '.', '@', ':', '_']).collect();
    let version = words.iter().enumerate().find_map(|(at, word)| {
        let major = number(word)?;
        let minor = words.get(at + 1).and_then(number).unwrap_or(0);
        Some(major * 100 + minor)
    });
    (line, version.unwrap_or(NEWEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_wherever_the_name_has_it() {
        for (name, line, version) in [
            ("claude-3-7-sonnet-20250219", Line::Sonnet, 307),
            ("claude-3-opus-20240229", Line::Opus, 300),
            ("claude-opus-4-20250514", Line::Opus, 400),
            ("claude-4-opus-20250514", Line::Opus, 400),
            ("claude-opus-4-5-20251101", Line::Opus, 405),
            ("claude-opus-4@20250514", Line::Opus, 400),
            ("claude-haiku-4-5", Line::Haiku, 405),
            ("claude-sonnet-5", Line::Sonnet, 500),
            ("claude-fable-5-1", Line::Other, 501),
            ("claude-opus-4.7", Line::Opus, 407),
            ("claude-opus-4-6-v1:0", Line::Opus, 406),
            ("claude-2.1", Line::Other, 201),
            ("claude-mythos-preview", Line::Other, NEWEST),
        ] {
            assert_eq!(parsed(name), (line, version), "{name}");
        }
    }

    #[test]
    fn models_after_4_6_take_no_sampling_and_those_from_4_1_on_one_kind() {
        for (sampling, names) in [
            (
                Sampling::All,
                &["claude-3-haiku-20240307", "claude-sonnet-4-20250514"][..],
            ),
            (
                Sampling::One,
                &[
                    "claude-opus-4-1",
                    "claude-sonnet-4-5",
                    "claude-haiku-4-5-20251001",
                    "claude-opus-4-6",
                ],
            ),
            (
                Sampling::None,
                &[
                    "claude-opus-4-7",
                    "claude-opus-4-8",
                    "claude-sonnet-5",
                    "claude-haiku-5-5",
                    "claude-opus-5-5",
                    "claude-fable-5-2",
                    "claude-mythos-preview",
                    "anthropic/claude-opus-4.8",
                    "claude-latest",
                ],
            ),
        ] {
            for name in names {
                assert_eq!(Takes::of(name).unwrap().sampling, sampling, "{name}");
            }
        }
    }

    #[test]
    fn each_generation_is_asked_to_think_and_not_to_in_its_own_words() {
        for (name, thinks, off, by_default) in [
            ("claude-3-5-haiku-latest", Thinks::Never, Off::Unsaid, false),
            ("claude-3-7-sonnet-latest", Thinks::ByBudget, Off::Unsaid, false),
            ("claude-opus-4-5", Thinks::ByBudget, Off::Unsaid, false),
            ("claude-sonnet-4-6", Thinks::ByBoth, Off::Unsaid, false),
            ("claude-opus-4-8", Thinks::ByEffort, Off::Unsaid, false),
            ("claude-opus-5", Thinks::ByEffort, Off::Disabled, true),
            ("claude-sonnet-5", Thinks::ByEffort, Off::Disabled, true),
            ("claude-haiku-5-5", Thinks::ByEffort, Off::Disabled, true),
            ("claude-sonnet-5-5", Thinks::ByEffort, Off::BetweenTools, true),
            ("claude-opus-5-5", Thinks::ByEffort, Off::LeastEffort, true),
            ("claude-fable-5", Thinks::ByEffort, Off::LeastEffort, true),
            ("claude-mythos-preview", Thinks::ByEffort, Off::LeastEffort, true),
            ("claude-opus-7", Thinks::ByEffort, Off::LeastEffort, true),
        ] {
            let takes = Takes::of(name).unwrap();
            assert_eq!(
                (takes.thinks, takes.off, takes.by_default),
                (thinks, off, by_default),
                "{name}"
            );
        }
        let of = |name| Takes::of(name).unwrap();
        assert!(!of("claude-opus-4-6").xhigh);
        assert!(of("claude-opus-4-7").xhigh);
        assert!(!of("claude-mythos-preview").xhigh);
        assert!(!of("claude-sonnet-4-6").prefill);
        assert!(of("claude-sonnet-4").prefill);
        assert!(of("claude-opus-4-5").schemas && !of("claude-opus-4-1").schemas);
        assert!(of("claude-3-5-sonnet-20241022").caches && !of("claude-3-opus-20240229").caches);
        assert_eq!(Takes::of("glm-5"), None);
    }
}
