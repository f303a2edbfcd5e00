//! The owner driven by hand: what it lets out, and when.

mod accepting;
mod approvals;
mod attempts;
mod collisions;
mod ending;
mod exporting;
mod folding;
mod history;
mod projecting;
mod random;
mod spending;
mod stepping;
mod unknown;

use crate::{
    Accepted, Action, AgentName, Appended, AttemptEnd, Effect, Entry, ErrorCode, Failure, IdempotencyKey,
    InputHash, Journal, JournalKey, JournalKind, Limits, NewTask, NodeId, Opened, Owner, Payload, Projection,
    Reply, RequestId, SessionId, Slot, StepCall, StepCost, StepKind, StepOutcome, StepPath, StepResolution,
    Subject, TaskRow, TenantId, Timestamp, Usage, Writer,
};

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(super) fn key() -> JournalKey {
    JournalKey {
        tenant: TenantId::parse("acme").unwrap(),
        journal: SessionId::parse("s").unwrap(),
    }
}

pub(super) fn writer(incarnation: u64) -> Writer {
    Writer {
        node: NodeId::parse("n").unwrap(),
        incarnation,
    }
}

pub(super) fn subject() -> Subject {
    Subject::parse("ann").unwrap()
}

pub(super) fn path(text: &str) -> StepPath {
    StepPath::parse(text).unwrap()
}

pub(super) fn opened(kind: JournalKind) -> Opened {
    Opened {
        kind,
        subject: subject(),
        title: None,
        metadata: None,
        call: None,
    }
}

/// A turn of the conversation, called by `name`.
pub(super) fn turn(name: &str) -> NewTask {
    let accepted = Accepted {
        ordinal: 0,
        agent: AgentName::parse("helper").unwrap(),
        input: Payload::inline(format!("{{\"content\":\"{name}\"}}")),
        turn: true,
        key: IdempotencyKey::parse(name).unwrap(),
        input_hash: InputHash::of(&[name]),
        deadline: None,
        limits: Limits::default(),
        model: None,
        metadata: None,
        parent: None,
        retries: None,
        subject: subject(),
        trace: None,
    };
    NewTask {
        accepted,
        message: Some(Payload::inline(name)),
    }
}

pub(super) fn limited(name: &str, limits: Limits) -> NewTask {
    let mut task = turn(name);
    task.accepted.limits = limits;
    task
}

/// A tool call at `place` that does `effect`.
pub(super) fn call(place: &str, effect: Effect) -> StepCall {
    StepCall {
        path: path(place),
        kind: StepKind::Tool,
        name: Some("tool".into()),
        effect,
        input: "{}".into(),
        visible: false,
    }
}

pub(super) fn kind_of_call(place: &str, kind: StepKind, input: &str) -> StepCall {
    StepCall {
        kind,
        input: input.into(),
        ..call(place, Effect::ReadOnly)
    }
}

pub(super) fn approval(place: &str, timeout_ms: Option<u64>) -> StepCall {
    let timeout = timeout_ms
        .map(|ms| format!(",\"timeoutMs\":{ms}"))
        .unwrap_or_default();
    kind_of_call(
        place,
        StepKind::Approval,
        &format!("{{\"prompt\":\"may I?\"{timeout}}}"),
    )
}

pub(super) fn done(text: &str) -> StepOutcome {
    StepOutcome::Done(Payload::inline(text))
}

pub(super) fn completed(content: &str) -> AttemptEnd {
    AttemptEnd::Completed {
        content: Some(Payload::inline(content)),
        data: None,
    }
}

pub(super) fn tokens(input: u64, cost: Option<f64>) -> StepCost {
    StepCost {
        usage: Some(Usage {
            input_tokens: input,
            cost_usd: cost,
            ..Usage::default()
        }),
        served_by: Some(("local".into(), "small".into())),
    }
}

/// What came out of an owner, by kind.
pub(super) trait Seen {
    fn begun(&self) -> Vec<(u32, u32)>;
    fn gone(&self) -> Vec<String>;
    fn performed(&self) -> Vec<u32>;
    fn halted(&self) -> Vec<(u32, u32)>;
    fn answered(&self) -> Vec<(String, StepOutcome)>;
    fn replies(&self) -> Vec<(u64, Result<Reply, Failure>)>;
}

impl Seen for [Action] {
    fn begun(&self) -> Vec<(u32, u32)> {
        let begun = self.iter().filter_map(|action| match action {
            Action::Begin { task, attempt } => Some((*task, *attempt)),
            _ => None,
        });
        begun.collect()
    }

    fn gone(&self) -> Vec<String> {
        let gone = self.iter().filter_map(|action| match action {
            Action::Go { path, .. } => Some(path.to_string()),
            _ => None,
        });
        gone.collect()
    }

    fn performed(&self) -> Vec<u32> {
        let performed = self.iter().filter_map(|action| match action {
            Action::Perform { head, .. } => Some(head.number),
            _ => None,
        });
        performed.collect()
    }

    fn halted(&self) -> Vec<(u32, u32)> {
        let halted = self.iter().filter_map(|action| match action {
            Action::Halt { task, attempt, .. } => Some((*task, *attempt)),
            _ => None,
        });
        halted.collect()
    }

    fn answered(&self) -> Vec<(String, StepOutcome)> {
        let answered = self.iter().filter_map(|action| match action {
            Action::Answer { path, outcome, .. } => Some((path.to_string(), outcome.clone())),
            _ => None,
        });
        answered.collect()
    }

    fn replies(&self) -> Vec<(u64, Result<Reply, Failure>)> {
        let replies = self.iter().filter_map(|action| match action {
            Action::Reply { request, reply } => Some((request.0, reply.clone())),
            _ => None,
        });
        replies.collect()
    }
}

