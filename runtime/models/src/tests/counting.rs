//! Counts of a request's tokens.

use std::sync::Arc;

use greenroom_kernel::{CallFailure, ErrorCode, FaultClass, Models, TokenCount, Unreadable};
use greenroom_kernel::{Readable, Wish};

use super::script::Scripted;
use super::serving::wire;
use super::world::{World, context};

async fn count(world: &World) -> Result<TokenCount, CallFailure> {
    world.router.count_tokens(wire(false), context()).await
}

#[tokio::test(start_paused = true)]
async fn the_first_target_is_asked_where_it_counts_and_else_it_is_an_estimate() {
    let (a, b) = (Scripted::new("a", vec![]), Scripted::new("b", vec![]));
    let world = World::of(&[&a, &b]);
    // Its eight letters, and what wraps a message.
    let estimated = TokenCount::Estimated { tokens: 6 };
    *b.counting.lock() = Some(Ok("{\"input_tokens\":1}"));
    assert_eq!(
        count(&world).await.unwrap(),
        estimated,
        "the first one would answer"
    );
    *a.counting.lock() = Some(Ok("{\"input_tokens\":9}"));
    let TokenCount::Told { by, body } = count(&world).await.unwrap() else {
        panic!("estimated");
    };
    assert_eq!((&*by.provider, &body[..]), ("a", &b"{\"input_tokens\":9}"[..]));
    *a.counting.lock() = Some(Err(FaultClass::Throttled));
    assert_eq!(count(&world).await.unwrap(), estimated);
    *a.counting.lock() = Some(Err(FaultClass::BadRequest));
    assert_eq!(
        count(&world).await.unwrap_err().failure.code,
        ErrorCode::BadUserInput
    );
    assert!(a.calls().is_empty() && world.tried().is_empty(), "it is no try");
    assert_eq!(world.router_status().in_flight, 0);
}

struct Unsayable;

impl Readable for Unsayable {
    fn wish(&self) -> Result<Wish, Unreadable> {
        Err(Unreadable::at("messages", "it is missing"))
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_not_estimated() {
    let a = Scripted::new("a", vec![]);
    let mut call = wire(false);
    call.readable = Arc::new(Unsayable);
    let counted = World::of(&[&a]).router.count_tokens(call, context()).await;
    assert_eq!(counted.unwrap_err().failure.code, ErrorCode::BadUserInput);
}
