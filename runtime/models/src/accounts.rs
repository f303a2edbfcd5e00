//! Who pays for tries: what one may cost is held before it goes out, what it cost is settled and written down behind
//! it.
//!
//! A call waits for no disk here. A try's end is a row in a bounded heap behind a short lock; one task takes the heap
//! every few milliseconds and has the ledger keep it in one commit. What a crash can lose is what stood in the heap and
//! in the commit under way: rows of [`GATHER`] and of two commits. A heap that is full loses no money: rows are drawn
//! together by payer, model and end.

mod costs;
mod estimator;
mod follow;
mod heap;
mod keep;
mod past;
mod recorder;
mod requests;
mod ticket;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use greenroom_kernel::{
    Amount, Budget, Budgets, Charge, Clock, Failure, Ledger, LedgerId, LedgerRow, Passed, Randomness,
    RequestRow, Reservation, Spent, StoreError, Timestamp, Usage,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use estimator::Estimators;
use heap::Heap;
pub(crate) use ticket::{Outcome, Ticket};

use crate::price::Price;

/// How long rows are gathered before they are written, so that many share a commit.
pub const GATHER: Duration = Duration::from_millis(20);

/// Takes secrets out of a text.
pub type Redact = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// What an operator decides about accounts.
#[derive(Clone)]
pub struct AccountsConfig {
    /// Budgets beside those that callers set.
    pub budgets: Vec<Budget>,
    /// Which price table costs are by.
    pub prices: String,
    /// Whether other processes set budgets in the same ledger: they are in force here within five seconds.
    pub shared: bool,
    /// How long a request stays in the log.
    pub keep_requests: Duration,
    /// What takes secrets out of what was said, where that is kept in the log of requests; none: it isn't kept.
    pub content: Option<Redact>,
}

impl AccountsConfig {
    /// Without budgets and content, and requests kept for 30 days.
    pub fn new(prices: impl Into<String>) -> Self {
        Self {
            budgets: Vec::new(),
            prices: prices.into(),
            shared: false,
            keep_requests: Duration::from_secs(30 * 86_400),
            content: None,
        }
    }
}

/// What was counted since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountsStats {
    /// Tries that ended.
    pub tries: u64,
    /// Rows in the ledger.
    pub written: u64,
    /// Tries that were drawn together with others because the heap was full.
    pub merged: u64,
    /// Rows and requests that are lost because even that was full.
    pub lost: u64,
    /// Rows and requests that are lost because the ledger can't keep what is in them.
    pub unfit: u64,
    /// Requests that were kept without what was said, because too much of it waited.
    pub bare: u64,
    /// Tries that budgets refused.
    pub refused: u64,
    /// Times that a budget was passed.
    pub passed: u64,
}

#[derive(Default)]
struct Counted {
    tries: AtomicU64,
    written: AtomicU64,
    merged: AtomicU64,
    lost: AtomicU64,
    unfit: AtomicU64,
    bare: AtomicU64,
    refused: AtomicU64,
    passed: AtomicU64,
}

#[derive(Default)]
struct State {
    book: Budgets,
    heap: Heap,
    /// How often the heap was taken to be written.
    taken: u64,
    /// A budget was set whose past is to be read at once.
    is_set: bool,
    /// How often a budget was set or removed here.
    set: u64,
}

/// The accounts of one process.
pub struct Accounts {
    ledger: Option<Arc<dyn Ledger>>,
    clock: Arc<dyn Clock>,
    /// Tells this run of the process from others, and its rows from each other.
    run: u64,
    rows: AtomicU32,
    config: AccountsConfig,
    prices: Arc<str>,
    state: Mutex<State>,
    has_budgets: AtomicBool,
    /// Whether what was spent of some budget before isn't known yet.
    has_unknown: AtomicBool,
    estimators: Estimators,
    woken: Notify,
    /// How often what was taken has been written.
    written: watch::Sender<u64>,
    /// Told whenever the past of a budget has become known.
    learned: Notify,
    counted: Counted,
}

impl Accounts {
    /// Accounts that nobody keeps.
    pub fn none(clock: Arc<dyn Clock>, random: &dyn Randomness) -> Arc<Self> {
        Arc::new(Self::of(None, clock, random, AccountsConfig::new("none")))
    }

    /// Accounts in a ledger, with its budgets and what was spent of them. [`Accounts::run`] writes.
    ///
    /// # Errors
    /// As the ledger says.
    pub async fn open(
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        random: &dyn Randomness,
        config: AccountsConfig,
    ) -> Result<Arc<Self>, StoreError> {
        let mut budgets = ledger.budgets().await?;
        // What the configuration sets lies over what callers did.
        let is_set = |kept: &Budget| {
            let mut set = config.budgets.iter();
            set.any(|set| set.id == kept.id && set.tenant == kept.tenant)
        };
        budgets.retain(|kept| !is_set(kept));
        budgets.extend(config.budgets.iter().cloned().map(|budget| Budget {
            configured: true,
            ..budget
        }));
        let accounts = Self::of(Some(Arc::clone(&ledger)), clock, random, config);
        for budget in budgets {
            accounts.state.lock().book.put(budget);
        }
        let unknown = accounts.unknown(accounts.clock.now());
        for unknown in unknown {
            accounts.learn(&*ledger, &unknown).await?;
        }
        accounts.budgets_changed();
        Ok(Arc::new(accounts))
    }

