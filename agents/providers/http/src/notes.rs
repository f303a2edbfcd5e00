//! What a relayed answer's reader was shown, noted while it passes.
//!
//! Of nearly every event a few bytes are copied, without parsing them: they are read only when a stream breaks and somebody
//! has to go on with it. Notes are only ever added to, so that those of a piece that isn't passed on can be taken back.

use greenroom_kernel::{Shown, Transcript};
use parking_lot::{Mutex, MutexGuard};

use crate::watcher::Seen;

/// Most bytes that are noted of one answer. Longer ones can't be gone on with.
const AT_MOST: usize = 4 << 20;

/// Reads notes, in a wire family's words; none where nobody can go on from there.
pub type Reader = fn(&Notes) -> Option<Shown>;

/// An event that was kept whole.
#[derive(Debug)]
struct Kept {
    /// Bytes of text that were shown before it.
    at: usize,
    data: Box<[u8]>,
}

/// Notes of one answer.
#[derive(Debug, Default)]
pub struct Notes {
    /// As the inside of a JSON string.
    text: Vec<u8>,
    kept: Vec<Kept>,
    kept_bytes: usize,
    events: u64,
    thoughts: bool,
    /// Nobody can go on from what was shown.
    over: bool,
}

/// Where notes can be taken back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    text: usize,
    kept: usize,
    events: u64,
    thoughts: bool,
}

impl Notes {
    /// Notes an event that is about to be passed on.
    pub fn take(&mut self, data: &[u8], seen: &Seen) {
        if self.over {
            return;
        }
        let is_first = self.events == 0;
        self.events += 1;
        match seen {
            Seen::Nothing => {}
            Seen::Text(range) => match data.get(range.clone()) {
                Some(text) => self.text.extend_from_slice(text),
                None => self.give_up(),
            },
            Seen::Words(text) => match serde_json::to_string(text) {
                Ok(written) => self.text.extend_from_slice(inside(&written)),
                Err(_) => self.give_up(),
            },
            Seen::Thought => self.thoughts = true,
            Seen::Place => self.keep(data),
            Seen::Beyond => self.give_up(),
        }
        if is_first && *seen != Seen::Place {
            self.keep(data);
        }
        if self.text.len() + self.kept_bytes > AT_MOST {
            self.give_up();
        }
    }

    fn keep(&mut self, data: &[u8]) {
        if self.over {
            return;
        }
        self.kept_bytes += data.len();
        self.kept.push(Kept {
            at: self.text.len(),
            data: data.into(),
        });
    }

    fn give_up(&mut self) {
        *self = Self {
            over: true,
            ..Self::default()
        };
    }

    fn mark(&self) -> Mark {
        Mark {
            text: self.text.len(),
            kept: self.kept.len(),
            events: self.events,
            thoughts: self.thoughts,
        }
    }

    /// Forgets what came since the mark.
    fn take_back(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.kept.truncate(mark.kept);
        (self.events, self.thoughts) = (mark.events, mark.thoughts);
    }

    /// Whether nobody can go on from what was shown.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// How many events came.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether thoughts were shown.
    pub fn thoughts(&self) -> bool {
        self.thoughts
    }

    /// The data of the events that were kept, the first always among them, each with the text between it and the next;
    /// none if that is no text.
    pub fn told(&self) -> Option<Vec<(&[u8], String)>> {
        let ends = self.kept.iter().skip(1).map(|kept| kept.at);
        let ends = ends.chain([self.text.len()]);
        self.kept
            .iter()
            .zip(ends)
            .map(|(kept, end)| Some((&*kept.data, unescaped(self.text.get(kept.at..end)?)?)))
            .collect()
    }

    /// All of the text; none if it is none.
    pub fn text(&self) -> Option<String> {
        unescaped(&self.text)
    }
}

/// What a JSON string's inside says.
fn unescaped(inside: &[u8]) -> Option<String> {
    let quoted = [b"\"", inside, b"\""].concat();
    serde_json::from_slice(&quoted).ok()
}

