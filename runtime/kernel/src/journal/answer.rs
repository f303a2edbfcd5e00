//! A person's answer to a step: what it makes of the step, and whether it was given before.

use super::task::{OpenTask, StepRecord, StepState};
use crate::{ErrorCode, Failure, INLINE_LIMIT, Payload, Resolution, ResolveAction};

impl StepRecord {
    /// What an answer makes of this step: a resolution to journal, nothing when the same was given before. With an
    /// `attempt` it answers the step as that attempt left it, and never a later one's: so it may be given again.
    ///
    /// # Errors
    /// `CONFLICT` when another answer was given or none is awaited, or another attempt is meant; `BAD_USER_INPUT` when it
    /// does not fit what is asked or is too long.
    pub fn answer(
        &self,
        attempt: Option<u32>,
        action: &ResolveAction,
    ) -> Result<Option<Resolution>, Failure> {
        let wanted = resolution(action)?;
        let ran = self.head.attempt;
        if let Some(meant) = attempt.filter(|meant| *meant != ran) {
            // What was in doubt begins again only when somebody said that it had not happened.
            if meant < ran && self.cleared && wanted == Resolution::SettledNotDone {
                return Ok(None);
            }
            let why = format!(
                "attempt {meant} is meant, and attempt {ran} was the last to begin this step: look at it again"
            );
            return Err(Failure::new(ErrorCode::Conflict, why));
        }
        let settles = matches!(wanted, Resolution::SettledDone(_) | Resolution::SettledNotDone);
        match &self.state {
            StepState::Waiting { .. } if !settles => Ok(Some(wanted)),
            StepState::Waiting { .. } => Err(Failure::bad_input(
                "this step waits for an approval: APPROVE or REJECT it",
            )),
            StepState::Unknown if settles => Ok(Some(wanted)),
            StepState::Unknown => Err(Failure::bad_input(
                "this step's outcome is unknown: SETTLE_DONE or SETTLE_NOT_DONE it",
            )),
            StepState::Done {
                resolution: Some(given),
                ..
            } if *given == wanted => Ok(None),
            // What was said not to have happened has begun again, or even finished.
            _ if self.cleared && wanted == Resolution::SettledNotDone => Ok(None),
            StepState::Done {
                resolution: Some(_), ..
            }
            | StepState::Cleared => Err(Failure::new(
                ErrorCode::Conflict,
                "this step was answered otherwise before",
            )),
            StepState::Started { .. } | StepState::Done { resolution: None, .. } => Err(Failure::new(
                ErrorCode::Conflict,
                "this step does not wait for an answer",
            )),
        }
    }
}

impl OpenTask {
    /// Whether this answer was given to a task that has ended: giving it again changes nothing.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such step, `CONFLICT` when it was answered otherwise or never,
    /// `BAD_USER_INPUT` when the answer is too long.
    pub fn was_answered(
        &self,
        number: u32,
        attempt: Option<u32>,
        action: &ResolveAction,
    ) -> Result<(), Failure> {
        let step = self
            .step(number)
            .ok_or_else(|| Failure::new(ErrorCode::NotFound, "this task has no such step"))?;
        if matches!(step.state, StepState::Waiting { .. } | StepState::Unknown) {
            return Err(Failure::new(
                ErrorCode::Conflict,
                "the task ended before this step was answered",
            ));
        }
        step.answer(attempt, action).map(|_| ())
    }
}

fn resolution(action: &ResolveAction) -> Result<Resolution, Failure> {
    let json = |value: &Option<String>| {
        let text = value.as_deref().unwrap_or("null");
        if text.len() > INLINE_LIMIT {
            let why = format!("an answer's value may have {INLINE_LIMIT} bytes");
            return Err(Failure::bad_input(why));
        }
        Ok(Payload::inline(text))
    };
    Ok(match action {
        ResolveAction::Approve(value) => Resolution::Approved(json(value)?),
        ResolveAction::Reject => Resolution::Rejected,
        ResolveAction::SettleDone(value) => Resolution::SettledDone(json(value)?),
        ResolveAction::SettleNotDone => Resolution::SettledNotDone,
    })
}
