//! The agents that this process hosts.

use std::sync::Arc;
use std::time::Duration;

use greenroom_agent_echo::Echo;
use greenroom_agent_sdk::AgentHost;
use greenroom_kernel::Clock;

use crate::config::AgentSettings;

/// What they are called, as the banner lists them.
pub(super) const NAMES: [&str; 5] = [
    greenroom_agent_assistant::NAME,
    greenroom_agent_summarizer::NAME,
    greenroom_agent_extractor::NAME,
    greenroom_agent_researcher::NAME,
    greenroom_agent_echo::NAME,
];

/// The host of them all.
pub(super) fn host(settings: &AgentSettings, clock: Arc<dyn Clock>) -> AgentHost {
    AgentHost::new()
        .agent(Arc::new(settings.assistant.clone()))
        .agent(Arc::new(settings.summarizer))
        .agent(Arc::new(settings.extractor))
        .agent(Arc::new(settings.researcher.clone()))
        .agent(Arc::new(Echo))
        .clock(clock)
        // By then the orchestrator has left them.
        .drain(Duration::from_millis(500))
        .grace(Duration::from_millis(500))
}
