use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::*;
use tokio::task::JoinSet;

use super::{Moody, Shop, paid, priced, who};
use crate::tests::script::{Act, Scripted, USED, says, streams};
use crate::tests::world::request;

pub(super) fn budget(id: &str, limit_tokens: u64) -> Budget {
    Budget {
        id: BudgetId::parse(id).unwrap(),
        tenant: who().tenant,
        subject: About::All,
        key: About::All,
        model: About::All,
        window: BudgetWindow::Day,
        limit_nanos: None,
        limit_tokens: Some(limit_tokens),
        hard: true,
        configured: false,
    }
}

/// Six tokens by estimate, and no more than five to answer with.
pub(super) fn short() -> ModelRequest {
    ModelRequest {
        max_tokens: Some(5),
        ..request()
    }
}

pub(super) fn tokens(amount: Amount) -> u64 {
    amount.tokens
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_used_up_refuses_before_anybody_is_asked_and_says_when_it_begins_anew() {
    let a = Scripted::new("a", vec![]);
    let shop = Shop::open(priced(&[&a]), vec![budget("team", 15)]).await;
    shop.world.call_with(&short(), &paid()).await.result.unwrap();
    let refused = shop.world.call_with(&short(), &paid()).await.result.unwrap_err();
    assert_eq!(
        (refused.code, refused.retryable),
        (ErrorCode::LimitExceeded, false)
    );
    assert!(
        refused.message.contains("budget team is used up"),
        "{}",
        refused.message
    );
    assert!(
        refused
            .message
            .contains("begins anew at 1970-01-02T00:00:00.000Z"),
        "{}",
        refused.message
    );
    assert!(
        refused.retry_after_ms.is_some_and(|ms| ms > 80_000_000),
        "{refused:?}"
    );
    assert_eq!(a.calls().len(), 1);
    assert_eq!(shop.rows().await.len(), 1);
    let requests = shop.requests().await;
    assert_eq!(requests[1].failure, Some(ErrorCode::LimitExceeded));
    let standing = shop.standing().await;
    assert_eq!(
        (tokens(standing.spent), tokens(standing.held), standing.exceeded),
        (15, 0, true)
    );
    assert_eq!(shop.accounts.stats().refused, 1);
    // A breaker knows nothing of it.
    let other = CallContext {
        caller: Some(Arc::new(Caller::new(
            TenantId::parse("bolt").unwrap(),
            who().subject,
        ))),
        ..paid()
    };
    shop.world.call_with(&short(), &other).await.result.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_200_callers_at_once_none_slips_past_a_budget() {
    let slow = streams(&[
        Act::Wait(Duration::from_millis(10)),
        Act::Say("hi"),
        Act::End(Some(USED)),
    ]);
    let a = Scripted::new("a", vec![]);
    *a.otherwise.lock() = slow;
    let mut config = priced(&[&a]);
    config.providers[0].concurrency_limit = 200;
    let shop = Arc::new(Shop::open(config, vec![budget("team", 150)]).await);
    let mut callers = JoinSet::new();
    for _ in 0..200 {
        let shop = Arc::clone(&shop);
        callers.spawn(async move { shop.world.call_with(&short(), &paid()).await.result });
    }
    let outcomes = callers.join_all().await;
    let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let held = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    for refused in held {
        assert_eq!(
            (refused.code, refused.retry_after_ms),
            (ErrorCode::ResourceExhausted, Some(1_000))
        );
    }
    // Each holds 11 tokens and uses 15: 13 fit at once, and are over by 4 each at most.
    assert_eq!(served, 13);
    let standing = shop.standing().await;
    assert_eq!((tokens(standing.spent), tokens(standing.held)), (195, 0));
    assert!(tokens(standing.spent) <= 150 + 13 * 4);
    let refused = shop.world.call_with(&short(), &paid()).await.result.unwrap_err();
    assert_eq!(refused.code, ErrorCode::LimitExceeded);
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_before_any_sign_pays_for_what_was_asked_and_gets_the_rest_back() {
    let a = Scripted::new("a", vec![streams(&[Act::Hang])]);
    let shop = Shop::open(priced(&[&a]), vec![budget("team", 20)]).await;
    let (asked, context) = (short(), paid());
    {
        let mut call = std::pin::pin!(shop.world.call_with(&asked, &context));
        tokio::time::timeout(Duration::from_secs(1), &mut call)
            .await
            .err()
            .unwrap();
        assert_eq!(tokens(shop.standing().await.held), 11);
    }
    let standing = shop.standing().await;
    // Its provider had the request: its input is paid for, by estimate.
    assert_eq!((tokens(standing.spent), tokens(standing.held)), (6, 0));
    shop.world.call_with(&short(), &paid()).await.result.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_budget_in_dollars_counts_prices_and_refuses_a_model_without_one() {
    let dollars = Budget {
        limit_tokens: None,
        limit_nanos: Some(Amount::nanos_of(43.0)),
        ..budget("usd", 0)
    };
    let (a, b) = (Scripted::new("a", vec![]), Scripted::new("b", vec![]));
    let shop = Shop::open(priced(&[&a, &b]), vec![dollars]).await;
    // 16 dollars are held at first and 22 once it is known that we guess too low; 20 are spent each time.
    for _ in 0..2 {
        shop.world.call_with(&short(), &paid()).await.result.unwrap();
    }
    let refused = shop.world.call_with(&short(), &paid()).await.result.unwrap_err();
    assert!(
        refused.message.contains("of 43.000000 US dollars a day"),
        "{}",
        refused.message
    );
    let unpriced = ModelRequest {
        model: Some("b/b-m".into()),
        ..short()
    };
    let refused = shop.world.call_with(&unpriced, &paid()).await.result.unwrap_err();
    assert!(
        refused.message.contains("no price is known for b/b-m"),
        "{}",
        refused.message
    );
    assert_eq!(
        (refused.code, refused.retryable),
        (ErrorCode::LimitExceeded, false)
    );
    assert_eq!(b.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_soft_budget_refuses_nobody_and_is_told_once() {
    let soft = Budget {
        hard: false,
        ..budget("soft", 20)
    };
    let a = Scripted::new("a", vec![]);
    let shop = Shop::open(priced(&[&a]), vec![soft]).await;
    for _ in 0..4 {
        shop.world.call_with(&short(), &paid()).await.result.unwrap();
    }
    assert_eq!(shop.accounts.stats().passed, 1);
    assert!(shop.standing().await.exceeded);
}

#[tokio::test(start_paused = true)]
async fn a_budget_set_under_way_knows_what_was_spent_and_one_of_the_configuration_stays() {
    let a = Scripted::new("a", vec![]);
    let shop = Shop::open(priced(&[&a]), vec![budget("fixed", 1_000)]).await;
    for _ in 0..3 {
        shop.world.call_with(&short(), &paid()).await.result.unwrap();
    }
    let id = BudgetId::parse("mine").unwrap();
    let mut standings = shop
        .accounts
        .set_budget(&who(), id.clone(), Some(budget("mine", 50)))
        .await
        .unwrap();
    assert_eq!(tokens(standings.remove(0).spent), 45);
    assert!(shop.world.call_with(&short(), &paid()).await.result.is_err());
    // Another limit is in force at once.
    shop.accounts
        .set_budget(&who(), id.clone(), Some(budget("mine", 63)))
        .await
        .unwrap();
    shop.world.call_with(&short(), &paid()).await.result.unwrap();
    shop.accounts.set_budget(&who(), id.clone(), None).await.unwrap();
    shop.world.call_with(&short(), &paid()).await.result.unwrap();
    let fixed = BudgetId::parse("fixed").unwrap();
    let refused = shop.accounts.set_budget(&who(), fixed, None).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Conflict);
    let foreign = Budget {
        tenant: TenantId::parse("bolt").unwrap(),
        ..budget("mine", 1)
    };
    let refused = shop
        .accounts
        .set_budget(&who(), id, Some(foreign))
        .await
        .unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_nothing_is_held_and_what_was_spent_is_known() {
    let ledger = Arc::new(Moody::default());
    let a = Scripted::new("a", vec![says("hello"), streams(&[Act::Hang])]);
    let mut shop = Shop::over(priced(&[&a]), Arc::clone(&ledger), vec![]).await;
    let id = BudgetId::parse("mine").unwrap();
    shop.accounts
        .set_budget(&who(), id, Some(budget("mine", 32)))
        .await
        .unwrap();
    shop.world.call_with(&short(), &paid()).await.result.unwrap();
    assert_eq!(shop.rows().await.len(), 1);
    let (asked, context) = (short(), paid());
    let mut open = std::pin::pin!(shop.world.call_with(&asked, &context));
    tokio::time::timeout(Duration::from_secs(1), &mut open)
        .await
        .err()
        .unwrap();
    assert_eq!(tokens(shop.standing().await.held), 17);
    // Another process on the same ledger; this one is never told anything again.
    let mut writer = std::mem::take(&mut shop.writer);
    writer.abort_all();
    let after = Shop::over(priced(&[&Scripted::new("a", vec![])]), ledger, vec![]).await;
    let standing = after.standing().await;
    assert_eq!((tokens(standing.spent), tokens(standing.held)), (15, 0));
    after.world.call_with(&short(), &paid()).await.result.unwrap();
    assert!(after.world.call_with(&short(), &paid()).await.result.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_rival_without_a_budget_leaves_the_first_try_alone() {
    use crate::{HedgeAfter, Route, RouteFlow, RouteTarget};
    let slow = streams(&[
        Act::Wait(Duration::from_secs(1)),
        Act::Say("a"),
        Act::End(Some(USED)),
    ]);
    let (a, b) = (
        Scripted::new("a", vec![slow]),
        Scripted::new("b", vec![says("b")]),
    );
    let mut config = priced(&[&a, &b]);
    let route = Route {
        targets: vec![RouteTarget::parse("a/a-m"), RouteTarget::parse("b/b-m")],
        flow: RouteFlow {
            hedge: Some(HedgeAfter::Fixed(Duration::from_millis(100))),
            ..RouteFlow::default()
        },
        ..Route::default()
    };
    config.routes.insert("default".into(), route);
    let shop = Shop::open(config, vec![budget("team", 15)]).await;
    let answer = shop.world.call_with(&short(), &paid()).await.result.unwrap();
    assert_eq!(answer.content, "a");
    assert_eq!((b.calls().len(), shop.rows().await.len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_the_configuration_sets_lies_over_what_callers_did_and_counts_once() {
    let ledger = Arc::new(Moody::default());
    let a = Scripted::new("a", vec![]);
    let shop = Shop::over(priced(&[&a]), Arc::clone(&ledger), vec![]).await;
    shop.world.call_with(&short(), &paid()).await.result.unwrap();
    let id = BudgetId::parse("mine").unwrap();
    // Twice at once, and both know what was spent.
    let who = who();
    let (one, two) = {
        let set = |limit| {
            shop.accounts
                .set_budget(&who, id.clone(), Some(budget("mine", limit)))
        };
        tokio::join!(set(100), set(200))
    };
    assert_eq!(tokens(one.unwrap()[0].spent), 15);
    assert_eq!(tokens(two.unwrap()[0].spent), 15);
    let after = Shop::over(priced(&[&a]), ledger, vec![budget("mine", 50)]).await;
    let standing = after.standing().await;
    assert_eq!(
        (tokens(standing.spent), standing.budget.limit_tokens),
        (15, Some(50))
    );
    assert!(standing.budget.configured);
}
