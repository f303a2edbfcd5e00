//! The course of one try: admitted, dispatched, opened, flowing, settled or failed. Pure; it decides which deadline
//! runs and where the commit point is.

use std::time::Duration;

use greenroom_kernel::{ModelEvent, RelaySign};

use crate::deadlines::Deadlines;

/// Where a try is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It has its slot and its permit.
    Admitted,
    /// The backend is asked.
    Dispatched,
    /// The backend has yielded its stream.
    Opened,
    /// The model gives signs. `content` says whether the commit point is passed: text came that the caller sees.
    Flowing { content: bool },
    /// The answer is whole.
    Settled,
    /// It failed.
    Failed,
}

impl Phase {
    /// Which deadline runs, and what its passing means in words.
    pub(crate) fn deadline(self, deadlines: &Deadlines) -> Option<(Duration, &'static str)> {
        match self {
            Self::Dispatched => Some((deadlines.connect, "it did not begin to answer")),
            Self::Opened => Some((deadlines.first_token, "no first token came")),
            Self::Flowing { .. } => Some((deadlines.between_tokens, "the answer stalled: no token came")),
            Self::Admitted | Self::Settled | Self::Failed => None,
        }
    }

    /// After an event of the stream. Only text is content: what comes before it can still be hidden by a failover.
    pub(crate) fn after(self, event: &ModelEvent) -> Self {
        let committed = self == Self::Flowing { content: true };
        match event {
            ModelEvent::End { .. } => Self::Settled,
            ModelEvent::Content(text) => Self::Flowing {
                content: committed || !text.is_empty(),
            },
            ModelEvent::Quota(_) | ModelEvent::Used(_) => self,
            ModelEvent::ToolCall(_)
            | ModelEvent::Thinking(_)
            | ModelEvent::Reasoned(_)
            | ModelEvent::Progress => Self::Flowing { content: committed },
        }
    }

    /// After a frame of a relayed stream. All that its reader sees is content: none of it can be taken back.
    pub(crate) fn after_frame(self, sign: &RelaySign) -> Self {
        match sign {
            RelaySign::Lifecycle | RelaySign::Used(_) => self,
            RelaySign::Content { .. } => Self::Flowing { content: true },
            RelaySign::Finished(_) => match self {
                Self::Flowing { .. } => self,
                _ => Self::Flowing { content: false },
            },
            RelaySign::End { .. } => Self::Settled,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Dispatched => "dispatched",
            Self::Opened => "opened",
            Self::Flowing { content: false } => "working",
            Self::Flowing { content: true } => "first_content",
            Self::Settled => "settled",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_kernel::{FinishReason, ToolCall};

    use super::*;

    #[test]
    fn only_text_passes_the_commit_point_and_it_stays_passed() {
        let call = ModelEvent::ToolCall(ToolCall {
            id: "1".into(),
            name: "f".into(),
            arguments: "{}".into(),
        });
        let mut phase = Phase::Opened;
        for event in [
            ModelEvent::Progress,
            call.clone(),
            ModelEvent::Content(String::new()),
        ] {
            phase = phase.after(&event);
            assert_eq!(phase, Phase::Flowing { content: false });
        }
        for event in [ModelEvent::Content("x".into()), ModelEvent::Progress, call] {
            phase = phase.after(&event);
            assert_eq!(phase, Phase::Flowing { content: true });
        }
        let end = ModelEvent::End {
            finish: FinishReason::Stop,
            usage: None,
        };
        assert_eq!(phase.after(&end), Phase::Settled);
    }

    #[test]
    fn each_phase_runs_against_its_own_deadline() {
        let deadlines = Deadlines {
            connect: Duration::from_secs(1),
            whole: Duration::from_secs(5),
            first_token: Duration::from_secs(2),
            between_tokens: Duration::from_secs(3),
            total: Duration::from_secs(4),
            tokens_per_second: None,
        };
        let seconds = |phase: Phase| phase.deadline(&deadlines).map(|(d, _)| d.as_secs());
        assert_eq!(seconds(Phase::Admitted), None);
        assert_eq!(seconds(Phase::Dispatched), Some(1));
        assert_eq!(seconds(Phase::Opened), Some(2));
        assert_eq!(seconds(Phase::Flowing { content: true }), Some(3));
        assert_eq!(seconds(Phase::Settled), None);
    }
}