/// An owner, the log it writes, and the rows that log shows.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) owner: Owner,
    pub(super) slots: Vec<Slot>,
    pub(super) rows: Vec<Projection>,
    pub(super) now: Timestamp,
    requests: u64,
    incarnation: u64,
}

impl Desk {
    /// A new session whose first slot is durable.
    pub(super) fn open() -> Self {
        let mut desk = Self::open_unsent();
        desk.settle();
        desk
    }

    pub(super) fn open_unsent() -> Self {
        Self {
            owner: Owner::open(key(), writer(1), 7, opened(JournalKind::Session), at(1_000)),
            slots: Vec::new(),
            rows: Vec::new(),
            now: at(1_000),
            requests: 0,
            incarnation: 1,
        }
    }

    /// A session with one task that runs its first attempt.
    pub(super) fn running(task: NewTask) -> Self {
        let mut desk = Self::open();
        desk.accept(task);
        assert_eq!(desk.settle().begun(), [(0, 1)]);
        desk
    }

    /// Does what can be done without the store answering.
    pub(super) fn pump(&mut self) -> Vec<Action> {
        let mut seen = Vec::new();
        loop {
            let actions = self.owner.actions();
            if actions.is_empty() {
                return seen;
            }
            seen.extend(actions);
        }
    }

    /// Stores every append, until the owner wants nothing more; what it wanted beside appends.
    pub(super) fn settle(&mut self) -> Vec<Action> {
        let mut seen = Vec::new();
        loop {
            let actions = self.pump();
            if actions.is_empty() {
                return seen;
            }
            for action in actions {
                match action {
                    Action::Append(append) => self.store(*append),
                    other => seen.push(other),
                }
            }
        }
    }

    pub(super) fn store(&mut self, append: crate::Append) {
        assert_eq!(
            append.slot.seq,
            self.slots.len() as u64,
            "no gaps, no overwriting"
        );
        let nonce = append.slot.nonce;
        self.slots.push(append.slot);
        self.rows.push(append.rows);
        self.owner.appended(self.now, nonce, Appended::Stored);
    }

    pub(super) fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    pub(super) fn accept(&mut self, task: NewTask) -> u64 {
        let request = self.request();
        self.owner.accept(self.now, request, task);
        request.0
    }

    pub(super) fn call(&mut self, task: u32, attempt: u32, call: StepCall) -> Vec<Action> {
        self.owner.step_called(self.now, task, attempt, call);
        self.settle()
    }

    pub(super) fn report(&mut self, task: u32, attempt: u32, place: &str, result: &str) -> Vec<Action> {
        self.report_with(task, attempt, place, result, StepCost::default())
    }

    pub(super) fn report_with(
        &mut self,
        task: u32,
        attempt: u32,
        place: &str,
        result: &str,
        cost: StepCost,
    ) -> Vec<Action> {
        self.owner
            .step_finished(self.now, task, attempt, &path(place), done(result), cost);
        self.settle()
    }

    /// Asks for a tool step, runs it and reports.
    pub(super) fn step(&mut self, task: u32, attempt: u32, place: &str, effect: Effect) {
        assert_eq!(self.call(task, attempt, call(place, effect)).gone(), [place]);
        self.report(task, attempt, place, "1");
    }

    pub(super) fn end(&mut self, task: u32, attempt: u32, end: AttemptEnd) -> Vec<Action> {
        self.owner.attempt_ended(self.now, task, attempt, end);
        self.settle()
    }

    pub(super) fn die(&mut self, task: u32, attempt: u32) -> Vec<Action> {
        self.end(task, attempt, AttemptEnd::Died("boom".into()))
    }

    pub(super) fn resolve(&mut self, task: u32, number: u32, action: crate::ResolveAction) -> Vec<Action> {
        self.resolve_of(None, task, number, action)
    }

    pub(super) fn resolve_of(
        &mut self,
        attempt: Option<u32>,
        task: u32,
        number: u32,
        action: crate::ResolveAction,
    ) -> Vec<Action> {
        let request = self.request();
        let answer = StepResolution {
            task,
            number,
            attempt,
            action,
            by: subject(),
            note: None,
        };
        self.owner.resolve(self.now, request, answer);
        self.settle()
    }

    pub(super) fn cancel(&mut self, task: u32) -> Vec<Action> {
        let request = self.request();
        self.owner.cancel(self.now, request, task);
        self.settle()
    }

    pub(super) fn pass(&mut self, ms: i64) -> Vec<Action> {
        self.now = at(self.now.as_millis() + ms);
        self.owner.tick(self.now);
        self.settle()
    }

    /// What is durable, folded.
    pub(super) fn folded(&self) -> Journal {
        let mut journal = Journal::empty(key().journal);
        for slot in &self.slots {
            journal.apply(slot).unwrap();
        }
        journal
    }

    /// The owner dies; another one reads what is durable. What it wants before its epoch is durable: nothing.
    pub(super) fn take_unsent(&mut self) {
        self.incarnation += 1;
        let by = writer(self.incarnation);
        self.owner = Owner::take(key(), by, self.incarnation * 1_000, self.folded(), self.now);
    }

    pub(super) fn take(&mut self) -> Vec<Action> {
        self.take_unsent();
        self.settle()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flat_map(|slot| &slot.entries)
    }

    /// The newest row of a task in the store.
    pub(super) fn row(&self, task: u32) -> TaskRow {
        let rows = self.rows.iter().rev().flat_map(|rows| &rows.tasks);
        rows.into_iter()
            .find(|row| row.id.ordinal == task)
            .unwrap()
            .clone()
    }

    pub(super) fn failure(&self, task: u32) -> ErrorCode {
        self.row(task).error.unwrap().code
    }
}
