//! A store whose answers get lost, late or refused, as a real one's do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{
    AgentHistory, AgentRecord, Append, Appended, Beat, BlobId, HistoryQuery, JournalKey, MessageRange,
    MessageRow, NodeId, NodeRow, Nodes, Page, PageRequest, PayloadLimit, SessionId, SessionQuery, SessionRow,
    Slot, Snapshot, Store, StoreError, StoreStats, TaskId, TaskQuery, TaskRow, TenantId, Timestamp,
};
use parking_lot::Mutex;

/// What goes wrong with one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It takes effect, its answer is lost.
    AnswerLost,
    /// It takes no effect, and no answer comes.
    RequestLost,
    /// It is answered late, on tokio's clock; the effect is at once.
    AnswerLate(Duration),
    /// It begins late, on tokio's clock.
    StartLate(Duration),
    /// It is refused: too much is queued.
    Busy,
    /// It is refused: the disk is full.
    Full,
}

/// What is about to be asked of the store.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'o> {
    /// An append.
    Append(&'o Append),
    /// Any other write, by its name.
    Write(&'static str),
    /// A read, by its name.
    Read(&'static str),
}

type Rule = Box<dyn Fn(Operation<'_>) -> Option<Fault> + Send + Sync>;

/// Wraps a store and injects faults: those queued for the next appends first, then whatever the rule says.
pub struct FaultyStore<S> {
    inner: Arc<S>,
    queued: Mutex<VecDeque<Option<Fault>>>,
    rule: Mutex<Option<Rule>>,
}

impl<S: Store> FaultyStore<S> {
    /// A store that has no faults yet.
    pub fn new(inner: S) -> Self {
        Self::over(Arc::new(inner))
    }

    /// The same over a store that others use too.
    pub fn over(inner: Arc<S>) -> Self {
        Self {
            inner,
            queued: Mutex::default(),
            rule: Mutex::default(),
        }
    }

    /// The store inside, without faults.
    pub fn inner(&self) -> &Arc<S> {
        &self.inner
    }

    /// Queues what happens to the next appends, one each; none leaves one alone.
    pub fn next_appends(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.queued.lock().extend(faults);
    }

    /// Asks `rule` about every operation for which nothing is queued.
    pub fn set_rule(&self, rule: impl Fn(Operation<'_>) -> Option<Fault> + Send + Sync + 'static) {
        *self.rule.lock() = Some(Box::new(rule));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.queued.lock().clear();
        *self.rule.lock() = None;
    }

    fn fault(&self, operation: Operation<'_>) -> Option<Fault> {
        if matches!(operation, Operation::Append(_))
            && let Some(queued) = self.queued.lock().pop_front()
        {
            return queued;
        }
        self.rule.lock().as_ref().and_then(|rule| rule(operation))
    }

    async fn through<T>(
        &self,
        name: &'static str,
        fault: Option<Fault>,
        run: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let lost = StoreError::Unanswered {
            operation: name,
            source: None,
        };
        match fault {
            None => run.await,
            Some(Fault::AnswerLost) => run.await.and(Err(lost)),
            Some(Fault::RequestLost) => Err(lost),
            Some(Fault::AnswerLate(delay)) => {
                let answer = run.await;
                tokio::time::sleep(delay).await;
                answer
            }
            Some(Fault::StartLate(delay)) => {
                tokio::time::sleep(delay).await;
                run.await
            }
            Some(Fault::Busy) => Err(StoreError::Busy { operation: name }),
            Some(Fault::Full) => Err(StoreError::Full {
                operation: name,
                path: "memory".to_owned(),
            }),
        }
    }
}

/// Forwards, through the fault that is due.
macro_rules! forward {
    ($self:ident, $kind:ident, $operation:ident($($argument:expr),*)) => {{
        let name = stringify!($operation);
        let fault = $self.fault(Operation::$kind(name));
        $self.through(name, fault, $self.inner.$operation($($argument),*)).await
    }};
}

#[async_trait]
impl<S: Store> Store for FaultyStore<S> {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let fault = self.fault(Operation::Append(&append));
        self.through("append", fault, self.inner.append(append)).await
    }

    async fn read(&self, key: &JournalKey, from: u64, limit: u32) -> Result<Vec<Slot>, StoreError> {
        forward!(self, Read, read(key, from, limit))
    }

    async fn snapshot(&self, key: &JournalKey) -> Result<Option<Snapshot>, StoreError> {
        forward!(self, Read, snapshot(key))
    }

    async fn put_snapshot(&self, key: &JournalKey, snapshot: Snapshot) -> Result<(), StoreError> {
        forward!(self, Write, put_snapshot(key, snapshot))
    }

    async fn put_blob(&self, key: &JournalKey, id: &BlobId, content: &str) -> Result<(), StoreError> {
        forward!(self, Write, put_blob(key, id, content))
    }

    async fn blob(&self, key: &JournalKey, id: &BlobId) -> Result<Option<Arc<str>>, StoreError> {
        forward!(self, Read, blob(key, id))
    }

    async fn hollow(&self, key: &JournalKey) -> Result<(), StoreError> {
        forward!(self, Write, hollow(key))
    }

    async fn sweep(
        &self,
        deleted_before: Timestamp,
        ended_before: Timestamp,
        limit: u32,
    ) -> Result<u32, StoreError> {
        forward!(self, Write, sweep(deleted_before, ended_before, limit))
    }

    async fn session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        forward!(self, Read, session(tenant, id))
    }

    async fn sessions(
        &self,
        tenant: &TenantId,
        query: &SessionQuery,
        page: &PageRequest,
    ) -> Result<Page<SessionRow>, StoreError> {
        forward!(self, Read, sessions(tenant, query, page))
    }

    async fn messages(
        &self,
        key: &JournalKey,
        range: MessageRange,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        forward!(self, Read, messages(key, range, limit))
    }

    async fn task(&self, tenant: &TenantId, id: &TaskId) -> Result<Option<TaskRow>, StoreError> {
        forward!(self, Read, task(tenant, id))
    }

    async fn tasks(
        &self,
        tenant: &TenantId,
        query: &TaskQuery,
        page: &PageRequest,
    ) -> Result<Page<TaskRow>, StoreError> {
        forward!(self, Read, tasks(tenant, query, page))
    }

    async fn open_journals(
        &self,
        now: Timestamp,
        after: Option<&JournalKey>,
        limit: u32,
    ) -> Result<Vec<JournalKey>, StoreError> {
        forward!(self, Read, open_journals(now, after, limit))
    }

    fn payload_limit(&self) -> PayloadLimit {
        self.inner.payload_limit()
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }
}

#[async_trait]
impl<S: Store + Nodes> Nodes for FaultyStore<S> {
    async fn beat(&self, row: &NodeRow) -> Result<Beat, StoreError> {
        forward!(self, Write, beat(row))
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        forward!(self, Read, nodes())
    }

    async fn forget(&self, node: &NodeId, incarnation: u64) -> Result<(), StoreError> {
        forward!(self, Write, forget(node, incarnation))
    }
}

#[async_trait]
impl<S: Store + AgentHistory> AgentHistory for FaultyStore<S> {
    async fn note(&self, records: Vec<AgentRecord>) -> Result<(), StoreError> {
        forward!(self, Write, note(records))
    }

    async fn history(
        &self,
        query: &HistoryQuery,
        page: &PageRequest,
    ) -> Result<Page<AgentRecord>, StoreError> {
        forward!(self, Read, history(query, page))
    }

    async fn sweep_history(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        forward!(self, Write, sweep_history(before, limit))
    }
}
