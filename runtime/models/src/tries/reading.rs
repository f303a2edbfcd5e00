//! What a backend's events and frames mean to a try.

use std::time::Duration;

use bytes::Bytes;
use greenroom_kernel::{ModelEvent, RelayFrame, RelaySign};

use super::{Ended, Sign, Try, TryError};
use crate::pace;
use crate::phase::Phase;

/// Most bytes of one answer.
const ANSWER_AT_MOST: u64 = 8 << 20;

/// Most bytes that are held back while no content comes.
const HELD_AT_MOST: usize = 32 << 20;

impl Try {
    pub(super) fn event(&mut self, event: ModelEvent) -> Result<Option<Sign>, TryError> {
        if let ModelEvent::Used(reported) = event {
            self.brought.used(reported);
            return Ok(None);
        }
        self.enter(self.phase.after(&event));
        match &event {
            ModelEvent::Content(text) | ModelEvent::Thinking(text) => self.pace.came(text.len() as u64),
            ModelEvent::ToolCall(_) | ModelEvent::Progress => self.pace.came(pace::UNSEEN),
            ModelEvent::Reasoned(_) | ModelEvent::Quota(_) | ModelEvent::Used(_) | ModelEvent::End { .. } => {
            }
        }
        let sign = match event {
            ModelEvent::Content(text) if text.is_empty() => return Ok(None),
            ModelEvent::Content(text) => {
                self.brought.content.push_str(&text);
                Sign::Text(text)
            }
            ModelEvent::ToolCall(call) => {
                self.brought.calls.push(call.clone());
                Sign::Call(call)
            }
            ModelEvent::Thinking(text) => Sign::Thinking(text),
            ModelEvent::Reasoned(thought) => {
                self.brought.reasoning.push(thought);
                Sign::Working
            }
            ModelEvent::Quota(quota) => {
                self.brought.quota = Some(quota);
                return Ok(None);
            }
            ModelEvent::Used(_) => return Ok(None),
            ModelEvent::Progress => Sign::Working,
            ModelEvent::End { finish, usage } => return Ok(Some(Sign::End(Ended::new(finish, usage)))),
        };
        if matches!(sign, Sign::Text(_) | Sign::Call(_)) {
            self.content_came();
            self.bounded(self.brought.said())?;
        }
        Ok(Some(sign))
    }

    pub(super) fn frame(&mut self, frame: RelayFrame) -> Result<(), TryError> {
        let RelayFrame { bytes, sign } = frame;
        if let RelaySign::Used(reported) = sign {
            self.brought.used(reported);
            return Ok(());
        }
        // Lifecycle is no sign of the model, before content and behind it.
        if sign != RelaySign::Lifecycle {
            self.enter(self.phase.after_frame(&sign));
        }
        match sign {
            RelaySign::Lifecycle if self.phase == Phase::Opened => {
                self.held.push(bytes);
                let held: usize = self.held.iter().map(Bytes::len).sum();
                if held > HELD_AT_MOST {
                    return Err(self.fault(format!("no content came in {held} bytes")));
                }
                return Ok(());
            }
            RelaySign::Content { said } => {
                self.brought.relayed += u64::from(said);
                self.pace.came(u64::from(said));
                self.content_came();
                self.bounded(self.brought.relayed)?;
            }
            RelaySign::Lifecycle | RelaySign::Used(_) | RelaySign::Finished(_) | RelaySign::End { .. } => {}
        }
        let pieces = self
            .held
            .drain(..)
            .chain([bytes])
            .filter(|piece| !piece.is_empty());
        self.ready.extend(pieces.map(Sign::Piece));
        if let RelaySign::End { finish, usage } = sign {
            self.ready.push_back(Sign::End(Ended::new(finish, usage)));
        }
        Ok(())
    }

    fn enter(&mut self, phase: Phase) {
        // Lifecycle and what is said of allowances are no signs of the model.
        if phase == Phase::Opened {
            return;
        }
        self.silence = Duration::ZERO;
        if self.phase == Phase::Opened {
            self.brought.first_sign = Some(self.began.elapsed());
        }
        if phase != self.phase {
            tracing::debug!(phase = phase.as_str(), "try");
            self.phase = phase;
        }
    }

    fn content_came(&mut self) {
        if self.brought.first_content.is_none() {
            self.brought.first_content = Some(self.began.elapsed());
        }
    }

    fn bounded(&self, bytes: u64) -> Result<(), TryError> {
        if bytes > ANSWER_AT_MOST {
            return Err(self.fault(format!("its answer is longer than {ANSWER_AT_MOST} bytes")));
        }
        Ok(())
    }
}
