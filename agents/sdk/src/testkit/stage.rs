//! A run of the kit: the kernel's owner, a journal in memory, and one agent, with at most one disturbance.
//!
//! The owner decides what is written, replayed and let go, as it does in production; this only does what it says,
//! in an order that is the same every time.

mod acts;
mod begin;
mod faults;
mod people;
mod performs;

use std::collections::{BTreeSet, HashMap};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use greenroom_kernel::{
    Clock as _, Entry, FromAgent, Journal, JournalKey, NodeId, Owner, Slot, StepCall, StepPath, Timestamp,
    ToAgent, Writer,
};

use super::attempt::Attempt;
use super::clock::KitClock;
use super::plan::{Fault, Label, Place, Plan, Point};
use super::script::Script;
use super::watch::Watch;
use crate::Agent;

/// Makes the agent, as each start of its process does.
pub(crate) type Make = Arc<dyn Fn() -> Arc<dyn Agent> + Send + Sync>;

/// What earlier runs told, for those that follow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Which model step gets which scripted answer.
    pub(crate) models: HashMap<StepPath, usize>,
    /// What the steps came to in the undisturbed run.
    pub(crate) outcomes: HashMap<StepPath, greenroom_kernel::StepOutcome>,
    /// In which steps something fired there.
    pub(crate) fired: BTreeSet<StepPath>,
}

pub(crate) struct Stage<'a> {
    pub(super) make: &'a Make,
    pub(super) script: &'a Script,
    pub(super) plan: Option<Plan>,
    pub(super) known: Known,
    pub(super) points: Vec<Point>,
    alike: HashMap<(Place, Option<StepPath>), usize>,
    pause: Duration,
    /// Whether the planned disturbance happened.
    pub(super) struck: bool,
    pub(super) key: JournalKey,
    pub(super) task: u32,
    pub(super) owner: Owner,
    /// What is durable.
    pub(super) slots: Vec<Slot>,
    pub(super) incarnation: u64,
    pub(super) clock: Arc<KitClock>,
    pub(super) watch: Arc<Watch>,
    pub(super) attempt: Option<Attempt>,
    /// Attempts that nobody listens to any more.
    pub(super) leaving: Vec<Attempt>,
    pub(super) begun: bool,
    pub(super) polling: bool,
    pub(super) held_from: bool,
    pub(super) held_to: bool,
    pub(super) posthumous: Option<(u32, FromAgent)>,
    pub(super) last_done: Option<Label>,
    /// The calls as they were made first, and as they were made last.
    pub(super) calls: HashMap<StepPath, (StepCall, StepCall)>,
    pub(super) asked: BTreeSet<StepPath>,
    pub(super) text: String,
    pub(super) attempts: u32,
    pub(super) rested: u32,
    /// Set for replays: the first step that the journal did not answer, which ends the run.
    pub(super) recorded: bool,
    pub(super) beyond: Option<StepCall>,
}

