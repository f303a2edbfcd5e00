//! The log of requests, as callers may see it.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::*;

use super::{Shop, paid, priced, who};
use crate::tests::script::{Scripted, refuses, says};
use crate::tests::world::request;

fn by(subject: &str) -> CallContext {
    CallContext {
        caller: Some(Arc::new(Caller::new(
            who().tenant,
            Subject::parse(subject).unwrap(),
        ))),
        ..paid()
    }
}

fn everybody() -> Principal {
    Principal {
        scopes: vec![Principal::SESSIONS_ALL.to_owned()],
        ..who()
    }
}

/// All pages of so many; says how many pages there were.
async fn pages(shop: &Shop, who: &Principal, query: &RequestQuery, limit: u32) -> (Vec<RequestRow>, usize) {
    let (mut rows, mut after) = (Vec::new(), None);
    for pages in 1..100 {
        let page = PageRequest { after, limit };
        let found = shop.accounts.requests(who, query.clone(), page).await.unwrap();
        assert!(found.rows.len() <= limit as usize);
        rows.extend(found.rows);
        after = found.next;
        if after.is_none() {
            return (rows, pages);
        }
    }
    panic!("pages without an end");
}

#[tokio::test(start_paused = true)]
async fn a_caller_sees_its_own_requests_and_all_where_it_may_page_by_page() {
    let a = Scripted::new("a", vec![]);
    let shop = Shop::open(priced(&[&a]), vec![]).await;
    for n in 0..250 {
        let who = if n % 50 == 7 { "ann" } else { "bob" };
        shop.world.call_with(&request(), &by(who)).await.result.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let all = RequestQuery::default();
    for (limit, at_least) in [(1, 5), (2, 3), (5, 1), (100, 1)] {
        let (own, pages) = pages(&shop, &who(), &all, limit).await;
        assert_eq!(own.len(), 5, "{limit}");
        assert!(own.iter().all(|row| row.caller.subject == who().subject));
        assert!(own.is_sorted_by(|a, b| a.id > b.id) && pages >= at_least);
    }
    for limit in [100, 99, 1_000] {
        let (rows, _) = pages(&shop, &everybody(), &all, limit).await;
        assert_eq!(rows.len(), 250, "{limit}");
    }
    let bob = RequestQuery {
        subject: Some(Subject::parse("bob").unwrap()),
        ..all
    };
    assert_eq!(pages(&shop, &who(), &bob, 10).await.0.len(), 0);
    assert_eq!(pages(&shop, &everybody(), &bob, 100).await.0.len(), 245);
}

#[tokio::test(start_paused = true)]
async fn requests_are_found_by_their_time_and_how_they_ended() {
    let a = Scripted::new("a", vec![says("x"), refuses(FaultClass::BadRequest)]);
    let shop = Shop::open(priced(&[&a]), vec![]).await;
    let mut moments = Vec::new();
    for _ in 0..4 {
        moments.push(shop.world.clock.now());
        let _ = shop.world.call_with(&request(), &paid()).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let of = async |query: RequestQuery| {
        let (rows, _) = pages(&shop, &who(), &query, 1).await;
        rows.into_iter().map(|row| row.at).rev().collect::<Vec<_>>()
    };
    let all = RequestQuery::default();
    let between = RequestQuery {
        from: Some(moments[1]),
        until: Some(moments[3]),
        ..all.clone()
    };
    assert_eq!(of(between).await, moments[1..3]);
    let failed = RequestQuery {
        failed: Some(true),
        ..all
    };
    assert_eq!(of(failed).await, moments[1..2]);
}
