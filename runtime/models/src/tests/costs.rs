//! What tries cost is written down, whoever leaves; what they may cost is held, whoever comes.

mod budgets;
mod figures;
mod follow;
mod log;
mod past;
mod rows;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use greenroom_kernel::*;
use greenroom_store::MemoryLedger;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::script::Scripted;
use super::world::{World, config, context};
use crate::{Accounts, AccountsConfig, ModelsConfig, Price, PriceTable};

/// A ledger that fails as often as it is told to.
#[derive(Default)]
struct Moody {
    kept: MemoryLedger,
    failing: AtomicU32,
    /// How often sums can't be read.
    blind: AtomicU32,
    /// Whose rows can't be kept for what they are.
    unfit: Mutex<Option<&'static str>>,
    /// Whether requests can't be kept with what was said.
    is_terse: AtomicBool,
    /// How often it was asked to keep something.
    asked: AtomicU32,
}

impl Moody {
    fn fits(&self, records: &Records) -> bool {
        let unfit = *self.unfit.lock();
        let tries = records.tries.iter().map(|row| &row.caller);
        let mut callers = tries.chain(records.requests.iter().map(|row| &row.caller));
        let is_terse = self.is_terse.load(Ordering::SeqCst);
        callers.all(|caller| Some(caller.subject.as_str()) != unfit)
            && !(is_terse && records.requests.iter().any(|row| row.content.is_some()))
    }
}

/// Whether it fails once more.
fn fails(times: &AtomicU32) -> bool {
    let once_less = |n: u32| n.checked_sub(1);
    times
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, once_less)
        .is_ok()
}

#[async_trait]
impl Ledger for Moody {
    async fn record(&self, records: Arc<Records>) -> Result<(), StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if !self.fits(&records) {
            let what = "it is too strange".to_owned();
            return Err(StoreError::Unfit {
                operation: "record",
                what,
            });
        }
        if fails(&self.failing) {
            return Err(StoreError::Busy { operation: "record" });
        }
        self.kept.record(records).await
    }

    async fn spend(&self, tenant: &TenantId, query: &SpendQuery) -> Result<Vec<SpendRow>, StoreError> {
        if fails(&self.blind) {
            return Err(StoreError::Busy { operation: "spend" });
        }
        self.kept.spend(tenant, query).await
    }

    async fn tries(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<LedgerRow>, StoreError> {
        self.kept.tries(tenant, page).await
    }

    async fn requests(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<RequestRow>, StoreError> {
        self.kept.requests(tenant, page).await
    }

    async fn sweep_requests(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.kept.sweep_requests(before, limit).await
    }

    async fn budgets(&self) -> Result<Vec<Budget>, StoreError> {
        self.kept.budgets().await
    }

    async fn put_budget(&self, budget: &Budget) -> Result<(), StoreError> {
        self.kept.put_budget(budget).await
    }

    async fn remove_budget(&self, tenant: &TenantId, id: &BudgetId) -> Result<bool, StoreError> {
        self.kept.remove_budget(tenant, id).await
    }
}

/// A world that pays, and what it is written in.
struct Shop {
    world: World,
    accounts: Arc<Accounts>,
    ledger: Arc<Moody>,
    closing: CancellationToken,
    writer: JoinSet<()>,
}

fn priced(backends: &[&Arc<Scripted>]) -> ModelsConfig {
    let mut config = config(backends);
    // 1 and 2 dollars a token: sums are easily read.
    config.prices = PriceTable::empty("7").with("a/*", Price::new(1e6, 1e6, 2e6));
    config
}

impl Shop {
    async fn open(config: ModelsConfig, budgets: Vec<Budget>) -> Self {
        Self::over(config, Arc::default(), budgets).await
    }

    async fn over(config: ModelsConfig, ledger: Arc<Moody>, budgets: Vec<Budget>) -> Self {
        let accounts = AccountsConfig {
            budgets,
            content: Some(Arc::new(|text| text.replace("secret", "[redacted]"))),
            ..AccountsConfig::new(config.prices.version.clone())
        };
        let port = Arc::clone(&ledger) as Arc<dyn Ledger>;
        let (world, accounts) = World::paying(config, port, accounts).await;
        let closing = CancellationToken::new();
        Self {
            writer: JoinSet::from_iter([Arc::clone(&accounts).run(closing.clone())]),
            world,
            accounts,
            ledger,
            closing,
        }
    }

    /// What is written once everything is, the oldest first.
    async fn rows(&self) -> Vec<LedgerRow> {
        // Asking waits for what has ended.
        self.accounts.spend(&who(), spend(&[])).await.unwrap();
        let page = PageRequest {
            after: None,
            limit: 10_000,
        };
        let mut rows = self.ledger.tries(&who().tenant, &page).await.unwrap().rows;
        rows.reverse();
        rows
    }

    async fn requests(&self) -> Vec<RequestRow> {
        let page = PageRequest {
            after: None,
            limit: 10_000,
        };
        let all = RequestQuery::default();
        let mut rows = self.accounts.requests(&who(), all, page).await.unwrap().rows;
        rows.reverse();
        rows
    }

    async fn standing(&self) -> BudgetStanding {
        self.accounts.budgets(&who()).await.unwrap().remove(0)
    }
}

fn who() -> Principal {
    Principal {
        tenant: TenantId::parse("acme").unwrap(),
        subject: Subject::parse("ann").unwrap(),
        scopes: Vec::new(),
        tier: "dev".to_owned(),
    }
}

fn spend(group_by: &[SpendDimension]) -> SpendQuery {
    SpendQuery {
        from: "1970-01-01".into(),
        to: "1970-02-01".into(),
        group_by: group_by.to_vec(),
        limit: 100,
    }
}

fn paid() -> CallContext {
    let who = who();
    CallContext {
        caller: Some(Arc::new(Caller {
            request: Some("r-1".into()),
            ..Caller::new(who.tenant, who.subject)
        })),
        ..context()
    }
}
