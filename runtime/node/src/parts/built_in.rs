//! The agents that come with the binary.

use std::sync::Arc;

use greenroom_agent_echo::Echo;
use greenroom_agent_sdk::{Agent, AgentHost};
use greenroom_kernel::Clock;

use crate::config::AgentSettings;

/// What they are called, as the banner lists them.
pub(crate) const NAMES: [&str; 5] = [
    greenroom_agent_assistant::NAME,
    greenroom_agent_summarizer::NAME,
    greenroom_agent_extractor::NAME,
    greenroom_agent_researcher::NAME,
    greenroom_agent_echo::NAME,
];

/// A host of those that are named, each once; others' names are nobody's.
pub(crate) fn host(settings: &AgentSettings, names: &[&str], clock: Arc<dyn Clock>) -> AgentHost {
    let all: [(&str, Arc<dyn Agent>); 5] = [
        (
            greenroom_agent_assistant::NAME,
            Arc::new(settings.assistant.clone()),
        ),
        (greenroom_agent_summarizer::NAME, Arc::new(settings.summarizer)),
        (greenroom_agent_extractor::NAME, Arc::new(settings.extractor)),
        (
            greenroom_agent_researcher::NAME,
            Arc::new(settings.researcher.clone()),
        ),
        (greenroom_agent_echo::NAME, Arc::new(Echo)),
    ];
    let asked = all.into_iter().filter(|(name, _)| names.contains(name));
    asked
        .fold(AgentHost::new(), |host, (_, agent)| host.agent(agent))
        .clock(clock)
}
