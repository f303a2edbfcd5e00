//! The actor that renews this process's row, looks at all of them, and publishes what that tells.

use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::{Beat, FleetWatch, StoreError};
use greenroom_supervision::{ActorError, Admission, Context, Supervised};

use super::Fleet;
use crate::shared::Shared;

/// How long rows of processes stay that are dead or have left, as long as somebody watches: dead ones hold nothing by
/// then, and one that was only cut off for so long puts its row there again.
const ROWS_STAY: Duration = Duration::from_secs(600);
/// How many of those are removed in one round: beats don't wait for more.
const FORGOTTEN: usize = 1;
/// The least time that a renewal or a look may take.
const LEAST: Duration = Duration::from_secs(2);

/// Renews and looks, again and again.
pub(crate) struct MembershipActor {
    shared: Arc<Shared>,
    fleet: Arc<Fleet>,
}

impl MembershipActor {
    pub(crate) fn new(shared: Arc<Shared>, fleet: Arc<Fleet>) -> Self {
        Self { shared, fleet }
    }

    async fn go_on(shared: Arc<Shared>, fleet: Arc<Fleet>) {
        let beat = fleet.config.beat();
        let mut watch = FleetWatch::new(
            fleet.me().clone(),
            fleet.config.patience,
            looks_of(beat, ROWS_STAY),
        );
        let mut states = fleet.states();
        let mut troubled = false;
        loop {
            states.borrow_and_update();
            let went = round(&fleet, &mut watch).await;
            if let Err(error) = &went
                && !troubled
            {
                tracing::warn!(%error, "this supervisor's place among the others could not be renewed");
            }
            troubled = went.is_err();
            let view = watch.view();
            if view.is_deposed() && !fleet.view().is_deposed() {
                tracing::error!(node = %fleet.me().node, "a newer start of this node has replaced this process: it takes nothing any more");
            }
            let said = fleet.says();
            if fleet.publish(view) {
                tell(&fleet);
                shared.journals.look_all();
            }
            if fleet.says() != said {
                // The others are told at once that it serves, or that it can't.
                continue;
            }
            forget(&fleet, &watch).await;
            tokio::select! {
                () = tokio::time::sleep(beat) => {}
                _ = states.changed() => {}
            }
        }
    }
}

impl Supervised for MembershipActor {
    type Msg = ();

    async fn post_start(&mut self, ctx: &Context<()>) -> Result<(), ActorError> {
        ctx.spawn(Self::go_on(Arc::clone(&self.shared), Arc::clone(&self.fleet)));
        Ok(())
    }

    async fn handle(&mut self, _: &Context<()>, (): (), _: Admission) -> Result<(), ActorError> {
        Ok(())
    }
}

/// How many looks, one a beat, take as long.
fn looks_of(beat: Duration, stay: Duration) -> u32 {
    u32::try_from(stay.as_millis() / beat.as_millis().max(1)).unwrap_or(u32::MAX)
}

/// One renewal and one look. A failure of either is told, and counted.
async fn round(fleet: &Fleet, watch: &mut FleetWatch) -> Result<(), StoreError> {
    let within = LEAST.max(fleet.config.beat() * 2);
    let row = fleet.next_row();
    let beaten = bounded("beat", within, fleet.nodes.beat(&row)).await;
    match beaten {
        Ok(beat) => {
            if beat == Beat::Kept {
                fleet.kept(&row);
            }
            watch.beaten(beat);
        }
        Err(_) => watch.missed(),
    }
    let looked = bounded("nodes", within, fleet.nodes.nodes()).await;
    let looked = match looked {
        Ok(rows) => {
            watch.looked(rows);
            Ok(())
        }
        Err(error) => {
            watch.saw_nothing();
            Err(error)
        }
    };
    beaten.map(drop).and(looked)
}

async fn bounded<T>(
    operation: &'static str,
    within: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = |_| StoreError::Unanswered {
        operation,
        source: None,
    };
    tokio::time::timeout(within, call).await.map_err(late)?
}

/// Removes rows that are of no use any more. What fails is tried again at the next round.
async fn forget(fleet: &Fleet, watch: &FleetWatch) {
    for row in watch.forgettable().take(FORGOTTEN) {
        let forgotten = fleet.nodes.forget(&row.node, row.incarnation);
        match bounded("forget", LEAST, forgotten).await {
            Ok(()) => tracing::info!(node = %row.node, "the row of a process that is long gone was removed"),
            Err(error) => {
                tracing::debug!(node = %row.node, %error, "the row of a process that is long gone stays")
            }
        }
    }
}

fn tell(fleet: &Fleet) {
    let view = fleet.view();
    let of = |row: &greenroom_kernel::NodeRow, silent| match silent {
        true => format!("{} silent", row.node),
        false => format!("{} {}", row.node, row.state),
    };
    let nodes: Vec<_> = view.nodes().map(|(row, silent)| of(row, silent)).collect();
    tracing::info!(
        nodes = nodes.join(", "),
        takes = view.may_take(),
        "the supervisors of this store"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_the_dead_stay_for_ten_minutes_of_looks() {
        assert_eq!(looks_of(Duration::from_secs(1), ROWS_STAY), 600);
        assert_eq!(looks_of(Duration::from_millis(100), ROWS_STAY), 6_000);
        assert_eq!(looks_of(Duration::ZERO, ROWS_STAY), 600_000);
    }
}
