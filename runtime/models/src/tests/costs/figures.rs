//! What an upstream reported of a try that ended early is what is billed for it.

use std::time::Duration;

use futures::StreamExt;
use greenroom_kernel::*;
use std::sync::Arc;

use super::{Shop, paid, priced};
use crate::HedgeAfter;
use crate::tests::hedging::hedging;
use crate::tests::script::{Act, Script, Scripted, USED, says, streams};
use crate::tests::serving::wire;
use crate::tests::world::{World, context, request};
use crate::{Price, PriceTable};

const TOLD: Usage = Usage {
    input_tokens: 40,
    cached_input_tokens: 7,
    cache_write_tokens: 3,
    output_tokens: 11,
    reasoning_tokens: 2,
    cost_usd: None,
    estimated: false,
};

/// What a token of each class costs is 1, 1, 1, 2 and 2 dollars.
fn billed(output_tokens: u64, estimated: bool) -> Usage {
    Usage {
        output_tokens,
        cost_usd: Some(50.0 + 2.0 * (output_tokens + TOLD.reasoning_tokens) as f64),
        estimated,
        ..TOLD
    }
}

fn tell(output: Reach) -> Act {
    Act::Tell(Reported { usage: TOLD, output })
}

/// The fault of a try that does this, and what is billed for it.
async fn row_of(acts: &[Act], relayed: bool) -> (Option<FaultClass>, Usage) {
    let mut a = Scripted::new("a", vec![streams(acts)]);
    if relayed {
        a = a.relaying();
    }
    let shop = Shop::open(priced(&[&a]), vec![]).await;
    let router = Arc::clone(&shop.world.router);
    let call = async {
        if !relayed {
            let _ = shop.world.call_with(&request(), &paid()).await;
            return;
        }
        let Ok(served) = router.serve(wire(true), paid()).await else {
            return;
        };
        if let ServedAnswer::Relayed { mut pieces, .. } = served.answer {
            while pieces.next().await.is_some_and(|piece| piece.is_ok()) {}
        }
    };
    // Its caller stays for a second.
    let _ = tokio::time::timeout(Duration::from_secs(1), call).await;
    let row = shop.rows().await.swap_remove(0);
    (row.fault, row.usage)
}