    fn of(
        ledger: Option<Arc<dyn Ledger>>,
        clock: Arc<dyn Clock>,
        random: &dyn Randomness,
        config: AccountsConfig,
    ) -> Self {
        Self {
            ledger,
            clock,
            run: random.next_u64(),
            rows: AtomicU32::new(0),
            prices: config.prices.as_str().into(),
            config,
            state: Mutex::default(),
            has_budgets: AtomicBool::new(false),
            has_unknown: AtomicBool::new(false),
            estimators: Estimators::default(),
            woken: Notify::new(),
            written: watch::Sender::new(0),
            learned: Notify::new(),
            counted: Counted::default(),
        }
    }

    fn new_id(&self, at: Timestamp) -> LedgerId {
        LedgerId::new(at, self.run, self.rows.fetch_add(1, Ordering::Relaxed))
    }

    fn budgets_changed(&self) {
        let state = self.state.lock();
        // Under the lock: a later change is stored later.
        self.has_budgets.store(!state.book.is_empty(), Ordering::Release);
        self.has_unknown
            .store(state.book.has_unknown(), Ordering::Release);
    }

    /// What was counted.
    pub fn stats(&self) -> AccountsStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AccountsStats {
            tries: read(&self.counted.tries),
            written: read(&self.counted.written),
            merged: read(&self.counted.merged),
            lost: read(&self.counted.lost),
            unfit: read(&self.counted.unfit),
            bare: read(&self.counted.bare),
            refused: read(&self.counted.refused),
            passed: read(&self.counted.passed),
        }
    }

    /// How good estimates of a target's tokens are.
    pub(crate) fn estimators(&self) -> &Estimators {
        &self.estimators
    }

    /// Holds what a try may cost, where a hard budget counts it. `likely` is only asked then.
    ///
    /// # Errors
    /// The budget that has not so much left, in words for the caller.
    pub(crate) fn reserve(
        &self,
        ticket: &Ticket,
        provider: &Arc<str>,
        model: &Arc<str>,
        price: Option<Price>,
        likely: impl FnOnce() -> Usage,
    ) -> Result<Reservation, Failure> {
        if !self.has_budgets.load(Ordering::Acquire) {
            return Ok(Reservation::default());
        }
        let charge = ticket.charge(provider, model);
        if !self.state.lock().book.refuses(&charge) {
            return Ok(Reservation::default());
        }
        let mut likely = likely();
        // Where we are known to guess too low, more is held.
        let ratio = self.estimators.ratio(provider, model).max(1.0);
        likely.input_tokens = (likely.input_tokens as f64 * ratio).ceil() as u64;
        let asked = Amount {
            nanos: price.map_or(0, |price| Amount::nanos_of(price.at_most(&likely))),
            tokens: likely.total_tokens(),
        };
        let now = self.clock.now();
        let held = self
            .state
            .lock()
            .book
            .reserve(&charge, asked, price.is_some(), now);
        held.map_err(|refusal| {
            self.counted.refused.fetch_add(1, Ordering::Relaxed);
            let failure = refusal.failure(now);
            tracing::info!(
                tenant = %charge.tenant,
                subject = charge.subject,
                budget = refusal.budget().as_str(),
                why = failure.message,
                "a budget refused a call"
            );
            failure
        })
    }

    /// A try has ended: what was held for it is given back, what it cost is counted and written down. The row's id,
    /// time and price table are set here.
    pub(crate) fn settle(&self, held: Reservation, mut row: LedgerRow) {
        self.counted.tries.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        row.at = now;
        row.id = self.new_id(now);
        row.prices = Arc::clone(&self.prices);
        if row.usage.estimated {
            row.estimate_error = self.estimators.error(&row.provider, &row.model);
        }
        let spent = Spent::of(&row).amount();
        let mut state = self.state.lock();
        let passed = if state.book.is_empty() {
            Vec::new()
        } else {
            let caller = Arc::clone(&row.caller);
            let charge = Charge {
                tenant: &caller.tenant,
                subject: caller.subject.as_str(),
                key: caller.key.as_deref(),
                provider: &row.provider,
                model: &row.model,
            };
            state.book.settle(held, &charge, spent, now)
        };
        let pushed = state.heap.push(row);
        drop(state);
        self.heaped(pushed);
        passed.iter().for_each(|passed| self.tell(passed));
    }

    /// A request has ended.
    pub(crate) fn request_ended(&self, row: RequestRow) {
        let pushed = self.state.lock().heap.push_request(row);
        self.heaped(pushed);
    }

    fn heaped(&self, pushed: heap::Pushed) {
        // Told when it begins, and ever more seldom while it lasts.
        let is_news = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed).is_power_of_two();
        match pushed {
            heap::Pushed::First => self.woken.notify_one(),
            heap::Pushed::More => {}
            heap::Pushed::Merged => {
                if is_news(&self.counted.merged) {
                    tracing::warn!("the ledger is behind: rows are drawn together until it has caught up");
                }
            }
            heap::Pushed::Bare => {
                if is_news(&self.counted.bare) {
                    tracing::warn!("the ledger is behind: requests are kept without what was said");
                }
            }
            heap::Pushed::Lost => {
                if is_news(&self.counted.lost) {
                    tracing::error!("the ledger is far behind: rows are lost");
                }
            }
        }
    }

    fn tell(&self, passed: &Passed) {
        self.counted.passed.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            tenant = %passed.tenant,
            budget = passed.budget.as_str(),
            hard = passed.hard,
            spent_usd = Amount::usd_of(passed.spent.nanos),
            spent_tokens = passed.spent.tokens,
            "a budget is used up"
        );
    }
}
