//! The settings of agents as people write them.

use std::time::Duration;

use greenroom_agent_assistant::Assistant;
use greenroom_agent_extractor::Extractor;
use greenroom_agent_researcher::Researcher;
use greenroom_agent_summarizer::Summarizer;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// For how long a history of agents can be kept.
const MOST_DAYS: u32 = 365;

/// `[agent_history]`: what supervisors see of agents, and keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawAgentHistory {
    /// 0 keeps none.
    pub(crate) keep_days: u32,
}

impl Default for RawAgentHistory {
    fn default() -> Self {
        Self { keep_days: 7 }
    }
}

impl RawAgentHistory {
    /// For how long it is kept; none where it isn't.
    pub(super) fn keep(&self) -> Result<Option<Duration>, ConfigError> {
        match self.keep_days {
            0 => Ok(None),
            days @ 1..=MOST_DAYS => Ok(Some(Duration::from_secs(u64::from(days) * 86_400))),
            _ => {
                let why = format!("it must be at most {MOST_DAYS}, or 0 to keep none");
                Err(ConfigError::value("agent_history.keep_days", &why))
            }
        }
    }
}

/// `[assistant]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawAssistant {
    pub(crate) system_prompt: String,
    pub(crate) context_tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answer_tokens: Option<u32>,
}

impl Default for RawAssistant {
    fn default() -> Self {
        let Assistant {
            system_prompt,
            context_tokens,
            answer_tokens,
            ..
        } = Assistant::default();
        Self {
            system_prompt,
            context_tokens,
            answer_tokens,
        }
    }
}

/// `[summarizer]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawSummarizer {
    pub(crate) chunk_tokens: usize,
    pub(crate) at_once: usize,
}

impl Default for RawSummarizer {
    fn default() -> Self {
        let Summarizer {
            chunk_tokens,
            at_once,
        } = Summarizer::default();
        Self {
            chunk_tokens,
            at_once,
        }
    }
}

/// `[extractor]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawExtractor {
    pub(crate) answer_tokens: u32,
}

impl Default for RawExtractor {
    fn default() -> Self {
        let Extractor { answer_tokens } = Extractor::default();
        Self { answer_tokens }
    }
}

/// `[researcher]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawResearcher {
    pub(crate) agents: Vec<String>,
    pub(crate) max_parts: usize,
    pub(crate) context_tokens: usize,
}

impl Default for RawResearcher {
    fn default() -> Self {
        let Researcher {
            agents,
            max_parts,
            context_tokens,
        } = Researcher::default();
        Self {
            agents,
            max_parts,
            context_tokens,
        }
    }
}
