//! How a run begins: with a new task, or with what a journal holds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{
    Accepted, AgentName, IdempotencyKey, InputHash, JournalKey, JournalKind, NewTask, Opened, Owner, Payload,
    RequestId, SessionId, Slot, TaskId, Timestamp,
};

use super::{Known, Make, Stage, fixed, folded, writer};
use crate::HostError;
use crate::testkit::clock::KitClock;
use crate::testkit::plan::Plan;
use crate::testkit::script::Script;

/// What a run begins with besides the agent and its world.
struct Beginning {
    key: JournalKey,
    task: u32,
    owner: Owner,
    slots: Vec<Slot>,
    now: Timestamp,
}

impl<'a> Stage<'a> {
    /// A run of a new task.
    pub(crate) fn new(
        make: &'a Make,
        script: &'a Script,
        plan: Option<Plan>,
        known: Known,
    ) -> Result<Self, HostError> {
        let card = crate::host::checked(make().card())?;
        let key = JournalKey {
            tenant: script.principal.tenant.clone(),
            journal: fixed(SessionId::parse("testkit")),
        };
        let now = script.starts_at;
        let opened = Opened {
            kind: JournalKind::Task,
            subject: script.principal.subject.clone(),
            title: None,
            metadata: None,
            call: None,
        };
        let mut owner = Owner::open(key.clone(), writer(1), 1, opened, now);
        let task = NewTask {
            accepted: accepted(script, card.name, now),
            message: None,
        };
        owner.accept(now, RequestId(0), task);
        let beginning = Beginning {
            key,
            task: 0,
            owner,
            slots: Vec::new(),
            now,
        };
        let mut stage = Self::over(make, script, beginning);
        (stage.plan, stage.known) = (plan, known);
        Ok(stage)
    }

    /// A replay of what a journal holds: it ends where the journal does.
    pub(crate) fn recorded(make: &'a Make, script: &'a Script, task: &TaskId, slots: Vec<Slot>) -> Self {
        let key = JournalKey {
            tenant: script.principal.tenant.clone(),
            journal: task.journal.clone(),
        };
        let now = slots.last().map_or(script.starts_at, |slot| slot.at);
        let owner = Owner::take(key.clone(), writer(2), 2, folded(&key, &slots), now);
        let beginning = Beginning {
            key,
            task: task.ordinal,
            owner,
            slots,
            now,
        };
        let mut stage = Self::over(make, script, beginning);
        stage.recorded = true;
        stage
    }

    fn over(make: &'a Make, script: &'a Script, beginning: Beginning) -> Self {
        let watch = Arc::default();
        for probe in &script.probes {
            probe.begin(&watch);
        }
        let Beginning {
            key,
            task,
            owner,
            slots,
            now,
        } = beginning;
        Self {
            make,
            script,
            plan: None,
            known: Known::default(),
            points: Vec::new(),
            alike: HashMap::new(),
            pause: Duration::ZERO,
            struck: false,
            key,
            task,
            owner,
            slots,
            incarnation: 2,
            clock: Arc::new(KitClock::at(now)),
            watch,
            attempt: None,
            leaving: Vec::new(),
            begun: false,
            polling: false,
            held_from: false,
            held_to: false,
            posthumous: None,
            last_done: None,
            calls: HashMap::new(),
            asked: BTreeSet::new(),
            text: String::new(),
            attempts: 0,
            rested: 0,
            recorded: false,
            beyond: None,
        }
    }
}

fn accepted(script: &Script, agent: AgentName, now: Timestamp) -> Accepted {
    Accepted {
        ordinal: 0,
        agent,
        input: Payload::inline(script.input.as_str()),
        turn: false,
        key: fixed(IdempotencyKey::parse("testkit")),
        input_hash: InputHash::of(&[&script.input]),
        deadline: script.deadline.map(|time| now.after(time)),
        limits: script.limits,
        model: script.model.clone(),
        metadata: None,
        parent: None,
        retries: None,
        subject: script.principal.subject.clone(),
        trace: None,
    }
}
