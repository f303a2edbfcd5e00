//! The steps that the supervisor runs: models, other agents and timers, by the script.

use greenroom_kernel::{
    Failure, ModelRequest, Payload, StepCall, StepCost, StepHead, StepKind, StepOutcome, Timestamp,
};

use super::Stage;
use crate::testkit::attempt::Performing;
use crate::testkit::plan::Place;
use crate::testkit::script::What;

impl Stage<'_> {
    /// What the script answers a step with, and when.
    pub(super) fn performing(
        &mut self,
        head: StepHead,
        call: &StepCall,
        due: Option<Timestamp>,
    ) -> Performing {
        let now = self.now();
        let (mut due, mut shown, mut cost) = (due.or(Some(now)), String::new(), StepCost::default());
        let result = match head.kind {
            StepKind::Model => {
                let next = self.known.models.len();
                let index = *self.known.models.entry(call.path.clone()).or_insert(next);
                match serde_json::from_str::<ModelRequest>(&call.input) {
                    Err(error) => Err(Failure::bad_input(format!("a model request is wrong: {error}"))),
                    Ok(request) => {
                        let reply = self.script.model(index, &request);
                        due = Some(now.after(reply.takes));
                        match reply.what {
                            What::Failure(failure) => Err(failure),
                            What::Never => {
                                due = None;
                                Ok("null".to_owned())
                            }
                            What::Answer { answer, pieces } => {
                                if call.visible {
                                    shown = pieces.concat();
                                }
                                cost = StepCost {
                                    usage: Some(answer.usage),
                                    served_by: Some((answer.provider.clone(), answer.model.clone())),
                                };
                                crate::json::canonical(&answer, "the scripted answer")
                            }
                        }
                    }
                }
            }
            StepKind::Agent => self
                .script
                .agent(head.name.as_deref().unwrap_or_default(), &call.input),
            StepKind::Timer => Ok("null".to_owned()),
            StepKind::Tool | StepKind::Effect | StepKind::Approval => {
                Err(Failure::internal("only the agent or a person does this step"))
            }
        };
        let outcome = match result {
            Ok(text) => StepOutcome::Done(Payload::inline(text)),
            Err(failure) => StepOutcome::Failed(failure),
        };
        Performing {
            head,
            due,
            outcome,
            cost,
            shown,
        }
    }

    /// The next step that is over by now is told to the owner.
    pub(super) fn perform(&mut self) -> bool {
        let now = self.now();
        let Some(attempt) = &self.attempt else {
            return false;
        };
        let over = attempt.performs.iter().enumerate();
        let over = over.filter(|(_, step)| step.due.is_some_and(|due| due <= now));
        let Some((index, _)) = over.min_by_key(|(_, step)| (step.due, step.head.number)) else {
            return false;
        };
        let path = attempt.performs[index].head.path.clone();
        let label = self.label(&path);
        if let Some(fault) = self.point(Place::Performed, label.clone()) {
            self.strike(fault);
            return true;
        }
        let Some(attempt) = &mut self.attempt else {
            return true;
        };
        let step = attempt.performs.remove(index);
        attempt.text.push_str(&step.shown);
        let number = attempt.number;
        self.last_done = label;
        self.owner
            .step_finished(now, self.task, number, &path, step.outcome, step.cost);
        true
    }
}
