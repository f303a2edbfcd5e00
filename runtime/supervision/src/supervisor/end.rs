//! Seeing to it that an incarnation ends: one that was asked to stop, and one that hangs.

use std::time::Duration;

use ractor::ActorCell;
use tokio::time::Instant;

use super::Message;
use crate::cause::Cause;
use crate::child::{Child, Watchdog};
use crate::life::Life;
use crate::loopback::Loopback;

/// How long a killed actor may take to reach its next await. One that blocks its thread never does, and is given
/// up.
pub(super) const KILL_GRACE: Duration = Duration::from_secs(1);

/// After a stop: kills what takes too long.
pub(super) async fn end(actor: ActorCell, limit: Duration, to: Loopback<Message>, who: (u64, u32)) {
    if actor.wait(Some(limit)).await.is_err() {
        kill(actor, Cause::Hung(limit), to, who).await;
    }
}

/// Looks at an incarnation from time to time until it ends; kills it when it finishes nothing for too long.
pub(super) async fn watch(
    watchdog: Watchdog,
    child: Child,
    actor: ActorCell,
    life: Life,
    to: Loopback<Message>,
    who: (u64, u32),
) {
    let (mut beats, mut since) = (life.beats(), Instant::now());
    loop {
        tokio::select! {
            biased;
            () = life.ended().cancelled() => return,
            () = tokio::time::sleep(watchdog.interval) => {}
        }
        if life.beats() == 0 {
            // A start has its own limit, which only a blocked thread can overstep.
            if since.elapsed() <= child.rules.start_within + watchdog.patience {
                continue;
            }
        // An idle actor is not silent before it was asked.
        } else if life.beats() != beats || child.launcher.ping(&life) {
            (beats, since) = (life.beats(), Instant::now());
            continue;
        }
        let silent = since.elapsed();
        if silent >= watchdog.patience {
            life.condemn(Cause::Hung(silent));
            return kill(actor, Cause::Hung(silent), to, who).await;
        }
    }
}

async fn kill(actor: ActorCell, cause: Cause, to: Loopback<Message>, (slot, incarnation): (u64, u32)) {
    actor.kill();
    if actor.wait(Some(KILL_GRACE)).await.is_err() {
        to.send(Message::Abandoned {
            slot,
            incarnation,
            cause,
        });
    }
}
