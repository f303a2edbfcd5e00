//! A stream of server-sent events cut into pieces of whole events, byte for byte as they came.

use bytes::{Bytes, BytesMut};
use memchr::memchr2_iter;

use crate::sse::{SseParser, TooLong};

/// Most bytes of one event: it may hold an image.
const EVENT_AT_MOST: usize = 32 << 20;

/// Cuts chunks at the ends of events. Most chunks end where an event ends: those are passed on without a copy.
#[derive(Debug)]
pub(crate) struct Frames {
    /// The beginning of an event whose end has not come yet.
    partial: BytesMut,
    limit: usize,
    parser: SseParser,
}

impl Default for Frames {
    fn default() -> Self {
        Self::with_limit(EVENT_AT_MOST)
    }
}

impl Frames {
    fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            partial: BytesMut::new(),
            parser: SseParser::with_limit(limit),
        }
    }

    /// Takes the next chunk. Hands the data of each event that it completes to `on_data`; gives back the bytes up to the
    /// end of the last of them, none when it completes none.
    pub(crate) fn feed<E: From<TooLong>>(
        &mut self,
        chunk: Bytes,
        on_data: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Option<Bytes>, E> {
        let Some(end) = end_of_last_event(&self.partial, &chunk) else {
            if self.partial.len() + chunk.len() > self.limit {
                return Err(TooLong(self.limit).into());
            }
            self.partial.extend_from_slice(&chunk);
            return Ok(None);
        };
        let mut rest = chunk;
        let head = rest.split_to(end);
        let whole = if self.partial.is_empty() {
            head
        } else {
            self.partial.extend_from_slice(&head);
            std::mem::take(&mut self.partial).freeze()
        };
        self.partial.extend_from_slice(&rest);
        // What isn't passed on yet isn't read yet either: a sign goes with its bytes.
        self.parser.feed(&whole, on_data)?;
        Ok(Some(whole))
    }

    /// The stream is over: hands out an event that lacks only its empty line, and gives back the bytes that are left.
    pub(crate) fn finish<E: From<TooLong>>(
        &mut self,
        on_data: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        self.parser.feed(&self.partial, on_data)?;
        self.parser.finish(on_data)?;
        Ok(std::mem::take(&mut self.partial).freeze())
    }
}

/// Where in `chunk` the last empty line ends that stands behind `before`.
fn end_of_last_event(before: &[u8], chunk: &[u8]) -> Option<usize> {
    let at = |i: isize| -> Option<u8> {
        match usize::try_from(i) {
            Ok(i) => chunk.get(i).copied(),
            Err(_) => before
                .len()
                .checked_add_signed(i)
                .and_then(|i| before.get(i))
                .copied(),
        }
    };
    // From the end backwards: a line break behind a line break, whichever of the three kinds each is.
    memchr2_iter(b'\n', b'\r', chunk).rev().find_map(|i| {
        let here = isize::try_from(i).ok()?;
        let begin = match (at(here), at(here - 1)) {
            (Some(b'\n'), Some(b'\r')) => here - 1,
            _ => here,
        };
        // A carriage return at the very end may be half of a pair.
        let whole = at(here) == Some(b'\n') || here + 1 < isize::try_from(chunk.len()).ok()?;
        let pair = at(here) == Some(b'\r') && at(here + 1) == Some(b'\n');
        (whole && !pair && matches!(at(begin - 1), Some(b'\n' | b'\r'))).then_some(i + 1)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<String>) {
        let mut frames = Frames::default();
        let (mut pieces, mut events) = (Vec::new(), Vec::new());
        let mut take = |data: &[u8]| -> Result<(), TooLong> {
            events.push(String::from_utf8_lossy(data).into_owned());
            Ok(())
        };
        for chunk in chunks {
            pieces.extend(
                frames
                    .feed(Bytes::copy_from_slice(chunk), &mut take)
                    .unwrap()
                    .map(|b| b.to_vec()),
            );
        }
        pieces.push(frames.finish(&mut take).unwrap().to_vec());
        (pieces, events)
    }

    #[test]
    fn a_piece_ends_where_an_event_ends_and_an_event_is_never_cut() {
        let (pieces, events) = cut(&[b"data: a\n\nda", b"ta: b\r\n\r", b"\ndata: c\n", b"\nid: 1\n\n"]);
        let pieces: Vec<&str> = pieces.iter().map(|p| std::str::from_utf8(p).unwrap()).collect();
        assert_eq!(
            pieces,
            ["data: a\n\n", "data: b\r\n\r\n", "data: c\n\nid: 1\n\n", ""]
        );
        assert_eq!(events, ["a", "b", "c"]);
    }

    #[test]
    fn an_event_without_end_is_refused_beyond_the_limit() {
        const LIMIT: usize = 1 << 20;
        let mut frames = Frames::with_limit(LIMIT);
        let mut take = |_: &[u8]| -> Result<(), TooLong> { Ok(()) };
        let line = Bytes::from([b": ".to_vec(), vec![b'x'; 60_000], b"\n".to_vec()].concat());
        let refused = (0..LIMIT / 60_000 + 2).any(|_| frames.feed(line.clone(), &mut take).is_err());
        assert!(refused);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_and_each_event_is_told_when_its_bytes_are_out(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "data: x", "data:", ": c", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "event: e\n", "é",
            ]), 0..60),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let text = pieces.concat();
            let bytes = text.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|i| i.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let (out, events) = cut(&chunks);
            prop_assert_eq!(out.concat(), bytes);
            let mut parsed = Vec::new();
            let mut parser = SseParser::default();
            let mut keep = |data: &[u8]| -> Result<(), TooLong> {
                parsed.push(String::from_utf8_lossy(data).into_owned());
                Ok(())
            };
            parser.feed(bytes, &mut keep).unwrap();
            parser.finish(&mut keep).unwrap();
            prop_assert_eq!(&events, &parsed);
            // A piece read by itself, by whoever gets it, holds whole events.
            let mut alone = Vec::new();
            for piece in &out {
                let mut parser = SseParser::default();
                let mut keep = |data: &[u8]| -> Result<(), TooLong> {
                    alone.push(String::from_utf8_lossy(data).into_owned());
                    Ok(())
                };
                parser.feed(piece, &mut keep).unwrap();
                parser.finish(&mut keep).unwrap();
            }
            prop_assert_eq!(alone, parsed);
        }
    }
}
