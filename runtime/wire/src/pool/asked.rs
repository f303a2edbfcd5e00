//! What is known of a call before it is made: how long it may take, and whether it may be made twice.

use std::time::Duration;

use greenroom_kernel::Failure;

use super::Shared;
use super::call::Try;
use super::roster::Home;

/// What is to be known of a call before it is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// What it is about.
    pub(super) home: Home<'a>,
    /// How long it may take, tries and pauses together; none is bounded by nothing but its answer.
    pub(super) within: Option<Duration>,
    /// How long one try may take.
    pub(super) a_try: Option<Duration>,
    /// No try begins later than this: it would be late for what it is about.
    pub(super) begun_within: Option<Duration>,
    /// Whether it may be made again when nobody knows what became of it.
    pub(super) again: bool,
}

impl Shared {
    /// A call that changes nothing.
    pub(super) fn reads<'a>(&self, home: Home<'a>) -> Asked<'a> {
        Asked {
            a_try: Some(self.config.read_within),
            ..self.changes(home)
        }
    }

    /// Makes a call that changes nothing.
    pub(super) async fn read<T, F>(&self, home: Home<'_>, call: impl Fn(Try) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.ask(self.reads(home), call).await.answer
    }

    /// Makes a call that comes to the same when it is made twice.
    pub(super) async fn twice<T, F>(&self, home: Home<'_>, call: impl Fn(Try) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.ask(self.changes(home), call).await.answer
    }

    /// A call that comes to the same when it is made twice.
    pub(super) fn changes<'a>(&self, home: Home<'a>) -> Asked<'a> {
        Asked {
            home,
            within: Some(self.config.answer_within),
            a_try: None,
            begun_within: None,
            again: true,
        }
    }

    /// A call that must not be made twice.
    pub(super) fn changes_once<'a>(&self, home: Home<'a>) -> Asked<'a> {
        Asked {
            again: false,
            ..self.changes(home)
        }
    }
}
