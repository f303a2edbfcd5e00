//! The supervisor's part: what the owner wants done is done, and what the agent says is told to the owner.

use std::collections::HashMap;
use std::sync::Arc;

use greenroom_kernel::{
    Action, Append, Appended, AttemptEnd, Clock, ErrorCode, FromAgent, Payload, StepAnswer, StepCall,
    StepCost, StepOutcome, ToAgent,
};
use tokio_util::sync::CancellationToken;

use super::Stage;
use crate::run::{Facts, Run};
use crate::testkit::attempt::Attempt;
use crate::testkit::plan::{Fault, Label, Place};
use crate::{Context, Task};

/// As many calls as production lets an attempt have open.
const CREDIT: u32 = 64;

impl Stage<'_> {
    /// Does what the owner wants, until it wants nothing.
    pub(super) fn obey(&mut self) {
        loop {
            let actions = self.owner.actions();
            if actions.is_empty() {
                return;
            }
            let incarnation = self.incarnation;
            for action in actions {
                self.act(action);
                if self.incarnation != incarnation {
                    // What a dead owner wanted is gone with it.
                    break;
                }
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Append(append) => self.append(*append),
            Action::Begin { attempt, .. } => self.begin(attempt),
            Action::Halt { attempt, reason, .. } => {
                if let Some(mut halted) = self.attempt.take_if(|running| running.number == attempt) {
                    self.text = std::mem::take(&mut halted.text);
                    halted.cut(&format!("cancelled: {reason}"));
                    self.leaving.push(halted);
                }
            }
            Action::Go { path, .. } => {
                let call = self.calls.get(&path).map(|(_, last)| last.clone());
                if self.recorded {
                    self.beyond = self.beyond.take().or(call);
                    return;
                }
                self.say(ToAgent::Answer {
                    path,
                    answer: StepAnswer::Go,
                });
            }
            Action::Perform { head, call, due, .. } => {
                if self.recorded {
                    self.beyond.get_or_insert(*call);
                    return;
                }
                let performing = self.performing(head, &call, due);
                if let Some(attempt) = &mut self.attempt {
                    attempt.performs.push(performing);
                }
            }
            Action::Answer { path, outcome, .. } => {
                let result = match outcome {
                    StepOutcome::Done(result) => Ok(result.as_inline().unwrap_or("null").to_owned()),
                    StepOutcome::Failed(failure) => Err(failure),
                };
                self.say(ToAgent::Answer {
                    path,
                    answer: StepAnswer::Finished(result),
                });
            }
            Action::Published { .. } | Action::Reply { .. } | Action::Deposed => {}
        }
    }

    fn say(&mut self, frame: ToAgent) {
        if let Some(attempt) = &mut self.attempt {
            attempt.to_agent.push_back(frame);
        }
    }

    fn append(&mut self, append: Append) {
        let mut append = append;
        match self.point(Place::Append, None) {
            Some(Fault::Unanswered) => {
                if let Some(again) = self.owner.unanswered(append.slot.nonce) {
                    append = again;
                }
            }
            Some(fault) => return self.strike(fault),
            None => {}
        }
        let nonce = append.slot.nonce;
        let mut answer = self.store(&append);
        match self.point(Place::Appended, None) {
            Some(Fault::Unanswered) => {
                if let Some(again) = self.owner.unanswered(nonce) {
                    answer = self.store(&again);
                }
            }
            Some(fault) => return self.strike(fault),
            None => {}
        }
        self.owner.appended(self.clock.now(), nonce, answer);
    }

    /// The store: a slot is written once, by whoever comes first.
    fn store(&mut self, append: &Append) -> Appended {
        let taken = usize::try_from(append.slot.seq)
            .ok()
            .and_then(|seq| self.slots.get(seq));
        match taken {
            Some(slot) => Appended::Collided(Box::new(slot.clone())),
            None => {
                self.slots.push(append.slot.clone());
                Appended::Stored
            }
        }
    }

    fn begin(&mut self, number: u32) {
        self.begun = true;
        let Some(open) = self.owner.journal().open.get(&self.task) else {
            return;
        };
        let agent = (self.make)();
        let mut tools = HashMap::new();
        for tool in agent
            .tools()
            .into_iter()
            .chain(self.script.tools.iter().map(Arc::clone))
        {
            // The test's own come last, and take the place of the agent's.
            tools.insert(tool.spec().name, tool);
        }
        let id = self.owner.journal().task_id(self.task);
        let facts = Facts {
            task: id.clone(),
            attempt: number,
            history: self.script.history.clone(),
            model: open.accepted.model.clone(),
            deadline: Some(open.expires_at()),
            seed: id.seed(&self.key.tenant),
            tools: Arc::new(tools),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            watch: Some(Arc::clone(&self.watch)),
        };
        let task = Task {
            id,
            attempt: number,
            principal: self.script.principal.clone(),
            accepted_at: open.accepted_at,
            model: open.accepted.model.clone(),
            input: open.accepted.input.as_inline().unwrap_or("null").to_owned(),
        };
        let run = Run::new(facts, CREDIT, CancellationToken::new());
        let context = Context::new(Arc::clone(&run));
        let work = Box::pin(async move { agent.run(task, context).await });
        self.attempt = Some(Attempt::new(number, run, work));
        self.attempts = number;
        self.asked.clear();
        self.polling = true;
        (self.held_from, self.held_to) = (false, false);
    }

    /// The agent's next frame is told to the owner.
    pub(super) fn hear(&mut self) -> bool {
        if self.held_from {
            return false;
        }
        let Some(attempt) = &mut self.attempt else {
            return false;
        };
        let Some(frame) = attempt.from_agent.pop_front() else {
            return false;
        };
        let number = attempt.number;
        let (place, label) = match &frame {
            FromAgent::Call(call) => (Place::Call, Some(Label::of(call))),
            FromAgent::Report { path, .. } => (Place::Report, self.label(path)),
            FromAgent::Emit(_) => (Place::Emit, None),
            FromAgent::Heartbeat => return true,
            FromAgent::Completed { .. } | FromAgent::Failed(_) | FromAgent::Panicked(_) => (Place::End, None),
        };
        match self.point(place, label) {
            None => self.told(number, frame),
            Some(Fault::Twice) => {
                self.told(number, frame.clone());
                self.told(number, frame);
            }
            Some(Fault::Late) => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.from_agent.push_front(frame);
                }
                self.held_from = true;
            }
            Some(Fault::Posthumous) => {
                self.posthumous = Some((number, frame));
                self.strike(Fault::AgentDies);
            }
            Some(fault) => self.strike(fault),
        }
        true
    }

    /// Tells the owner what an attempt said, whether or not that attempt still runs.
    fn told(&mut self, number: u32, frame: FromAgent) {
        let (now, task) = (self.now(), self.task);
        let ended = |content: Option<String>, data: Option<String>| AttemptEnd::Completed {
            content: content.map(Payload::inline),
            data: data.map(Payload::inline),
        };
        let end = match frame {
            FromAgent::Call(call) => {
                self.called(&call);
                self.owner.step_called(now, task, number, call);
                if let Some((dead, frame)) = self.posthumous.take_if(|(dead, _)| *dead != number) {
                    self.told(dead, frame);
                }
                return;
            }
            FromAgent::Report { path, outcome } => {
                self.last_done = self.label(&path).or(self.last_done.take());
                let cost = StepCost::default();
                return self.owner.step_finished(now, task, number, &path, outcome, cost);
            }
            FromAgent::Emit(text) => {
                if let Some(attempt) = self.attempt.as_mut().filter(|running| running.number == number) {
                    attempt.text.push_str(&text);
                }
                return;
            }
            FromAgent::Heartbeat => return,
            FromAgent::Completed { content, data } => ended(content, data),
            FromAgent::Failed(failure) if failure.code == ErrorCode::Cancelled => {
                AttemptEnd::Died(failure.message)
            }
            FromAgent::Failed(failure) => AttemptEnd::Failed(failure),
            FromAgent::Panicked(why) => AttemptEnd::Died(format!("the agent panicked: {why}")),
        };
        if let Some(mut over) = self.attempt.take_if(|running| running.number == number) {
            self.text = std::mem::take(&mut over.text);
            over.cut("the run is over");
            self.leaving.push(over);
        }
        self.owner.attempt_ended(now, task, number, end);
    }

    fn called(&mut self, call: &StepCall) {
        self.asked.insert(call.path.clone());
        let known = self.calls.entry(call.path.clone());
        known
            .and_modify(|(_, last)| *last = call.clone())
            .or_insert_with(|| (call.clone(), call.clone()));
    }
}