/// A JSON string without its quotes.
fn inside(written: &str) -> &[u8] {
    let bytes = written.as_bytes();
    bytes.get(1..bytes.len().saturating_sub(1)).unwrap_or_default()
}

/// The notes of an answer under way, and who reads them.
pub(crate) struct Noted {
    notes: Mutex<Notes>,
    reader: Reader,
}

impl Noted {
    pub(crate) fn new(reader: Reader) -> Self {
        Self {
            notes: Mutex::default(),
            reader,
        }
    }

    /// To note the events of one piece.
    pub(crate) fn piece(&self) -> Piece<'_> {
        let notes = self.notes.lock();
        Piece {
            mark: notes.mark(),
            notes,
        }
    }
}

impl Transcript for Noted {
    fn shown(&self) -> Option<Shown> {
        let notes = self.notes.lock();
        if notes.over {
            return None;
        }
        (self.reader)(&notes)
    }
}

/// The notes, while a piece is read.
pub(crate) struct Piece<'a> {
    notes: MutexGuard<'a, Notes>,
    mark: Mark,
}

impl Piece<'_> {
    pub(crate) fn take(&mut self, data: &[u8], seen: &Seen) {
        self.notes.take(data, seen);
    }

    /// It isn't passed on.
    pub(crate) fn take_back(mut self) {
        let mark = self.mark;
        self.notes.take_back(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(events: &[(&str, Seen)]) -> Notes {
        let mut notes = Notes::default();
        for (data, seen) in events {
            notes.take(data.as_bytes(), seen);
        }
        notes
    }

    #[test]
    fn texts_are_put_together_before_they_are_read() {
        // Half of a pair of surrogates each.
        let notes = noted(&[
            (r"x\ud83d", Seen::Text(1..7)),
            (r"\ude00!", Seen::Text(0..7)),
            ("", Seen::Words("\"\n".to_owned())),
        ]);
        assert_eq!(notes.text().unwrap(), "\u{1f600}!\"\n");
        assert_eq!(noted(&[(r"\ud83d", Seen::Text(0..6))]).text(), None);
    }

    #[test]
    fn kept_events_stand_between_the_texts_and_the_first_is_always_kept() {
        let notes = noted(&[
            ("role", Seen::Nothing),
            ("ab", Seen::Text(0..2)),
            ("stop", Seen::Place),
            ("no", Seen::Thought),
            ("cd", Seen::Text(0..2)),
        ]);
        let expected = vec![(&b"role"[..], "ab".to_owned()), (b"stop", "cd".to_owned())];
        assert_eq!(notes.told().unwrap(), expected);
        assert!(notes.thoughts());
        assert_eq!(notes.events(), 5);
    }

    #[test]
    fn a_piece_that_is_not_passed_on_leaves_nothing_behind() {
        let noted = Noted::new(|notes| {
            Some(Shown {
                text: notes.text()?,
                thoughts: notes.thoughts(),
                place: notes.events().into(),
            })
        });
        let mut piece = noted.piece();
        piece.take(b"ab", &Seen::Text(0..2));
        drop(piece);
        let mut piece = noted.piece();
        piece.take(b"cd", &Seen::Text(0..2));
        piece.take(b"cd", &Seen::Thought);
        piece.take_back();
        let shown = noted.shown().unwrap();
        assert_eq!(
            (&*shown.text, shown.thoughts, shown.place),
            ("ab", false, 1.into())
        );
    }

    #[test]
    fn what_nobody_can_go_on_from_ends_the_notes_and_so_does_too_much() {
        let mut notes = noted(&[("ab", Seen::Text(0..2)), ("", Seen::Beyond)]);
        notes.take(b"cd", &Seen::Text(0..2));
        assert!(notes.over && notes.text.is_empty());
        let long = "x".repeat(AT_MOST + 1);
        assert!(noted(&[(&long, Seen::Text(0..long.len()))]).over);
    }
}
