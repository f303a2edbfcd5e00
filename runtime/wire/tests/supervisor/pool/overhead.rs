//! What the pool adds to a call: calls of one supervisor through it, against the same calls of its own client, in turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_kernel::Supervisor;
use greenroom_wire::testkit::InMemory;

use super::fleet::{Stand, accept, session};
use crate::mirror::Mirror;
use crate::samples::principal;

const CALLS: usize = 300;
/// The pool's own work is a lookup, a hash and two short locks beside a whole gRPC call: more than this is a defect even
/// where everything is built for debugging and the machine is busy.
const AT_MOST: f64 = 2.0;

async fn took(supervisor: &dyn Supervisor, number: usize) -> Duration {
    let (who, asked) = (principal(), accept(session(number), Duration::ZERO));
    let began = Instant::now();
    supervisor.accept(&who, asked).await.unwrap();
    began.elapsed()
}

/// What a call takes that nothing came in between.
fn undisturbed(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 10]
}

#[tokio::test]
async fn a_call_through_a_pool_costs_little_more_than_the_call_itself() {
    let (direct, _served) = InMemory::serve(Arc::new(Mirror::full()));
    let stand = Stand::of(1, |_| Mirror::full());
    let (mut alone, mut pooled) = (Vec::new(), Vec::new());
    // One after the other, so that whatever else runs comes in between both alike.
    for number in 0..CALLS {
        alone.push(took(&direct, number).await);
        pooled.push(took(&stand.pool, number).await);
    }
    let (alone, pooled) = (undisturbed(alone), undisturbed(pooled));
    let ratio = pooled.as_secs_f64() / alone.as_secs_f64();
    println!("a call: {alone:?} by its own client, {pooled:?} through a pool, {ratio:.2} times");
    assert!(ratio < AT_MOST, "{ratio}");
    assert_eq!(stand.counts(), [CALLS], "they went through it");
}
