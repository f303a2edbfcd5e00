//! A journal that belongs here and that its holder was asked to let go of: taken as soon as it is free, so that a turn
//! that moves doesn't wait for the next scan.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{Holding, HostPort, JournalKey};

use super::Way;
use crate::journal_actor::Operation;
use crate::shared::Shared;

const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked at, at most; then the scan finds it.
const LOOKS: u32 = 120;

/// Takes a journal when whoever has it at `at` has let go. Of many at once, the scan finds some.
pub(crate) fn follow(shared: &Arc<Shared>, key: &JournalKey, at: &HostPort) {
    let Some(fleet) = shared.fleet.clone() else { return };
    if !fleet.begin_following(key) {
        return;
    }
    let (shared, key, at) = (Arc::clone(shared), key.clone(), at.clone());
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        let let_go = tokio::select! {
            () = shared.stopping.cancelled() => false,
            let_go = wait(&shared, &key, &at) => let_go,
        };
        fleet.followed.lock().remove(&key);
        if let_go {
            let taken = shared
                .journals
                .ask(&shared, &key, Way::Scan, Operation::Recover, None)
                .await;
            if let Err(failure) = taken {
                tracing::debug!(journal = %key.journal, %failure, "a journal that was let go of was not taken");
            }
        }
    });
}

/// Whether it was let go of and still belongs here.
async fn wait(shared: &Shared, key: &JournalKey, at: &HostPort) -> bool {
    let Some(fleet) = &shared.fleet else { return false };
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        let view = fleet.view();
        let mine = view
            .owner_of(key)
            .is_some_and(|owner| owner.node == fleet.me().node);
        if !mine || !fleet.takes() || shared.journals.is_live(key) {
            return false;
        }
        match tokio::time::timeout(LOOK, fleet.peers.holds(at, key)).await {
            Ok(Ok(Holding::Held)) => {}
            // Free, or not to be reached: whoever takes it asks again.
            Ok(_) | Err(_) => return true,
        }
    }
    false
}
