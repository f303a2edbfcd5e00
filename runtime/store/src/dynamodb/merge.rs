//! A list that is spread over several partitions of an index, put together again: newest first, a page at a time.

use futures::future::try_join_all;
use greenroom_kernel::StoreError;

use super::call::Call;
use super::item::{Item, Reader};
use super::table::{Range, Table};

/// Where an index's entry leads, and what it is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) sort: String,
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Entry {
    fn of(reader: Reader, item: &Item, sort: &str) -> Result<Self, StoreError> {
        Ok(Self {
            sort: reader.text(item, sort)?,
            pk: reader.text(item, "pk")?,
            sk: reader.text(item, "sk")?,
        })
    }
}

struct Stream<'r> {
    range: Range<'r>,
    /// Read and not taken, the next one last.
    read: Vec<Entry>,
    /// Where it goes on.
    next: Option<Item>,
    /// Nothing is behind what was read.
    over: bool,
}

impl Stream<'_> {
    async fn fill(&mut self, table: &Table, call: &Call<'_>, want: usize) -> Result<(), StoreError> {
        let reader = Reader(call.operation);
        while self.read.is_empty() && !self.over {
            let part = table.page(call, &self.range, self.next.take(), want).await?;
            let entries: Result<Vec<_>, _> = part
                .items
                .iter()
                .rev()
                .map(|item| Entry::of(reader, item, self.range.keys.1))
                .collect();
            self.read = entries?;
            self.over = part.next.is_none();
            self.next = part.next;
        }
        Ok(())
    }
}

/// Several ranges as one, in the order that all of them have.
pub(super) struct Merged<'r> {
    streams: Vec<Stream<'r>>,
    newest_first: bool,
    consistent: bool,
}

impl<'r> Merged<'r> {
    pub(super) fn new(ranges: impl IntoIterator<Item = Range<'r>>) -> Self {
        let streams: Vec<_> = ranges
            .into_iter()
            .map(|range| Stream {
                range,
                read: Vec::new(),
                next: None,
                over: false,
            })
            .collect();
        Self {
            newest_first: streams.first().is_some_and(|stream| stream.range.newest_first),
            consistent: streams.first().is_some_and(|stream| stream.range.consistent),
            streams,
        }
    }

    /// Whether what is taken is read as it is, not as it was a moment ago.
    pub(super) fn is_consistent(&self) -> bool {
        self.consistent
    }

    /// Whether another `take` may bring more.
    pub(super) fn goes_on(&self) -> bool {
        self.streams
            .iter()
            .any(|stream| !stream.over || !stream.read.is_empty())
    }

    /// The next entries, at most `count`; none when all were taken.
    pub(super) async fn take(
        &mut self,
        table: &Table,
        call: &Call<'_>,
        count: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        // A little more than a partition's share, so that one reading mostly does.
        let want = (count / self.streams.len().max(1) * 2)
            .clamp(8, 500)
            .min(count.max(1));
        let mut taken = Vec::new();
        while taken.len() < count {
            try_join_all(
                self.streams
                    .iter_mut()
                    .map(|stream| stream.fill(table, call, want)),
            )
            .await?;
            let newest_first = self.newest_first;
            let heads = self.streams.iter_mut().filter(|stream| !stream.read.is_empty());
            let best = heads.reduce(|best, stream| {
                let sooner = match (best.read.last(), stream.read.last()) {
                    (Some(best), Some(head)) if newest_first => head.sort > best.sort,
                    (Some(best), Some(head)) => head.sort < best.sort,
                    _ => false,
                };
                if sooner { stream } else { best }
            });
            match best.and_then(|stream| stream.read.pop()) {
                Some(entry) => taken.push(entry),
                None => break,
            }
        }
        Ok(taken)
    }
}
