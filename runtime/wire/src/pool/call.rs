//! One call: whom it goes to, where it is sent from there, and when it is tried again.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use greenroom_kernel::{ErrorCode, Failure, HostPort, NodeId, RetryDecision};

use super::Shared;
use super::asked::Asked;
use super::peer::{Peer, Tried};
use super::roster::{Home, Roster};
use crate::GrpcSupervisor;

/// What a call came to.
pub(super) struct Told<T> {
    pub(super) answer: Result<T, Failure>,
    /// Whether an earlier try of it may have been carried out.
    pub(super) doubt: bool,
}

/// One try, as the call's maker sees it.
pub(super) struct Try {
    /// By which it is made.
    pub(super) handle: GrpcSupervisor,
    /// How long after the call began.
    pub(super) elapsed: Duration,
}

/// What one round of the supervisors came to.
enum Round<T> {
    Over(Result<T, Failure>),
    /// Worth another round.
    Again(Failure),
    /// Worth another one too: it was sent on, and led nowhere yet.
    Moving(Failure),
}

impl Shared {
    /// Makes a call until it is answered for good. Cancel-safe: what is under way may still be carried out.
    pub(super) async fn ask<T, F>(&self, asked: Asked<'_>, call: impl Fn(Try) -> F) -> Told<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let began = self.clock.monotonic();
        self.budget.lock().first_try(began);
        let (mut made, mut doubt, mut troubled) = (0, false, None);
        loop {
            let (failure, charged) = match self.round(asked, began, &mut doubt, &call).await {
                Round::Over(answer) => {
                    let answer = answer.map_err(stripped);
                    return Told { answer, doubt };
                }
                Round::Again(failure) => (stripped(failure), true),
                // Those who send on do no work. When a journal moves, everybody who is there for it is sent on at once.
                Round::Moving(failure) => (stripped(failure), false),
            };
            made += 1;
            let now = self.clock.monotonic();
            // Who has waited for an answer, for as long as he wished, has had no trouble until now.
            let troubled = now.saturating_sub(*troubled.get_or_insert(now));
            let pause = self.pause(asked, now.saturating_sub(began), made, troubled, &failure);
            let granted = |_: &Duration| !charged || self.budget.lock().try_retry(now);
            let Some(after) = pause.filter(granted) else {
                let answer = Err(failure);
                return Told { answer, doubt };
            };
            tracing::debug!(%failure, made, ?after, "a call of a supervisor is made again");
            tokio::time::sleep(after).await;
        }
    }

    /// How long to wait before the next round; none for no other. The call began `elapsed` ago, and its trouble
    /// `troubled`.
    fn pause(
        &self,
        asked: Asked<'_>,
        elapsed: Duration,
        made: u32,
        troubled: Duration,
        failure: &Failure,
    ) -> Option<Duration> {
        let asked_for = failure.retry_after_ms.map(Duration::from_millis);
        let decided = self
            .config
            .retry
            .decide(made, troubled, asked_for, self.random.next_u64());
        let RetryDecision::Again { after } = decided else {
            return None;
        };
        let late =
            |bound: Option<Duration>| bound.is_some_and(|bound| elapsed.saturating_add(after) >= bound);
        (!late(asked.within) && !late(asked.begun_within)).then_some(after)
    }