#[tokio::test(start_paused = true)]
async fn whole_figures_are_billed_as_told_however_the_try_ends() {
    use FaultClass::{Cancelled, Transient};
    let begins = [Act::Say("12345678"), tell(Reach::Whole)];
    let ends: [(&[Act], _); 4] = [
        (&[Act::Break(Transient)], Some(Transient)),
        (&[], Some(Transient)),
        (&[Act::Hang], Some(Cancelled)),
        (&[Act::End(None)], None),
    ];
    for relayed in [false, true] {
        for (rest, fault) in &ends {
            let acts = [&begins[..], rest].concat();
            let row = row_of(&acts, relayed).await;
            assert_eq!(row, (*fault, billed(11, false)), "{acts:?} {relayed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn figures_count_before_the_model_gave_a_sign() {
    let acts = [tell(Reach::Whole), Act::Break(FaultClass::Transient)];
    for relayed in [false, true] {
        let (_, usage) = row_of(&acts, relayed).await;
        assert_eq!(usage, billed(11, false), "{relayed}");
    }
}

#[tokio::test(start_paused = true)]
async fn figures_of_a_part_are_completed_by_an_estimate_of_what_came_behind_them() {
    let until = |ahead| tell(Reach::Until { ahead });
    let (eight, hang) = (Act::Say("12345678"), Act::Hang);
    let cases = [
        (vec![eight.clone(), until(0), hang.clone()], billed(11, false)),
        (vec![until(8), eight.clone(), hang.clone()], billed(11, false)),
        (
            vec![until(8), eight.clone(), Act::Say("12345"), hang.clone()],
            billed(13, true),
        ),
        (
            vec![until(0), eight.clone(), until(0), Act::Say("1"), hang.clone()],
            billed(12, true),
        ),
        // Nothing came of what it counts: it is told all the same.
        (vec![Act::Work, until(8), hang], billed(11, false)),
    ];
    for relayed in [false, true] {
        for (acts, expected) in &cases {
            let (_, usage) = row_of(acts, relayed).await;
            assert_eq!(usage, *expected, "{acts:?} {relayed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_only_the_input_was_told_it_is_exact_and_the_output_estimated() {
    let long = "0123456789012345678901234567890123456789012345678901234567890123";
    for relayed in [false, true] {
        let acts = [tell(Reach::Begun), Act::Say(long), Act::Hang];
        assert_eq!(row_of(&acts, relayed).await.1, billed(16, true), "{relayed}");
        // Never less than was told.
        let acts = [tell(Reach::Begun), Act::Say("1234"), Act::Hang];
        assert_eq!(row_of(&acts, relayed).await.1, billed(11, true), "{relayed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_try_that_we_lost_patience_with_before_any_sign_is_billed_what_was_asked() {
    let silent = [
        Script {
            opening: vec![Act::Hang],
            stream: vec![],
        },
        streams(&[Act::Hang]),
    ];
    for script in silent {
        let (a, b) = (
            Scripted::new("a", vec![script]),
            Scripted::new("b", vec![says("hello")]),
        );
        let shop = Shop::open(priced(&[&a, &b]), vec![]).await;
        let answer = shop.world.call_with(&request(), &paid()).await.result.unwrap();
        let rows = shop.rows().await;
        let asked = Usage {
            input_tokens: 6,
            cost_usd: Some(6.0),
            estimated: true,
            ..Usage::default()
        };
        assert_eq!(
            (rows[0].fault, rows[0].usage),
            (Some(FaultClass::Transient), asked)
        );
        assert_eq!(rows.len(), 2);
        // The call's own figures and the ledger's are the same.
        assert_eq!(answer.usage, rows[0].usage.plus(rows[1].usage));
    }
}

#[tokio::test(start_paused = true)]
async fn figures_beyond_reason_are_cut() {
    let lies = Usage {
        input_tokens: u64::MAX,
        output_tokens: u64::MAX,
        ..USED
    };
    let broken = [
        Act::Say("1"),
        Act::Tell(Reported {
            usage: lies,
            output: Reach::Until { ahead: 0 },
        }),
        Act::Say("12345678"),
        Act::Hang,
    ];
    let whole = [Act::Say("1"), Act::End(Some(lies))];
    for acts in [&broken[..], &whole[..]] {
        for relayed in [false, true] {
            let (_, usage) = row_of(acts, relayed).await;
            assert_eq!(usage.input_tokens, 1_000_000_000_000, "{acts:?} {relayed}");
            assert!(usage.output_tokens < 1_000_000_000_100, "{acts:?} {relayed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_keeps_count_is_told_what_was_reported() {
    let acts = [tell(Reach::Until { ahead: 8 }), Act::Say("12345678"), Act::Hang];
    let a = Scripted::new("a", vec![streams(&acts)]);
    let world = World::with(priced(&[&a]));
    let mut used = Vec::new();
    let mut told = |piece: ContentPiece<'_>| {
        if let ContentPiece::Used(until_now) = piece {
            used.push(until_now);
        }
    };
    let (request, context) = (request(), context());
    let call = world.router.call(&request, &context, &mut told);
    let _ = tokio::time::timeout(Duration::from_secs(1), call).await;
    assert_eq!(used.last(), Some(&billed(11, false)));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_is_outrun_costs_what_it_reported() {
    let second = Duration::from_secs(1);
    let a = Scripted::new("a", vec![streams(&[Act::Work, tell(Reach::Whole), Act::Hang])]);
    let b = Scripted::new("b", vec![says("soon")]);
    let mut config = hedging(&[&a, &b], HedgeAfter::Fixed(second));
    config.prices = PriceTable::empty("7").with("a/*", Price::new(1e6, 1e6, 2e6));
    let world = World::with(config);
    let answer = world.call().await.result.unwrap();
    assert_eq!(answer.provider, "b");
    let lost = &world.tried()[0];
    assert_eq!((lost.class, lost.usage), ("outrun", billed(11, false)));
}
