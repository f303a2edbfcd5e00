//! Where a reader stands in a journal.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Failure;

/// The place of one entry: its slot, and its index in the slot's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Position {
    /// The slot.
    pub seq: u64,
    /// The entry within the slot.
    pub index: u32,
}

/// An opaque place in a journal's event stream: after the entry at `position`, and after `offset` UTF-16 units
/// of the text of attempt `attempt` of the task that was running there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    /// How many slots have been seen whole, then how many entries of the next one.
    pub position: Position,
    /// The attempt whose text was being read; 0 when none.
    pub attempt: u32,
    /// How much of that text was read, in UTF-16 units.
    pub offset: u64,
}

impl Cursor {
    /// The start of the journal.
    pub const START: Cursor = Cursor {
        position: Position { seq: 0, index: 0 },
        attempt: 0,
        offset: 0,
    };

    /// The cursor before the entry at `position`.
    pub const fn before(position: Position) -> Self {
        Self {
            position,
            attempt: 0,
            offset: 0,
        }
    }

    /// The cursor behind the entry at `position`.
    pub const fn behind(position: Position) -> Self {
        Self {
            position: Position {
                seq: position.seq,
                index: position.index + 1,
            },
            attempt: 0,
            offset: 0,
        }
    }

    /// Reads a cursor that was handed out before; `"0"` is the start.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if text == "0" {
            return Ok(Self::START);
        }
        let mut parts = text.split('-');
        let mut next = || {
            parts
                .next()
                .filter(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        let parsed = (|| {
            let seq = u64::from_str_radix(next()?, 16).ok()?;
            let index = u32::from_str_radix(next()?, 16).ok()?;
            let attempt = u32::from_str_radix(next()?, 16).ok()?;
            let offset = u64::from_str_radix(next()?, 16).ok()?;
            Some(Self {
                position: Position { seq, index },
                attempt,
                offset,
            })
        })();
        match parsed {
            Some(cursor) if parts.next().is_none() => Ok(cursor),
            _ => Err(Failure::bad_input(
                "unknown cursor: pass one that an earlier answer or event carried, or \"0\" for the start",
            )),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { seq, index } = self.position;
        write!(f, "{seq:x}-{index:x}-{:x}-{:x}", self.attempt, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_printing_and_parsing_and_nothing_else_parses() {
        let cursor = Cursor {
            position: Position { seq: 300, index: 2 },
            attempt: 3,
            offset: 4096,
        };
        assert_eq!(Cursor::parse(&cursor.to_string()).unwrap(), cursor);
        assert_eq!(Cursor::parse("0").unwrap(), Cursor::START);
        for bad in ["", "1", "1-2-3", "1-2-3-4-5", "x-0-0-0", "-1-0-0-0", "1-2-3-+4"] {
            assert!(Cursor::parse(bad).is_err(), "{bad}");
        }
    }
}
