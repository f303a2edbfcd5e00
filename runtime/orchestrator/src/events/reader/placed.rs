//! Whether a reader is in the right place: where its journal has an actor, or would get one.

use std::sync::Arc;

use greenroom_kernel::{Failure, FleetView, JournalKey, Slot, Writer};
use tokio::sync::watch;

use crate::shared::Shared;

/// What a reader knows of whose its journal is. Nothing, where this process has the store to itself.
pub(super) struct Placed {
    views: Option<watch::Receiver<Arc<FleetView>>>,
    leaving: Option<watch::Receiver<bool>>,
    _counted: Option<Arc<()>>,
    /// Everything that was there when it came has been read.
    caught_up: bool,
    /// Who wrote what this process was not told of.
    writer: Option<Writer>,
}

impl Placed {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            views: shared.fleet.as_ref().map(|fleet| fleet.watch()),
            leaving: shared.fleet.as_ref().map(|fleet| fleet.watch_leaving()),
            _counted: shared.fleet.as_ref().map(|fleet| fleet.reader()),
            caught_up: false,
            writer: None,
        }
    }

    /// The store held slots that the hub didn't know, up to this one.
    pub(super) fn has_read(&mut self, shared: &Shared, key: &JournalKey, last: Option<&Slot>) {
        let (Some(slot), true) = (last, self.caught_up && self.views.is_some()) else {
            return;
        };
        if slot.writer != shared.writer {
            self.writer = Some(slot.writer.clone());
            // If there is an actor here, it doesn't know either.
            shared.journals.look(key);
        }
    }

    /// Asked when all that is there has been read.
    ///
    /// # Errors
    /// UNAVAILABLE, with where its text in the making is to be had if that is known.
    pub(super) fn is_here(&mut self, shared: &Shared, key: &JournalKey) -> Result<(), Failure> {
        self.caught_up = true;
        let Some(fleet) = &shared.fleet else {
            return Ok(());
        };
        if shared.journals.is_live(key) || fleet.leaves_unnoticed() {
            return Ok(());
        }
        let view = fleet.view();
        match self.writer.as_ref().and_then(|writer| view.holder(writer)) {
            Some(holder) => Err(Failure::elsewhere(holder.address.clone())),
            None => fleet.shows(key),
        }
    }

    /// Waits until journals may have moved.
    pub(super) async fn changed(&mut self) {
        let (Some(views), Some(leaving)) = (&mut self.views, &mut self.leaving) else {
            return std::future::pending().await;
        };
        // The senders live as long as the process does.
        let changed = tokio::select! {
            changed = views.changed() => changed,
            changed = leaving.changed() => changed,
        };
        if changed.is_err() {
            std::future::pending().await
        }
    }
}
