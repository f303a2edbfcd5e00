//! What every supervisor tells of as it happens, in one stream: it follows those that come, leave and come back.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use greenroom_kernel::{
    AgentName, AgentStatus, Backoff, Failure, HostPort, NodeId, SupervisionEvent, Timestamp,
};
use tokio::sync::watch;
use tokio_stream::StreamMap;

use super::peer::{Peer, Tried};
use super::{Shared, merge};
use crate::GrpcSupervisor;

/// How a subscription is opened at one supervisor.
pub(super) type Open<T> =
    Arc<dyn Fn(GrpcSupervisor) -> BoxFuture<'static, Result<BoxStream<'static, T>, Failure>> + Send + Sync>;

/// How long opening it may take.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// How long is waited before it is opened again.
const PAUSE: Backoff = Backoff {
    base: Duration::from_millis(500),
    at_most: Duration::from_secs(10),
};

enum News<T> {
    Told(T),
    /// The supervisor no longer tells anything: what it told is old.
    Lost,
}

struct All<T> {
    shared: Arc<Shared>,
    open: Open<T>,
    changes: watch::Receiver<u64>,
    tellers: StreamMap<HostPort, BoxStream<'static, News<T>>>,
    gone: VecDeque<HostPort>,
}

impl<T: Send + 'static> All<T> {
    /// # Errors
    /// When it could be opened at nobody: what the first one said.
    async fn open(shared: Arc<Shared>, open: Open<T>) -> Result<Self, Failure> {
        let mut changes = shared.changed.subscribe();
        changes.mark_changed();
        let opened = shared.all(OPEN_WITHIN, |handle| open(handle)).await?;
        let mut tellers = StreamMap::new();
        for (_, peer, stream) in opened {
            let address = peer.address.clone();
            tellers.insert(address, tell(&shared, peer, &open, stream.ok()));
        }
        Ok(Self {
            shared,
            open,
            changes,
            tellers,
            gone: VecDeque::new(),
        })
    }

    async fn next(&mut self) -> (HostPort, News<T>) {
        loop {
            if let Some(address) = self.gone.pop_front() {
                return (address, News::Lost);
            }
            tokio::select! {
                // Its sender lives in what is shared.
                _ = self.changes.changed() => self.meet(),
                Some(news) = self.tellers.next(), if !self.tellers.is_empty() => return news,
            }
        }
    }

    /// Listens to those who came, and no longer to those who left.
    fn meet(&mut self) {
        let roster = self.shared.roster.load_full();
        let left = |address: &&HostPort| !roster.seats.iter().any(|seat| seat.peer.address == **address);
        let left: Vec<_> = self.tellers.keys().filter(left).cloned().collect();
        for address in left {
            self.tellers.remove(&address);
            self.gone.push_back(address);
        }
        for seat in &roster.seats {
            let address = &seat.peer.address;
            if !self.tellers.contains_key(address) {
                let teller = tell(&self.shared, Arc::clone(&seat.peer), &self.open, None);
                self.tellers.insert(address.clone(), teller);
            }
        }
    }
}

/// What one supervisor tells, for ever: asked again whenever it stops.
fn tell<T: Send + 'static>(
    shared: &Arc<Shared>,
    peer: Arc<Peer>,
    open: &Open<T>,
    opened: Option<BoxStream<'static, T>>,
) -> BoxStream<'static, News<T>> {
    let (shared, open) = (Arc::clone(shared), Arc::clone(open));
    stream::unfold((opened, 0_u32), move |(mut stream, mut failures)| {
        let (shared, peer, open) = (Arc::clone(&shared), Arc::clone(&peer), Arc::clone(&open));
        async move {
            loop {
                if let Some(telling) = &mut stream {
                    return match telling.next().await {
                        Some(told) => Some((News::Told(told), (stream, 0))),
                        None => Some((News::Lost, (None, failures))),
                    };
                }
                let pause = PAUSE.half_jitter(failures, shared.random.next_u64());
                tokio::time::sleep(pause).await;
                failures = failures.saturating_add(1);
                let tried = peer
                    .call(&*shared.clock, Some(OPEN_WITHIN), |handle| open(handle))
                    .await;
                if let Tried::Done(telling) = tried {
                    stream = Some(telling);
                }
            }
        }
    })
    .boxed()
}

/// Agents' states as they change, each as all supervisors together find it.
pub(super) async fn agents(
    shared: Arc<Shared>,
    open: Open<AgentStatus>,
) -> Result<BoxStream<'static, AgentStatus>, Failure> {
    let watching = Agents {
        all: All::open(shared, open).await?,
        views: HashMap::new(),
        shown: HashMap::new(),
        waiting: VecDeque::new(),
    };
    let states = stream::unfold(watching, |mut watching| async {
        loop {
            if let Some(status) = watching.waiting.pop_front() {
                return Some((status, watching));
            }
            let (address, news) = watching.all.next().await;
            watching.learn(address, news);
        }
    });
    Ok(states.boxed())
}

struct Agents {
    all: All<AgentStatus>,
    views: HashMap<HostPort, BTreeMap<AgentName, AgentStatus>>,
    shown: HashMap<AgentName, AgentStatus>,
    waiting: VecDeque<AgentStatus>,
}

impl Agents {
    fn learn(&mut self, address: HostPort, news: News<AgentStatus>) {
        match news {
            News::Told(status) => {
                let name = status.card.name.clone();
                self.views
                    .entry(address)
                    .or_default()
                    .insert(name.clone(), status);
                self.show(&name);
            }
            News::Lost => {
                for name in self.views.remove(&address).unwrap_or_default().into_keys() {
                    self.show(&name);
                }
            }
        }
    }

    /// Shows an agent as it is found now, if that is news. Of one that nobody knows any more there is none.
    fn show(&mut self, name: &AgentName) {
        let views = self.views.values().filter_map(|view| view.get(name)).cloned();
        let Some(status) = merge::agents(views).pop() else {
            self.shown.remove(name);
            return;
        };
        // When it was looked at is no news.
        let comparable = AgentStatus {
            checked_at: Timestamp::default(),
            ..status.clone()
        };
        if self.shown.get(name) != Some(&comparable) {
            self.shown.insert(name.clone(), comparable);
            self.waiting.push_back(status);
        }
    }
}

/// What happens in every supervision tree, under its node's name.
pub(super) async fn supervision(
    shared: Arc<Shared>,
    open: Open<SupervisionEvent>,
) -> Result<BoxStream<'static, SupervisionEvent>, Failure> {
    let all = All::open(shared, open).await?;
    let events = stream::unfold(all, |mut all| async {
        loop {
            if let (address, News::Told(event)) = all.next().await {
                let roster = all.shared.roster.load();
                let seat = roster.seats.iter().find(|seat| seat.peer.address == address);
                let node = seat.map_or_else(|| address.to_string(), |seat| NodeId::to_string(&seat.node));
                drop(roster);
                return Some((merge::event(&node, event), all));
            }
        }
    });
    Ok(events.boxed())
}
