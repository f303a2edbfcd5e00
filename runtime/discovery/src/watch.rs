//! Keeps a picture of the others up to date, from any directory.
//!
//! It asks for the directory's revision often and for the whole list when that moved, and now and then all the same:
//! revisions don't move when only health did. While the directory is away the last known members stay, and the picture
//! says since when it is old. An empty list after a full one is believed when it was seen twice.

mod known;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use greenroom_kernel::{
    Clock, Discovery, DiscoveryError, HealthProbe, MemberId, MemberListing, Membership, Timestamp,
};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use known::Known;

/// How often is looked, and how long is waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchConfig {
    /// From one look at the revision to the next; where there is none, from one list to the next.
    pub poll: Duration,
    /// The oldest that a list may become though the revision stands still.
    pub refresh: Duration,
    /// How long the directory may take to answer.
    pub answer_within: Duration,
    /// From one question to a member how it is to the next.
    pub probe_every: Duration,
    /// How long a member may take to say so.
    pub probe_within: Duration,
    /// How many members are asked at the same time.
    pub probes_at_once: usize,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            refresh: Duration::from_secs(5),
            answer_within: Duration::from_secs(5),
            probe_every: Duration::from_secs(2),
            probe_within: Duration::from_secs(2),
            probes_at_once: 64,
        }
    }
}

/// Looks after one directory, for as long as it is [run](Watch::run).
pub struct Watch {
    discovery: Arc<dyn Discovery>,
    probe: Option<Arc<dyn HealthProbe>>,
    clock: Arc<dyn Clock>,
    config: WatchConfig,
    known: Known,
    listed: Option<Instant>,
    revision: Option<i64>,
    failures: u32,
    stale_since: Option<Timestamp>,
    why: Option<String>,
    notes: Vec<String>,
    told: watch::Sender<Membership>,
}

/// A look at the directory: none where its revision stands still.
type Looked = Result<Option<MemberListing>, DiscoveryError>;
/// What a member said, which entry of the picture it was asked as.
type Asked = (MemberId, u64, Result<(), String>);

impl Watch {
    /// Makes a watch and the picture it keeps. With a `probe` the members' own word decides who is usable; without one
    /// the directory's does for those not met yet, and whoever uses them finds out the rest.
    pub fn new(
        discovery: Arc<dyn Discovery>,
        probe: Option<Arc<dyn HealthProbe>>,
        clock: Arc<dyn Clock>,
        config: WatchConfig,
    ) -> (Self, watch::Receiver<Membership>) {
        let (told, seen) = watch::channel(Membership::default());
        let watch = Self {
            known: Known::new(probe.is_some()),
            discovery,
            probe,
            clock,
            config,
            listed: None,
            revision: None,
            failures: 0,
            stale_since: None,
            why: None,
            notes: Vec::new(),
            told,
        };
        (watch, seen)
    }

    /// Keeps the picture up to date until `until` fires; the picture is closed then.
    pub async fn run(mut self, until: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.config.probes_at_once.max(1)));
        let mut probing: FuturesUnordered<BoxFuture<'static, Asked>> = FuturesUnordered::new();
        let mut looking = self.look(Duration::ZERO);
        loop {
            tokio::select! {
                biased;
                () = until.cancelled() => return,
                looked = &mut looking => {
                    match looked {
                        Ok(Some(listing)) => self.took(listing),
                        Ok(None) => {}
                        Err(error) => self.failed(&error),
                    }
                    for (id, entry) in self.known.unasked() {
                        probing.extend(self.ask(&slots, id, entry, Duration::ZERO));
                    }
                    looking = self.look(self.pause());
                }
                Some((id, entry, said)) = probing.next(), if !probing.is_empty() => {
                    if self.known.said(&id, entry, said) {
                        probing.extend(self.ask(&slots, id, entry, self.config.probe_every));
                    }
                }
            }
            self.tell();
        }
    }

    /// Looks at the directory after `pause`.
    fn look(&self, pause: Duration) -> BoxFuture<'static, Looked> {
        let (discovery, within) = (Arc::clone(&self.discovery), self.config.answer_within);
        let listed = self
            .listed
            .filter(|_| self.failures == 0 && !self.known.doubts_emptiness());
        let (seen, refresh) = (self.revision, self.config.refresh);
        Box::pin(async move {
            sleep(pause).await;
            let late = |operation| DiscoveryError::Unreachable {
                place: discovery.place(),
                operation,
                why: format!("not within {} ms", within.as_millis()),
            };
            let revision = timeout(within, discovery.revision()).await;
            let revision = revision.map_err(|_| late("the question for the revision"))??;
            let fresh = listed.is_some_and(|at| at.elapsed() < refresh);
            if fresh && revision.is_some() && revision == seen {
                return Ok(None);
            }
            let listing = timeout(within, discovery.list()).await;
            let listing = listing.map_err(|_| late("the question for the list"))??;
            Ok(Some(MemberListing {
                // What was asked for before may be older than the list, never newer: at worst it is listed again.
                revision: listing.revision.or(revision),
                ..listing
            }))
        })
    }

    fn ask(
        &self,
        slots: &Arc<Semaphore>,
        id: MemberId,
        entry: u64,
        pause: Duration,
    ) -> Option<BoxFuture<'static, Asked>> {
        let (probe, member) = (Arc::clone(self.probe.as_ref()?), self.known.member(&id)?.clone());
        let (slots, within) = (Arc::clone(slots), self.config.probe_within);
        Some(Box::pin(async move {
            sleep(pause).await;
            let _slot = slots.acquire().await;
            let said = match timeout(within, probe.probe(&member)).await {
                Ok(said) => said.map_err(|failure| failure.message),
                Err(_) => Err(format!("no answer within {} ms", within.as_millis())),
            };
            (id, entry, said)
        }))
    }

    fn took(&mut self, listing: MemberListing) {
        let place = self.discovery.place();
        if self.stale_since.take().is_some() {
            tracing::info!(%place, "discovery answers again");
        }
        (self.failures, self.why) = (0, None);
        (self.listed, self.revision) = (Some(Instant::now()), listing.revision);
        if listing.notes != self.notes {
            for note in &listing.notes {
                tracing::warn!(%place, %note, "discovery");
            }
            self.notes = listing.notes;
        }
        let change = self.known.take(listing.members);
        if !change.is_empty() {
            tracing::info!(%place, %change, "members changed");
        }
    }

    fn failed(&mut self, error: &DiscoveryError) {
        let why = error.to_string();
        if self.why.as_ref() != Some(&why) {
            let kept = self.known.len();
            if error.is_retryable() {
                tracing::warn!(%error, kept, "discovery does not answer: the last known members stay");
            } else {
                tracing::error!(%error, kept, "discovery can't be used: the last known members stay");
            }
        }
        self.stale_since.get_or_insert(self.clock.now());
        self.why = Some(why);
        self.failures = self.failures.saturating_add(1);
    }

    /// How long until the next look: longer and longer while nobody answers, up to the time between two lists.
    fn pause(&self) -> Duration {
        let doubled = self
            .config
            .poll
            .saturating_mul(1 << self.failures.saturating_sub(1).min(10));
        doubled.min(self.config.refresh.max(self.config.poll))
    }

    fn tell(&self) {
        let now = Membership {
            members: self.known.views(),
            stale_since: self.stale_since,
            why: self.why.clone(),
            known: self.listed.is_some(),
        };
        self.told.send_if_modified(|told| {
            let news = *told != now;
            if news {
                *told = now;
            }
            news
        });
    }
}

#[cfg(test)]
mod tests;
