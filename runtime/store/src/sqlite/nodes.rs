//! Rows of processes beside a file that only one process has: they live as long as its handle, since whoever opens the
//! file next knows by that that all others are gone.

use async_trait::async_trait;
use greenroom_kernel::{Beat, NodeId, NodeRow, Nodes, StoreError};

use super::SqliteStore;

#[async_trait]
impl Nodes for SqliteStore {
    async fn beat(&self, row: &NodeRow) -> Result<Beat, StoreError> {
        Ok(self.nodes.beat(row))
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        Ok(self.nodes.all())
    }

    async fn forget(&self, node: &NodeId, incarnation: u64) -> Result<(), StoreError> {
        self.nodes.forget(node, incarnation);
        Ok(())
    }
}
