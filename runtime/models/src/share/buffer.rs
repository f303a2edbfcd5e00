//! What several readers of one answer read, each at its own pace. Without I/O.
//!
//! All of it is kept from its beginning while it is small, so that a reader may come later. Once it is larger, what
//! everybody has read goes. Nobody reads further ahead of the slowest than the buffer holds.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use greenroom_kernel::{CallEvent, CallFailure};

/// Most bytes that are kept.
pub(super) const KEPT_AT_MOST: usize = 1 << 20;

/// What a small thing weighs beside its text.
const OVERHEAD: usize = 64;

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Piece(Bytes),
    Event(CallEvent),
}

impl Item {
    fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Piece(piece) => piece.len(),
                Self::Event(CallEvent::Text(text) | CallEvent::Thinking(text)) => text.len(),
                Self::Event(CallEvent::ToolCall(call)) => call.arguments.len(),
                Self::Event(CallEvent::End(answer)) => answer.content.len(),
            }
    }
}

pub(super) type Read = Result<Item, CallFailure>;

/// What there is for a reader.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Item(Box<Read>),
    /// Nothing yet: somebody has to draw more.
    Draw,
    /// Nothing, and no more can be drawn until the slowest has read on.
    Full,
    /// It was too slow for the others.
    CutLoose,
    End,
}

#[derive(Debug, Default)]
pub(super) struct Buffer {
    items: VecDeque<Read>,
    /// The number of the first that is kept.
    first: u64,
    weight: usize,
    ended: bool,
    /// The number of the next for each; none for one that was cut loose.
    readers: BTreeMap<u64, Option<u64>>,
    named: u64,
}

impl Buffer {
    /// Whether somebody may come now and read it from its beginning while it runs.
    pub(super) fn is_joinable(&self) -> bool {
        self.first == 0 && !self.ended
    }

    /// Another reader, from the beginning; none where that isn't kept any more.
    pub(super) fn reader(&mut self) -> Option<u64> {
        if self.first > 0 {
            return None;
        }
        self.named += 1;
        self.readers.insert(self.named, Some(0));
        Some(self.named)
    }

    /// A reader leaves.
    pub(super) fn left(&mut self, reader: u64) {
        self.readers.remove(&reader);
        self.trim();
    }

    /// What is next for a reader.
    pub(super) fn next(&mut self, reader: u64) -> Next {
        let Some(Some(at)) = self.readers.get_mut(&reader) else {
            return Next::CutLoose;
        };
        let place = usize::try_from(*at - self.first).unwrap_or(usize::MAX);
        if let Some(item) = self.items.get(place) {
            let item = Box::new(item.clone());
            *at += 1;
            self.trim();
            return Next::Item(item);
        }
        match (self.ended, self.weight >= KEPT_AT_MOST) {
            (true, _) => Next::End,
            (false, true) => Next::Full,
            (false, false) => Next::Draw,
        }
    }

    /// The answer goes on; after its end or an error nothing comes.
    pub(super) fn push(&mut self, item: Option<Read>) {
        self.ended |= !matches!(item, Some(Ok(_)));
        if let Some(item) = item {
            self.weight += item.as_ref().map_or(OVERHEAD, Item::weight);
            self.items.push_back(item);
            self.trim();
        }
    }

    /// Lets those go that hold everybody up, if somebody is ahead of them.
    pub(super) fn cut_loose(&mut self) {
        let places = || self.readers.values().flatten().copied();
        let (Some(slowest), Some(ahead)) = (places().min(), places().max()) else {
            return;
        };
        if slowest < ahead {
            for place in self.readers.values_mut() {
                *place = place.filter(|at| *at != slowest);
            }
        }
        self.trim();
    }

