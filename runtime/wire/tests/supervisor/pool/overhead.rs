//! What the pool adds to a call: calls of one supervisor through it, against the same calls of its own client, in turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_kernel::Supervisor;
use greenroom_wire::testkit::InMemory;

use super::fleet::{Stand, accept, session};
use crate::mirror::Mirror;
use crate::samples::principal;

const ROUNDS: usize = 5;
const CALLS: usize = 400;
/// The pool's own work is a lookup, a hash and two short locks beside a whole gRPC call: more than this is a defect even
/// where everything is built for debugging and the machine is busy.
const AT_MOST: f64 = 2.0;

/// How long a call takes, one after the other.
async fn a_call(supervisor: &dyn Supervisor) -> Duration {
    let who = principal();
    let began = Instant::now();
    for number in 0..CALLS {
        let asked = accept(session(number), Duration::ZERO);
        supervisor.accept(&who, asked).await.unwrap();
    }
    began.elapsed() / u32::try_from(CALLS).unwrap()
}

#[tokio::test]
async fn a_call_through_a_pool_costs_little_more_than_the_call_itself() {
    let (direct, _served) = InMemory::serve(Arc::new(Mirror::full()));
    let stand = Stand::of(1, |_| Mirror::full());
    // The first calls dial.
    a_call(&direct).await;
    a_call(&stand.pool).await;
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        best[0] = best[0].min(a_call(&direct).await);
        best[1] = best[1].min(a_call(&stand.pool).await);
    }
    let ratio = best[1].as_secs_f64() / best[0].as_secs_f64();
    println!(
        "a call: {:?} by its own client, {:?} through a pool, {ratio:.2} times",
        best[0], best[1]
    );
    assert!(ratio < AT_MOST, "{ratio}");
    assert!(stand.counts()[0] > ROUNDS * CALLS, "they went through it");
}
