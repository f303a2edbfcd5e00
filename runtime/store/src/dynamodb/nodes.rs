//! The rows of the processes that share the table: one partition, one item a process.
//!
//! A beat is one put on a condition, a look one consistent query: at a beat a second and process, a write unit a second
//! each, and half a read unit a second for every four kilobytes of rows. Whoever watches removes the rows of the dead; where
//! nobody lives long enough to, as in a fleet whose processes all die young under new names, they expire.

use std::time::Duration;

use async_trait::async_trait;
use greenroom_kernel::{Beat, HostPort, NodeId, NodeRow, NodeState, Nodes, StoreError};

use super::DynamoStore;
use super::call::Outcome;
use super::expiry::expire_after;
use super::item::{Item, Reader, key, number, set, text};
use super::keys;
use super::table::Range;

/// No journal's key begins so.
const NODES: &str = "#nodes";

/// How long after its last beat the service reaps a row: no clock of a fleet is so far behind that a live one goes.
const STAYS: Duration = Duration::from_secs(24 * 3_600);

/// It is absent, of an older incarnation, or an older beat of this one.
const NOT_NEWER: &str = "attribute_not_exists(pk) OR incarnation < :i OR (incarnation = :i AND beat <= :b)";

#[async_trait]
impl Nodes for DynamoStore {
    async fn beat(&self, row: &NodeRow) -> Result<Beat, StoreError> {
        let call = self.call("beat");
        let values = [(":i", number(row.incarnation)), (":b", number(row.beat))];
        let found = match self
            .table
            .put(&call, item_of(row), Some((NOT_NEWER, &values)))
            .await?
        {
            Outcome::Done(_) => return Ok(Beat::Kept),
            Outcome::Failed { item, .. } => item,
        };
        let found = match found {
            Some(item) => Some(item),
            None => self.table.get(&call, NODES, row.node.as_str()).await?,
        };
        match found {
            Some(item) => {
                let kept: u64 = Reader(call.operation).number(&item, "incarnation")?;
                Ok(match kept > row.incarnation {
                    true => Beat::Deposed,
                    false => Beat::Kept,
                })
            }
            // Forgotten meanwhile: the next beat puts it there again.
            None => Ok(Beat::Kept),
        }
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        let call = self.call("nodes");
        let range = Range::between(NODES, "!".to_owned(), keys::LAST.to_string());
        let items = self.table.all(&call, &range).await?;
        // One that a newer version wrote must not blind this one to all others.
        let read = |item| {
            let row = row_of(Reader(call.operation), item);
            row.inspect_err(|error| tracing::warn!(%error, "a row of a node is passed over"))
                .ok()
        };
        Ok(items.iter().filter_map(read).collect())
    }

    async fn forget(&self, node: &NodeId, incarnation: u64) -> Result<(), StoreError> {
        let call = self.call("forget");
        let condition = ("incarnation = :i", ":i", number(incarnation));
        self.table
            .delete(&call, NODES, node.as_str(), condition)
            .await
            .map(drop)
    }
}

fn item_of(row: &NodeRow) -> Item {
    let mut item = key(NODES, row.node.as_str());
    set(&mut item, "incarnation", number(row.incarnation));
    set(&mut item, "beat", number(row.beat));
    set(&mut item, "state", text(row.state.as_str()));
    set(&mut item, "address", text(row.address.to_string()));
    expire_after(&mut item, STAYS);
    item
}

fn row_of(reader: Reader, item: &Item) -> Result<NodeRow, StoreError> {
    let node = reader.text(item, "sk")?;
    let unfit = |what: &str| reader.corrupt(format!("{what} of node {node}"));
    let (state, address) = (reader.text(item, "state")?, reader.text(item, "address")?);
    Ok(NodeRow {
        node: NodeId::parse(&node).map_err(|_| unfit("the name"))?,
        incarnation: reader.number(item, "incarnation")?,
        state: state.parse::<NodeState>().map_err(|_| unfit("the state"))?,
        address: address.parse::<HostPort>().map_err(|_| unfit("the address"))?,
        beat: reader.number(item, "beat")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::nodes_contract::node_row;

    #[test]
    fn a_row_expires_a_day_after_its_last_beat() {
        let item = item_of(&node_row("a", 1, 2));
        let expires: u64 = Reader("a test").number(&item, "expires").unwrap();
        let now: u64 = super::super::expiry::now().1.as_n().unwrap().parse().unwrap();
        assert!(
            (now + 86_300..=now + 86_400).contains(&expires),
            "{expires}, now {now}"
        );
        assert_eq!(row_of(Reader("a test"), &item).unwrap(), node_row("a", 1, 2));
    }
}
