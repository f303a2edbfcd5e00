//! Budgets that one process sets hold in the others that share its ledger.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::*;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::budgets::{budget, short};
use super::{Moody, paid, priced, who};
use crate::tests::script::Scripted;
use crate::tests::world::World;
use crate::{Accounts, AccountsConfig};

async fn process(
    ledger: &Arc<Moody>,
    a: &Arc<Scripted>,
    writers: &mut JoinSet<()>,
) -> (World, Arc<Accounts>) {
    let config = AccountsConfig {
        shared: true,
        ..AccountsConfig::new("7")
    };
    let port = Arc::clone(ledger) as Arc<dyn Ledger>;
    let (world, accounts) = World::paying(priced(&[a]), port, config).await;
    writers.spawn(Arc::clone(&accounts).run(CancellationToken::new()));
    (world, accounts)
}

#[tokio::test(start_paused = true)]
async fn what_one_process_sets_and_removes_holds_in_the_others_within_seconds() {
    let (ledger, mut writers) = (Arc::<Moody>::default(), JoinSet::new());
    let a = Scripted::new("a", vec![]);
    let (_, one) = process(&ledger, &a, &mut writers).await;
    let (world, other) = process(&ledger, &a, &mut writers).await;
    world.call_with(&short(), &paid()).await.result.unwrap();

    let (me, id) = (who(), BudgetId::parse("mine").unwrap());
    one.set_budget(&me, id.clone(), Some(budget("mine", 1)))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(other.budgets(&me).await.unwrap()[0].known);
    let refused = world.call_with(&short(), &paid()).await.result.unwrap_err();
    assert_eq!(refused.code, ErrorCode::LimitExceeded);

    one.set_budget(&me, id, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(other.budgets(&me).await.unwrap().len(), 0);
    world.call_with(&short(), &paid()).await.result.unwrap();
}
