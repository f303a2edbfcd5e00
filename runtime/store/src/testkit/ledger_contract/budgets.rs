//! Budgets.

use greenroom_kernel::{About, Budget, BudgetId, BudgetWindow};

use super::Subject;
use crate::testkit::fixture::tenant;

pub async fn budgets_are_kept_replaced_and_removed(ledger: &Subject) {
    let budget = |of: &str, id: &str, limit| Budget {
        id: BudgetId::parse(id).unwrap(),
        tenant: tenant(of),
        subject: About::Each,
        key: About::One("laptop".into()),
        model: About::All,
        window: BudgetWindow::Month,
        limit_nanos: Some(limit),
        limit_tokens: None,
        hard: true,
        configured: false,
    };
    for kept in [
        budget("acme", "a", 1),
        budget("bolt", "a", 2),
        budget("acme", "b", 3),
        budget("acme", "a", 4),
    ] {
        ledger.put_budget(&kept).await.unwrap();
    }
    let b = BudgetId::parse("b").unwrap();
    assert!(ledger.remove_budget(&tenant("acme"), &b).await.unwrap());
    assert!(!ledger.remove_budget(&tenant("acme"), &b).await.unwrap());
    assert_eq!(
        ledger.budgets().await.unwrap(),
        [budget("acme", "a", 4), budget("bolt", "a", 2)]
    );
}
