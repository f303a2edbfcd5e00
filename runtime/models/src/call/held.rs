//! An answer kept from its reader for a while, so that it can start over unseen. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::Step;
use crate::recover::Hold;

/// Most bytes that are kept so; what is longer is shown.
const HELD_AT_MOST: usize = 32 << 20;

/// What keeping a step takes beside what it says.
const STEP_BYTES: usize = 64;

/// What is held back.
pub(super) struct Held {
    hold: Hold,
    steps: VecDeque<Step>,
    bytes: usize,
    /// When its first content came, on the call's clock.
    first: Option<Duration>,
    shown: bool,
}

impl Held {
    pub(super) fn new(hold: Hold) -> Self {
        Self {
            hold,
            steps: VecDeque::new(),
            bytes: 0,
            first: None,
            shown: false,
        }
    }

    /// Another step; `now` is the call's clock, `said` the bytes of content until now.
    pub(super) fn add(&mut self, step: Step, now: Duration, said: u64) {
        // That the model works is told once, and not once for each time that it was heard of.
        let is_old = matches!((&step, self.steps.back()), (Step::Working, Some(Step::Working)));
        self.bytes += match &step {
            Step::Working if is_old => 0,
            _ => STEP_BYTES,
        };
        self.bytes += match &step {
            Step::Text(text) | Step::Thinking(text) => text.len(),
            Step::Call(call) => call.arguments.len() + call.name.len(),
            Step::Piece(piece) => piece.len(),
            Step::Working | Step::Restart | Step::End(_) => 0,
        };
        let is_over = matches!(step, Step::End(_)) || self.bytes > HELD_AT_MOST;
        if !is_old {
            self.steps.push_back(step);
        }
        let began = match said {
            0 => None,
            _ => Some(*self.first.get_or_insert(now)),
        };
        self.shown = is_over
            || match self.hold {
                Hold::All => false,
                Hold::Tokens(tokens) => said.div_ceil(4) >= u64::from(tokens),
                Hold::Window(window) => began.is_some_and(|began| now.saturating_sub(began) >= window),
            };
    }

    /// The next step, once they are shown.
    pub(super) fn take(&mut self) -> Option<Step> {
        self.shown.then(|| self.steps.pop_front()).flatten()
    }

    /// Whether nothing is held back any more.
    pub(super) fn is_over(&self) -> bool {
        self.shown && self.steps.is_empty()
    }

    /// The answer starts over.
    pub(super) fn forget(&mut self) {
        if !self.shown {
            self.steps.clear();
            (self.bytes, self.first) = (0, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn text(held: &mut Held, now: Duration, said: u64) -> usize {
        held.add(Step::Text("x".into()), now, said);
        std::iter::from_fn(|| held.take()).count()
    }

    #[test]
    fn a_window_of_tokens_is_over_when_they_have_come() {
        let mut held = Held::new(Hold::Tokens(2));
        assert_eq!(text(&mut held, SECOND, 4), 0);
        assert_eq!(text(&mut held, SECOND, 5), 2);
        assert!(held.is_over());
    }

    #[test]
    fn a_window_of_time_begins_with_the_first_content() {
        let mut held = Held::new(Hold::Window(SECOND));
        held.add(Step::Working, Duration::ZERO, 0);
        assert_eq!(text(&mut held, 5 * SECOND, 1), 0);
        held.forget();
        assert_eq!(text(&mut held, 7 * SECOND, 1), 0);
        assert_eq!(text(&mut held, 8 * SECOND, 2), 2);
    }

    #[test]
    fn work_that_is_heard_of_for_long_takes_no_room_and_many_small_steps_do() {
        let mut held = Held::new(Hold::All);
        for _ in 0..10_000 {
            held.add(Step::Working, SECOND, 0);
        }
        held.add(Step::Text("x".into()), SECOND, 1);
        held.add(Step::Working, SECOND, 1);
        held.add(Step::End(super::super::End::Relayed), SECOND, 1);
        assert_eq!(std::iter::from_fn(|| held.take()).count(), 4);

        let mut held = Held::new(Hold::All);
        let at_most = HELD_AT_MOST / STEP_BYTES;
        let kept = (0..2 * at_most).take_while(|_| {
            held.add(Step::Thinking(String::new()), SECOND, 0);
            !held.shown
        });
        assert_eq!(kept.count(), at_most);
    }

    #[test]
    fn what_is_held_to_the_end_is_shown_then_or_when_it_is_too_much() {
        let mut held = Held::new(Hold::All);
        assert_eq!(text(&mut held, SECOND, 1 << 30), 0);
        held.add(Step::End(super::super::End::Relayed), SECOND, 1);
        assert_eq!(std::iter::from_fn(|| held.take()).count(), 2);
        let mut held = Held::new(Hold::All);
        held.add(Step::Text("x".repeat(HELD_AT_MOST + 1)), SECOND, 1);
        assert!(held.take().is_some());
    }
}
