//! Live journals: which have an actor, and the hubs their readers meet at.

mod letting_go;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use greenroom_kernel::{ErrorCode, Failure, JournalKey, Reply as OwnerReply, TaskRow};
use greenroom_supervision::{ChildSpec, Handle, SendError, SupervisorHandle};
use parking_lot::Mutex;
use tokio::sync::{OnceCell, oneshot};

use crate::hub::Hub;
use crate::journal_actor::{Command, JournalActor, Message, Operation};
use crate::membership::Way;
use crate::shared::Shared;

const SHARDS: usize = 16;
/// How often a command is given to a new owner after the one before was lost.
const TRIES: u32 = 6;

/// The journals that have an actor or readers in this process.
pub(crate) struct Journals {
    shards: [Mutex<Shard>; SHARDS],
    sessions: OnceLock<SupervisorHandle>,
    started: AtomicU64,
    live: AtomicUsize,
}

#[derive(Default)]
struct Shard {
    actors: HashMap<JournalKey, Arc<Slot>>,
    hubs: HashMap<JournalKey, Weak<Hub>>,
}

/// The place of one actor: filled once it runs.
#[derive(Default)]
pub(crate) struct Slot {
    handle: OnceCell<Handle<Message>>,
}

impl Journals {
    pub(crate) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            sessions: OnceLock::new(),
            started: AtomicU64::new(0),
            live: AtomicUsize::new(0),
        }
    }

    /// Names the supervisor that session actors run under; once, at start.
    pub(crate) fn run_under(&self, sessions: SupervisorHandle) {
        let _ = self.sessions.set(sessions);
    }

    fn shard(&self, key: &JournalKey) -> &Mutex<Shard> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0);
        &self.shards[index]
    }

    /// Where the readers of a journal meet its writer, whether or not it has one now.
    pub(crate) fn hub(&self, key: &JournalKey) -> Arc<Hub> {
        let mut shard = self.shard(key).lock();
        if let Some(hub) = shard.hubs.get(key).and_then(Weak::upgrade) {
            return hub;
        }
        let hub = Arc::new(Hub::new());
        if shard.hubs.len() > 64 && shard.hubs.len().is_power_of_two() {
            shard.hubs.retain(|_, hub| hub.strong_count() > 0);
        }
        shard.hubs.insert(key.clone(), Arc::downgrade(&hub));
        hub
    }

    /// The hub of a journal, if anybody holds one.
    pub(crate) fn hub_if_any(&self, key: &JournalKey) -> Option<Arc<Hub>> {
        self.shard(key).lock().hubs.get(key).and_then(Weak::upgrade)
    }

    /// Whether a journal has an actor.
    pub(crate) fn is_live(&self, key: &JournalKey) -> bool {
        self.shard(key).lock().actors.contains_key(key)
    }

    /// Called by an actor that leaves: later callers get a new one.
    pub(crate) fn left(&self, key: &JournalKey, slot: &Arc<Slot>) {
        let mut shard = self.shard(key).lock();
        if shard
            .actors
            .get(key)
            .is_some_and(|current| Arc::ptr_eq(current, slot))
        {
            shard.actors.remove(key);
            self.live.fetch_sub(1, Ordering::Relaxed);
        }
        if shard.hubs.get(key).is_some_and(|hub| hub.strong_count() == 0) {
            shard.hubs.remove(key);
        }
    }

    /// Whether a journal has an actor here, or may get one, and in which way then.
    ///
    /// # Errors
    /// UNAVAILABLE, with where to ask instead if that is known.
    pub(crate) fn admits(&self, shared: &Shared, key: &JournalKey, way: Way) -> Result<Way, Failure> {
        match &shared.fleet {
            Some(fleet) if !self.is_live(key) => fleet.admits(key, way),
            Some(_) | None => Ok(way),
        }
    }

    /// The handle of a journal's actor, which is started if there is none.
    async fn handle(
        &self,
        shared: &Arc<Shared>,
        key: &JournalKey,
        way: Way,
    ) -> Result<(Handle<Message>, Arc<Slot>), Failure> {
        let way = self.admits(shared, key, way)?;
        let slot = {
            let mut shard = self.shard(key).lock();
            match shard.actors.get(key) {
                Some(slot) => Arc::clone(slot),
                None => {
                    if self.live.load(Ordering::Relaxed) >= shared.config.live_journals {
                        return Err(busy(Duration::from_millis(500), "too many sessions are at work"));
                    }
                    self.live.fetch_add(1, Ordering::Relaxed);
                    let slot = Arc::new(Slot::default());
                    shard.actors.insert(key.clone(), Arc::clone(&slot));
                    slot
                }
            }
        };
        if let Some(handle) = slot.handle.get() {
            return Ok((handle.clone(), slot));
        }
        // Whoever asks may leave: an actor that was being started is not to be forgotten half-way.
        let (starting, of, place) = (Arc::clone(shared), key.clone(), Arc::clone(&slot));
        let started = shared.tasks.spawn(async move {
            let started = starting.journals.start(&starting, &of, way, &place).await;
            started.inspect_err(|_| starting.journals.left(&of, &place))
        });
        match started.await {
            Ok(started) => started.map(|handle| (handle, slot)),
            Err(_) => Err(Failure::unavailable("the session's owner was not started")),
        }
    }

    async fn start(
        &self,
        shared: &Arc<Shared>,
        key: &JournalKey,
        way: Way,
        slot: &Arc<Slot>,
    ) -> Result<Handle<Message>, Failure> {
        let started = slot.handle.get_or_try_init(|| async {
            let sessions = self
                .sessions
                .get()
                .ok_or_else(|| Failure::unavailable("the supervisor is starting"))?;
            let number = self.started.fetch_add(1, Ordering::Relaxed);
            let hub = self.hub(key);
            let actor = JournalActor::new(Arc::clone(shared), key.clone(), way, hub, Arc::clone(slot));
            let spec = ChildSpec::once(format!("{}@{number}", key.journal), "session", actor).capacity(256);
            sessions
                .add(spec)
                .await
                .map_err(|error| Failure::unavailable(error.to_string()))
        });
        started.await.cloned()
    }

    /// Gives a command to the journal's owner and waits for its answer. An owner that is lost meanwhile is
    /// replaced, and the command given to the next: every operation may be given twice.
    pub(crate) async fn ask(
        &self,
        shared: &Arc<Shared>,
        key: &JournalKey,
        way: Way,
        operation: Operation,
        mut done: Option<oneshot::Sender<TaskRow>>,
    ) -> Result<OwnerReply, Failure> {
        let (mut again, mut given) = (0, false);
        let mut operation = operation;
        loop {
            let (handle, slot) = match self.handle(shared, key, way).await {
                Ok(found) => found,
                // Said elsewhere, it would seem not to have begun.
                Err(failure) if given => return Err(Failure::unavailable(failure.message)),
                Err(failure) => return Err(failure),
            };
            let (answer, answered) = oneshot::channel();
            let command = Command {
                operation: operation.clone(),
                answer,
                done: done.take(),
                admission: None,
            };
            match handle.send(Message::Command(Box::new(command))) {
                Ok(()) => {
                    if let Ok(answer) = answered.await {
                        return match given {
                            true => answer.map_err(begun_before),
                            false => answer,
                        };
                    }
                    operation.is_repeated();
                    given = true;
                }
                // It may have been accepted before: then it is not refused, its outcome is not known.
                Err(SendError::Busy { .. }) if given => {
                    return Err(Failure::unavailable(
                        "the session's owner was lost, and the next one is busy",
                    ));
                }
                Err(SendError::Busy { retry_after, .. }) => {
                    return Err(busy(retry_after, "this session is busy"));
                }
                Err(SendError::Down { .. } | SendError::Gone { .. }) => {}
            }
            self.left(key, &slot);
            again += 1;
            if again >= TRIES {
                return Err(Failure::unavailable(
                    "the session's owner was lost again and again",
                ));
            }
            tokio::time::sleep(shared.jitter(Duration::from_millis(10 << again))).await;
        }
    }

    /// Kills a journal's actor, as supervision does with one that hangs. Tells whether there was one.
    #[cfg(test)]
    pub(crate) fn kill(&self, key: &JournalKey) -> bool {
        let slot = self.shard(key).lock().actors.get(key).cloned();
        let handle = slot.as_ref().and_then(|slot| slot.handle.get());
        handle.inspect(|handle| handle.kill()).is_some()
    }

    /// Gives a live journal's actor the chance to look at the time, without waiting.
    pub(crate) fn nudge(&self, key: &JournalKey) {
        self.tell(key, Message::Tick);
    }

    /// Tells a live journal's actor that a step of it has used more, without waiting.
    pub(crate) fn metered(&self, key: &JournalKey) {
        self.tell(key, Message::Metered);
    }

    fn tell(&self, key: &JournalKey, message: Message) {
        let slot = self.shard(key).lock().actors.get(key).cloned();
        if let Some(handle) = slot.as_ref().and_then(|slot| slot.handle.get()) {
            // A busy actor looks at the time, and at its meters, anyway.
            let _ = handle.send(message);
        }
    }
}

/// What the next owner refuses, of a command that a lost one had been given: it may have begun, whatever is said now.
fn begun_before(failure: Failure) -> Failure {
    match failure.elsewhere.is_some() || failure.not_begun {
        true => Failure::unavailable(failure.message),
        false => failure,
    }
}

fn busy(retry_after: Duration, why: &str) -> Failure {
    Failure::new(ErrorCode::ResourceExhausted, why).retry_after(retry_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lost_owner_may_have_begun_is_not_said_to_be_elsewhere_or_not_begun() {
        let sent_on = Failure::elsewhere("127.0.0.1:7070".parse().unwrap());
        for refused in [
            sent_on,
            Failure::unavailable("this supervisor is leaving").not_begun(),
        ] {
            let told = Failure::unavailable(refused.message.clone());
            assert_eq!(begun_before(refused), told);
        }
        let taken = Failure::new(ErrorCode::Conflict, "taken");
        assert_eq!(begun_before(taken.clone()), taken);
    }
}