    /// Asks one supervisor after the other until one has answered for all.
    async fn round<T, F>(
        &self,
        asked: Asked<'_>,
        began: Duration,
        doubt: &mut bool,
        call: &impl Fn(Try) -> F,
    ) -> Round<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let roster = self.roster.load_full();
        let (mut passed, mut hops, mut last, mut called) = (Vec::new(), 0, None, None);
        // Not by anybody of this round, so that it may be wrong.
        let mut sent = match asked.home {
            Home::Journal(key) => self.placed.of(key),
            Home::Anybody => None,
        };
        loop {
            let peer = match self.next(&roster, asked.home, sent.take(), &passed) {
                Ok(Some(peer)) => peer,
                Ok(None) => return Round::Again(last.unwrap_or_else(|| roster.nobody())),
                Err(failure) => return Round::Over(Err(failure)),
            };
            match self.try_one(&peer, asked, began, call).await {
                Tried::Done(answer) => return Round::Over(Ok(answer)),
                Tried::Unsent(failure) => {
                    self.forget(asked.home);
                    passed.push(peer.address.clone());
                    // The address may be wrong, and ours right.
                    let known = called.take().and_then(|node| roster.of(&node));
                    sent = known.filter(|at| !passed.contains(at));
                    if let (Home::Journal(key), Some(at)) = (asked.home, &sent) {
                        self.placed.put(key, at);
                    }
                    // Whoever has it is gone, and those who say so have yet to notice.
                    if hops > 0 && sent.is_none() {
                        return Round::Moving(failure);
                    }
                    last = Some(failure);
                }
                Tried::Silent(failure) => {
                    *doubt = true;
                    self.forget(asked.home);
                    if !asked.again {
                        return Round::Over(Err(failure));
                    }
                    // Whoever reads need not wait for this one: the next may know as much.
                    if asked.a_try.is_none() || !self.budget.lock().try_retry(self.clock.monotonic()) {
                        return Round::Again(failure);
                    }
                    passed.push(peer.address.clone());
                    last = Some(failure);
                }
                Tried::Refused(mut failure) => {
                    let Some(at) = failure.elsewhere.take() else {
                        *doubt |= failure.code == ErrorCode::Unavailable && !failure.not_begun;
                        return judged(failure, asked.again, *doubt);
                    };
                    if let Home::Journal(key) = asked.home {
                        self.placed.put(key, &at);
                    }
                    hops += 1;
                    passed.push(peer.address.clone());
                    // In a circle, as long as two believe it of each other; or it moves faster than we do.
                    if passed.contains(&at) || hops > self.config.hops {
                        self.forget(asked.home);
                        return Round::Moving(last.unwrap_or(failure));
                    }
                    called = failure.elsewhere_node.take().map(|node| *node);
                    sent = Some(*at);
                }
            }
        }
    }

    fn next(
        &self,
        roster: &Roster,
        home: Home<'_>,
        sent: Option<HostPort>,
        passed: &[HostPort],
    ) -> Result<Option<Arc<Peer>>, Failure> {
        match sent {
            Some(at) => self.named(&at).map(Some),
            None => Ok(roster.next(home, passed, || self.random.next_u64()).cloned()),
        }
    }

    async fn try_one<T, F>(
        &self,
        peer: &Arc<Peer>,
        asked: Asked<'_>,
        began: Duration,
        call: &impl Fn(Try) -> F,
    ) -> Tried<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let elapsed = self.clock.monotonic().saturating_sub(began);
        let left = asked.within.map(|within| within.saturating_sub(elapsed));
        let at_most = match (left, asked.a_try) {
            (Some(left), Some(a_try)) => Some(left.min(a_try)),
            (left, a_try) => left.or(a_try),
        };
        let made = |handle| call(Try { handle, elapsed });
        let tried = peer.call(&*self.clock, at_most, made).await;
        self.note_name(peer);
        tried
    }

    /// Places journals by the name that a supervisor gives itself, should it be news.
    fn note_name(&self, peer: &Peer) {
        if self.roster.load().is_misnamed(peer) {
            self.change(Roster::renamed);
        }
    }

    fn forget(&self, home: Home<'_>) {
        if let Home::Journal(key) = home {
            self.placed.forget(key);
        }
    }

    /// Asks every supervisor at once, each for as long as `within`: who answered, under its name, and what the others
    /// failed with.
    ///
    /// # Errors
    /// When none did: what the first one failed with.
    pub(super) async fn all<T, F>(
        &self,
        within: Duration,
        call: impl Fn(GrpcSupervisor) -> F,
    ) -> Result<Vec<(NodeId, Arc<Peer>, Result<T, Failure>)>, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let roster = self.roster.load_full();
        let asking = roster.seats.iter().map(|seat| {
            let call = &call;
            async move {
                let tried = seat.peer.call(&*self.clock, Some(within), call).await;
                self.note_name(&seat.peer);
                let name = seat.peer.name();
                let node = name.map_or_else(|| seat.node.clone(), |name| (*name).clone());
                let answer = match tried {
                    Tried::Done(answer) => Ok(answer),
                    Tried::Unsent(failure) | Tried::Silent(failure) | Tried::Refused(failure) => {
                        Err(stripped(failure))
                    }
                };
                (node, Arc::clone(&seat.peer), answer)
            }
        });
        let mut told = join_all(asking).await;
        if told.iter().all(|(_, _, answer)| answer.is_err()) {
            let first = told.drain(..).find_map(|(_, _, answer)| answer.err());
            return Err(first.unwrap_or_else(|| roster.nobody()));
        }
        told.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        Ok(told)
    }
}

/// What becomes of a call that was answered with a failure.
fn judged<T>(failure: Failure, again: bool, doubt: bool) -> Round<T> {
    match failure.code {
        ErrorCode::Unavailable if failure.retryable && (again || failure.not_begun) => Round::Again(failure),
        // An earlier try may have been taken: this refusal doesn't say that nothing was.
        ErrorCode::ResourceExhausted if doubt => Round::Again(Failure {
            code: ErrorCode::Unavailable,
            ..failure
        }),
        _ => Round::Over(Err(failure)),
    }
}

/// What our processes tell each other is nobody's business outside.
fn stripped(failure: Failure) -> Failure {
    Failure {
        elsewhere: None,
        elsewhere_node: None,
        not_begun: false,
        ..failure
    }
}
