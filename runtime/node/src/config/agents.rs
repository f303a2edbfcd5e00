//! The settings of this process's agents, checked.

use greenroom_agent_assistant::Assistant;
use greenroom_agent_extractor::Extractor;
use greenroom_agent_researcher::{MOST_AGENTS, MOST_PARTS, NAME as RESEARCHER, Researcher};
use greenroom_agent_summarizer::Summarizer;
use greenroom_kernel::AgentName;

use super::raw::Raw;
use super::{ConfigError, positive};

/// One agent each.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct AgentSettings {
    pub(crate) assistant: Assistant,
    pub(crate) summarizer: Summarizer,
    pub(crate) extractor: Extractor,
    pub(crate) researcher: Researcher,
}

impl AgentSettings {
    pub(super) fn of(raw: &Raw) -> Result<Self, ConfigError> {
        positive("summarizer.chunk_tokens", raw.summarizer.chunk_tokens as u64)?;
        positive("summarizer.at_once", raw.summarizer.at_once as u64)?;
        positive("extractor.answer_tokens", raw.extractor.answer_tokens.into())?;
        Ok(Self {
            assistant: Assistant {
                system_prompt: raw.assistant.system_prompt.clone(),
                context_tokens: raw.assistant.context_tokens,
                answer_tokens: raw.assistant.answer_tokens,
            },
            summarizer: Summarizer {
                chunk_tokens: raw.summarizer.chunk_tokens,
                at_once: raw.summarizer.at_once,
            },
            extractor: Extractor {
                answer_tokens: raw.extractor.answer_tokens,
            },
            researcher: researcher(raw)?,
        })
    }
}

fn researcher(raw: &Raw) -> Result<Researcher, ConfigError> {
    let set = &raw.researcher;
    let wrong = |key: &str, why: &str| Err(ConfigError::value(&format!("researcher.{key}"), why));
    if !(1..=MOST_AGENTS).contains(&set.agents.len()) {
        return wrong("agents", &format!("it must name 1 to {MOST_AGENTS} agents"));
    }
    for name in &set.agents {
        if AgentName::parse(name).is_err() {
            return wrong(
                "agents",
                &format!("`{name}` is no agent's name, which matches [A-Za-z0-9_-]{{1,64}}"),
            );
        }
        if name == RESEARCHER {
            return wrong("agents", "the researcher would ask itself for ever");
        }
    }
    if !(1..=MOST_PARTS).contains(&set.max_parts) {
        return wrong("max_parts", &format!("it must lie between 1 and {MOST_PARTS}"));
    }
    Ok(Researcher {
        agents: set.agents.clone(),
        max_parts: set.max_parts,
        context_tokens: set.context_tokens,
    })
}
