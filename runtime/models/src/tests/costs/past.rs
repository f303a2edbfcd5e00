//! What was spent of a budget before it was set is known before it lets anything through.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_kernel::*;

use super::budgets::{budget, short, tokens};
use super::{Moody, Shop, paid, priced, who};
use crate::tests::script::{Act, Scripted, USED, says, streams};

fn mine() -> BudgetId {
    BudgetId::parse("mine").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_hard_budget_whose_past_can_t_be_read_lets_nothing_through_and_it_is_read_again() {
    let slow = streams(&[
        Act::Wait(Duration::from_secs(3)),
        Act::Say("hi"),
        Act::End(Some(USED)),
    ]);
    let a = Scripted::new("a", vec![says("hello"), slow]);
    let shop = Shop::open(priced(&[&a]), vec![]).await;
    shop.world.call_with(&short(), &paid()).await.result.unwrap();
    let (asked, context) = (short(), paid());
    let mut open = Box::pin(shop.world.call_with(&asked, &context));
    tokio::time::timeout(Duration::from_millis(1), &mut open)
        .await
        .err()
        .unwrap();

    shop.ledger.blind.store(u32::MAX, Ordering::SeqCst);
    let me = who();
    let set = || {
        let budget = Some(budget("mine", 40));
        shop.accounts.set_budget(&me, mine(), budget)
    };
    for _ in 0..2 {
        let refused = set().await.unwrap_err();
        assert_eq!((refused.code, refused.retryable), (ErrorCode::Unavailable, true));
    }
    let refused = shop.world.call_with(&short(), &paid()).await.result.unwrap_err();
    assert_eq!(
        (refused.code, refused.retryable, refused.retry_after_ms),
        (ErrorCode::Unavailable, true, Some(1_000))
    );
    assert!(refused.message.contains("budget mine"), "{}", refused.message);
    assert_eq!(a.calls().len(), 2);
    assert!(!shop.standing().await.known);
    // One that was let out before ends meanwhile.
    open.await.result.unwrap();

    shop.ledger.blind.store(0, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(11)).await;
    let standing = shop.standing().await;
    assert_eq!((standing.known, tokens(standing.spent)), (true, 30));
    let refused = shop.world.call_with(&short(), &paid()).await.result.unwrap_err();
    assert_eq!(refused.code, ErrorCode::LimitExceeded);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_a_little_for_what_was_spent_to_be_known() {
    let a = Scripted::new("a", vec![]);
    let shop = Shop::open(priced(&[&a]), vec![]).await;
    shop.ledger.blind.store(2, Ordering::SeqCst);
    let me = who();
    let setting = shop.accounts.set_budget(&me, mine(), Some(budget("mine", 40)));
    let calling = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!shop.standing().await.known);
        shop.world.call_with(&short(), &paid()).await
    };
    let (set, outcome) = tokio::join!(setting, calling);
    assert!(set.unwrap()[0].known);
    outcome.result.unwrap();
    assert!(
        (Duration::from_millis(1)..Duration::from_secs(2)).contains(&outcome.took),
        "{:?}",
        outcome.took
    );
}

#[tokio::test(start_paused = true)]
async fn questions_that_nobody_answers_leave_nothing_behind() {
    let ledger = Arc::new(Moody::default());
    let a = Scripted::new("a", vec![]);
    let shop = Shop::over(priced(&[&a]), Arc::clone(&ledger), vec![]).await;
    ledger.failing.store(20, Ordering::SeqCst);
    shop.world.call_with(&short(), &paid()).await.result.unwrap();
    // The writer is held up: an answer is older, and comes all the same.
    assert_eq!(shop.requests().await.len(), 0);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(shop.requests().await.len(), 1);
}