    /// Forgets what everybody has read, once there is much.
    fn trim(&mut self) {
        if self.weight < KEPT_AT_MOST {
            return;
        }
        let end = self.first + self.items.len() as u64;
        let needed = self.readers.values().flatten().min().copied().unwrap_or(end);
        while self.first < needed
            && let Some(item) = self.items.pop_front()
        {
            self.weight -= item.as_ref().map_or(OVERHEAD, Item::weight);
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(bytes: usize) -> Option<Read> {
        Some(Ok(Item::Piece(vec![b'x'; bytes].into())))
    }

    /// Reads and draws until no more can be drawn; says how often something was.
    fn until_full(buffer: &mut Buffer, reader: u64) -> usize {
        for drawn in 0.. {
            while is_item(&buffer.next(reader)) {}
            if buffer.next(reader) == Next::Full {
                return drawn;
            }
            assert!(drawn < 100);
            buffer.push(piece(KEPT_AT_MOST / 4));
        }
        0
    }

    fn is_item(next: &Next) -> bool {
        matches!(next, Next::Item(_))
    }

    #[test]
    fn who_comes_later_reads_all_of_it_while_it_is_small_and_nobody_joins_what_is_over() {
        let mut buffer = Buffer::default();
        let a = buffer.reader().unwrap();
        buffer.push(piece(10));
        assert!(is_item(&buffer.next(a)));
        assert_eq!(buffer.next(a), Next::Draw);
        let b = buffer.reader().unwrap();
        assert!(is_item(&buffer.next(b)));
        buffer.push(None);
        assert_eq!((buffer.next(a), buffer.next(b)), (Next::End, Next::End));
        assert!(!buffer.is_joinable());
    }

    #[test]
    fn the_slowest_holds_everybody_up_until_it_is_cut_loose() {
        let mut buffer = Buffer::default();
        let (quick, slow) = (buffer.reader().unwrap(), buffer.reader().unwrap());
        assert_eq!(until_full(&mut buffer, quick), 4);
        assert!(is_item(&buffer.next(slow)));
        assert_eq!(buffer.next(quick), Next::Draw, "there is room again");
        buffer.push(piece(KEPT_AT_MOST / 4));
        assert!(buffer.reader().is_none(), "the beginning is gone");
        assert!(is_item(&buffer.next(quick)));
        assert_eq!(buffer.next(quick), Next::Full);
        buffer.cut_loose();
        assert_eq!(
            (buffer.next(slow), buffer.next(quick)),
            (Next::CutLoose, Next::Draw)
        );
    }

    #[test]
    fn a_lone_reader_is_never_too_slow_and_one_that_leaves_holds_nobody_up() {
        let mut buffer = Buffer::default();
        let (a, b) = (buffer.reader().unwrap(), buffer.reader().unwrap());
        until_full(&mut buffer, a);
        buffer.left(b);
        assert_eq!(buffer.next(a), Next::Draw);
        buffer.cut_loose();
        assert_eq!(buffer.next(a), Next::Draw);
    }

    proptest! {
        #[test]
        fn every_reader_that_is_not_cut_loose_reads_every_piece_once_and_in_order(
            steps in prop::collection::vec((0..4u8, 0..3usize), 1..400),
        ) {
            let mut buffer = Buffer::default();
            let readers: Vec<u64> = (0..3).map(|_| buffer.reader().unwrap()).collect();
            let (mut drawn, mut read) = (0u64, [0u64; 3]);
            for (what, who) in steps {
                match (what, buffer.next(readers[who])) {
                    (_, Next::Item(item)) => {
                        let Ok(Item::Piece(piece)) = *item else { panic!("a piece") };
                        prop_assert_eq!(&piece[..8], &read[who].to_be_bytes()[..]);
                        read[who] += 1;
                    }
                    (_, Next::Draw) => {
                        let mut bytes = vec![0; KEPT_AT_MOST / 8];
                        bytes[..8].copy_from_slice(&drawn.to_be_bytes());
                        drawn += 1;
                        buffer.push(Some(Ok(Item::Piece(bytes.into()))));
                    }
                    (0, Next::Full) => buffer.cut_loose(),
                    _ => {}
                }
                prop_assert!(buffer.weight <= KEPT_AT_MOST + KEPT_AT_MOST / 8 + OVERHEAD);
            }
        }
    }
}
