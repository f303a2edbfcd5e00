//! Asking a model whose window nobody here knows: what its answer tells of it, and patience where it is busy.

use std::time::Duration;

use greenroom_agent_sdk::{AgentError, Context, ErrorCode, FinishReason, ModelAnswer};

/// How often a step that may succeed later is tried again.
const PATIENCE: u32 = 3;

/// What came of asking a model.
pub(super) enum Asked {
    Answered(ModelAnswer),
    /// The text was too long for it; how it said so.
    TooLong(Said),
}

pub(super) enum Said {
    Refused(AgentError),
    /// It had no room to finish: better than nothing.
    Cut(ModelAnswer),
}

impl Said {
    pub(super) fn for_want_of_better(self) -> Result<ModelAnswer, AgentError> {
        match self {
            Self::Refused(error) => Err(error),
            Self::Cut(answer) => Ok(answer),
        }
    }
}

/// `least`: an answer cut below so many tokens was cut because the window was full.
pub(super) fn asked(answer: Result<ModelAnswer, AgentError>, least: u64) -> Result<Asked, AgentError> {
    match answer {
        Ok(answer) => {
            let written = answer.usage.output_tokens + answer.usage.reasoning_tokens;
            let full = answer.finish == FinishReason::Length && written < least;
            Ok(if full {
                Asked::TooLong(Said::Cut(answer))
            } else {
                Asked::Answered(answer)
            })
        }
        // Most likely too long for this model, whose window nobody here knows.
        Err(error) if error.code() == ErrorCode::BadUserInput => Ok(Asked::TooLong(Said::Refused(error))),
        Err(error) => Err(error),
    }
}

/// Asks again, after a while, where a provider had too much to do or failed: hundreds of summaries are not lost for
/// one.
pub(super) async fn patiently<F>(ctx: &Context, ask: impl Fn() -> F) -> Result<ModelAnswer, AgentError>
where
    F: Future<Output = Result<ModelAnswer, AgentError>>,
{
    let mut tries = 0;
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let passing = matches!(
            error.code(),
            ErrorCode::ResourceExhausted | ErrorCode::ProviderFailed
        );
        if !passing || !error.failure().retryable || tries == PATIENCE {
            return Err(error);
        }
        let wait = Duration::from_secs(2 << (2 * tries));
        let asked = error
            .failure()
            .retry_after_ms
            .map_or(Duration::ZERO, Duration::from_millis);
        ctx.sleep(wait.max(asked)).await?;
        tries += 1;
    }
}
