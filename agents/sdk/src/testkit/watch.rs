//! What the kit sees while an agent works: where in its program it is, and what became of its own steps' work.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use greenroom_kernel::{Failure, StepPath};
use parking_lot::Mutex;

use crate::AgentError;

/// Looks on during one run of the kit, through all of its attempts.
#[derive(Debug, Default)]
pub(crate) struct Watch(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    asked: HashMap<StepPath, &'static Location<'static>>,
    going: BTreeSet<StepPath>,
    works: HashMap<StepPath, Work>,
}

/// What became of an own step's work.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work {
    /// How often it began.
    pub(crate) begun: u32,
    /// What came of it the last time, unless it was cut short.
    pub(crate) result: Option<Result<String, Failure>>,
}

/// Where this thread is in an agent's program.
#[derive(Debug, Clone)]
pub(crate) enum Here {
    /// In the agent, between its steps.
    Between,
    /// In the work of a step.
    Step(StepPath),
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// Where this thread is; none outside agents that the kit runs.
pub(crate) fn here() -> Option<Here> {
    HERE.with_borrow(Clone::clone)
}

/// Runs `work` as being `here`.
pub(crate) fn within<R>(here: Here, work: impl FnOnce() -> R) -> R {
    /// Puts back what was there, also when `work` panics.
    struct Back(Option<Here>);
    impl Drop for Back {
        fn drop(&mut self) {
            HERE.set(self.0.take());
        }
    }
    let _back = Back(HERE.replace(Some(here)));
    work()
}

impl Watch {
    /// A call was made, there.
    pub(crate) fn asked(&self, path: &StepPath, at: &'static Location<'static>) {
        self.0.lock().asked.insert(path.clone(), at);
    }

    /// Where a call was last made.
    pub(crate) fn place(&self, path: &StepPath) -> Option<&'static Location<'static>> {
        self.0.lock().asked.get(path).copied()
    }

    fn began(&self, path: &StepPath) {
        let mut seen = self.0.lock();
        seen.going.insert(path.clone());
        let work = seen.works.entry(path.clone()).or_default();
        work.begun += 1;
        work.result = None;
    }

    fn left(&self, path: &StepPath) {
        self.0.lock().going.remove(path);
    }

    /// A step's work came to its end.
    pub(crate) fn finished(&self, path: &StepPath, result: &Result<String, Failure>) {
        self.0.lock().works.entry(path.clone()).or_default().result = Some(result.clone());
    }

    /// Steps whose work is under way.
    pub(crate) fn going(&self) -> Option<StepPath> {
        self.0.lock().going.first().cloned()
    }

    /// What became of a step's work.
    pub(crate) fn work(&self, path: &StepPath) -> Work {
        self.0.lock().works.get(path).cloned().unwrap_or_default()
    }
}

/// A step's work, told to the kit as it is polled and dropped.
pub(crate) struct Watched<'a, R> {
    work: BoxFuture<'a, Result<R, AgentError>>,
    watch: Option<Arc<Watch>>,
    path: StepPath,
    begun: bool,
}

/// Tells `watch` of a step's work.
pub(crate) fn watched<'a, R, F>(watch: Option<Arc<Watch>>, path: StepPath, work: F) -> Watched<'a, R>
where
    F: Future<Output = Result<R, AgentError>> + Send + 'a,
{
    Watched {
        work: Box::pin(work),
        watch,
        path,
        begun: false,
    }
}

impl<R> Future for Watched<'_, R> {
    type Output = Result<R, AgentError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(watch) = &this.watch else {
            return this.work.as_mut().poll(cx);
        };
        if !this.begun {
            this.begun = true;
            watch.began(&this.path);
        }
        within(Here::Step(this.path.clone()), || this.work.as_mut().poll(cx))
    }
}

impl<R> Drop for Watched<'_, R> {
    fn drop(&mut self) {
        if let (true, Some(watch)) = (self.begun, &self.watch) {
            watch.left(&self.path);
        }
    }
}
