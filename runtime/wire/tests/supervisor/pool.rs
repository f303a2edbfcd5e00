//! A pool of supervisors is one supervisor: served in memory, on a clock that runs when everybody waits.

mod fleet;
mod moving;
mod overhead;
mod subscriptions;
mod trying;
mod views;

use greenroom_kernel::{Failure, Supervisor};

use crate::mirror::Mirror;
use crate::{Alike, about_journals};
use fleet::Stand;

impl Alike for (Mirror, Stand) {
    fn local(&self) -> &dyn Supervisor {
        &self.0
    }

    fn remote(&self) -> &dyn Supervisor {
        &self.1.pool
    }

    fn heard(&self) -> Vec<String> {
        let heard = self.1.mirrors.iter().flat_map(|mirror| mirror.heard());
        self.0.heard().into_iter().chain(heard).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_and_every_answer_crosses_a_pool_unchanged() {
    about_journals(&(Mirror::full(), Stand::of(3, |_| Mirror::full()))).await;
    about_journals(&(Mirror::bare(), Stand::of(3, |_| Mirror::bare()))).await;
}

#[tokio::test(start_paused = true)]
async fn every_failure_that_is_not_worth_another_try_crosses_a_pool_unchanged() {
    for code in greenroom_kernel::ErrorCode::ALL {
        let failure = Failure::new(code, "the reason and the remedy");
        let local = Mirror::failing(failure.clone());
        let stand = Stand::of(3, |_| Mirror::failing(failure.clone()));
        about_journals(&(local, stand)).await;
    }
}