impl<'a> Stage<'a> {
    /// Runs it to its end, or to where it rests.
    pub(crate) async fn play(&mut self) {
        loop {
            let pause = std::mem::take(&mut self.pause);
            if !pause.is_zero() {
                // On another thread: a test's paused tokio clock would not let real time pass.
                drop(tokio::task::spawn_blocking(move || std::thread::sleep(pause)).await);
            }
            self.obey();
            self.part().await;
            if self.beyond.is_some() || self.is_over() {
                break;
            }
            if self.deliver() {
                continue;
            }
            if std::mem::take(&mut self.polling) {
                self.poll().await;
                continue;
            }
            if self.hear() || self.perform() || self.release() || self.settle() {
                continue;
            }
            if !self.wait().await {
                break;
            }
        }
        if let Some(mut attempt) = self.attempt.take() {
            self.text = std::mem::take(&mut attempt.text);
            attempt.cut("the test is over");
            self.leaving.push(attempt);
        }
        self.part().await;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn is_over(&self) -> bool {
        self.begun && self.owner.is_settled() && !self.owner.journal().open.contains_key(&self.task)
    }

    /// Notes a place, and tells what goes wrong there.
    pub(super) fn point(&mut self, place: Place, step: Option<Label>) -> Option<Fault> {
        if !self.begun || self.recorded {
            return None;
        }
        let after = match place {
            // The agent goes on from there, whether or not anybody hears of it.
            Place::Report => step.clone(),
            _ => self.last_done.clone(),
        };
        let path = step.as_ref().map(|label| label.path.clone());
        let alike = self.alike.entry((place, path)).or_insert(0);
        let nth = *alike;
        *alike += 1;
        let point = Point {
            place,
            step,
            after,
            nth,
        };
        let plan = self.plan.as_ref().filter(|plan| plan.point.is(&point));
        let fault = plan.map(|plan| plan.fault);
        self.pause = plan.map_or(self.pause, |plan| plan.pause);
        self.struck |= fault.is_some();
        self.points.push(point);
        fault
    }

    pub(super) fn label(&self, path: &StepPath) -> Option<Label> {
        let call = self.calls.get(path).map(|(_, last)| Label::of(last));
        call.or_else(|| {
            let task = self.owner.journal().open.get(&self.task)?;
            let head = &task.steps.get(path)?.head;
            Some(Label {
                path: path.clone(),
                kind: head.kind,
                name: head.name.clone(),
            })
        })
    }

    async fn poll(&mut self) {
        poll_fn(|cx| {
            if let Some(attempt) = &mut self.attempt {
                attempt.poll(cx);
            }
            Poll::Ready(())
        })
        .await;
        let heard = self.attempt.as_ref().is_some_and(|a| !a.from_agent.is_empty());
        let Some(path) = self.watch.going().filter(|_| !heard) else {
            return;
        };
        let label = self.label(&path);
        if let Some(fault) = self.point(Place::Work, label) {
            self.strike(fault);
        }
    }

    /// Lets those go whom nobody listens to: they may clean up.
    async fn part(&mut self) {
        for mut attempt in std::mem::take(&mut self.leaving) {
            poll_fn(|cx| {
                attempt.poll(cx);
                Poll::Ready(())
            })
            .await;
            attempt.die();
        }
    }

    /// Takes the next frame to the agent off the line.
    fn deliver(&mut self) -> bool {
        if self.held_to {
            return false;
        }
        let Some(frame) = self
            .attempt
            .as_mut()
            .and_then(|attempt| attempt.to_agent.pop_front())
        else {
            return false;
        };
        let (place, path) = match &frame {
            ToAgent::Answer { path, answer } => match answer {
                greenroom_kernel::StepAnswer::Go => (Place::Go, path.clone()),
                greenroom_kernel::StepAnswer::Finished(_) => (Place::Answer, path.clone()),
            },
            ToAgent::Credit(_) | ToAgent::Cancel(_) => return true,
        };
        let label = self.label(&path);
        let fault = self.point(place, label);
        let Some(attempt) = &mut self.attempt else {
            return true;
        };
        match fault {
            Some(Fault::Late) => {
                attempt.to_agent.push_front(frame);
                self.held_to = true;
                return true;
            }
            Some(Fault::Twice) => {
                attempt.run.receive(frame.clone());
                attempt.run.receive(frame);
            }
            Some(fault) => {
                self.strike(fault);
                return true;
            }
            None => attempt.run.receive(frame),
        }
        self.polling = true;
        true
    }

    /// What was held back comes, since nothing else can go on.
    fn release(&mut self) -> bool {
        let held = self.held_from || self.held_to;
        (self.held_from, self.held_to) = (false, false);
        held
    }

    /// Lets time pass, or waits for the agent where it waits for something of its own.
    async fn wait(&mut self) -> bool {
        let Some(attempt) = &self.attempt else {
            return false;
        };
        let own_work = self.watch.going().is_some();
        if own_work || !attempt.waits_for_supervisor() {
            let woken = poll_fn(|cx| attempt.poll_woken(cx));
            if tokio::time::timeout(self.script.patience, woken).await.is_ok() {
                self.polling = true;
                return true;
            }
        }
        let performed = attempt.performs.iter().filter_map(|step| step.due).min();
        let due = self.owner.journal().next_due();
        let Some(next) = performed.into_iter().chain(due).min() else {
            return false;
        };
        if self.recorded {
            return false;
        }
        self.clock.jump(next);
        self.owner.tick(self.now());
        true
    }

    /// What the journal says of the task.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        let task = self.task;
        let entries = self.slots.iter().flat_map(|slot| &slot.entries);
        entries.filter(move |entry| entry.task() == Some(task))
    }
}

pub(super) fn folded(key: &JournalKey, slots: &[Slot]) -> Journal {
    let mut journal = Journal::empty(key.journal.clone());
    for slot in slots {
        // They are kept in order here: each follows the one before.
        if journal.apply(slot).is_err() {
            break;
        }
    }
    journal
}

pub(super) fn writer(incarnation: u64) -> Writer {
    Writer {
        node: fixed(NodeId::parse("testkit")),
        incarnation,
    }
}

/// An id that is written here.
#[allow(
    clippy::expect_used,
    reason = "the kit's own ids are well-formed, and its tests use each"
)]
pub(super) fn fixed<T>(id: Result<T, greenroom_kernel::InvalidId>) -> T {
    id.expect("the kit's own id")
}
