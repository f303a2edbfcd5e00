//! A look at a chunk that sees whether it only adds text, without parsing it.
//!
//! Whether the bytes are whole JSON is not checked: they pass as they are, and a stream that broke lacks its end.

use std::sync::LazyLock;

use memchr::memchr2;
use memchr::memmem::Finder;

/// Keys that are looked for. A quote inside a JSON text is escaped, so that none of them is ever found in what was said,
/// unless it is all that was said; such a chunk is parsed.
pub(super) struct Glance {
    error: Finder<'static>,
    usage: Finder<'static>,
    finish: Finder<'static>,
    delta: Finder<'static>,
}

/// One for all answers: it takes longer to make than to use.
pub(super) static GLANCE: LazyLock<Glance> = LazyLock::new(Glance::new);

impl Glance {
    fn new() -> Self {
        Self {
            error: Finder::new(b"\"error\""),
            usage: Finder::new(b"\"usage\""),
            finish: Finder::new(b"\"finish_reason\""),
            delta: Finder::new(b"\"delta\""),
        }
    }

    /// About how many bytes of text a chunk of one choice adds, if it does nothing else; none if it must be parsed.
    pub(super) fn said(&self, data: &[u8]) -> Option<u32> {
        if !data.starts_with(b"{") || !data.ends_with(b"}") || self.error.find(data).is_some() {
            return None;
        }
        let null = |key: &Finder<'_>| {
            let mut found = key.find_iter(data);
            found.all(|at| {
                let value = value_of(&data[at + key.needle().len()..]);
                value.is_some_and(|value| value.starts_with(b"null"))
            })
        };
        if !null(&self.finish) || !null(&self.usage) {
            return None;
        }
        let mut deltas = self.delta.find_iter(data);
        let at = deltas.next().filter(|_| deltas.next().is_none())?;
        let fields = value_of(&data[at + self.delta.needle().len()..])?.strip_prefix(b"{")?;
        texts(fields)
    }
}

/// What follows a key, if it was one.
fn value_of(behind: &[u8]) -> Option<&[u8]> {
    let value = behind.trim_ascii_start().strip_prefix(b":")?;
    Some(value.trim_ascii_start())
}

/// How long the texts among the fields of a delta are, if there are only texts and nulls.
fn texts(mut rest: &[u8]) -> Option<u32> {
    let (mut said, mut thought, mut again) = (0, 0, 0);
    loop {
        rest = rest.trim_ascii_start();
        match rest {
            [b'}', ..] => break,
            [b',', more @ ..] => rest = more,
            [b'"', name @ ..] => {
                let end = memchr2(b'"', b'\\', name).filter(|end| name[*end] == b'"')?;
                let (name, behind) = name.split_at(end);
                let value = value_of(&behind[1..])?;
                if let Some(behind) = value.strip_prefix(b"null") {
                    rest = behind;
                    continue;
                }
                let (length, behind) = text(value.strip_prefix(b"\"")?)?;
                match name {
                    b"content" | b"refusal" => said += length,
                    b"reasoning_content" => thought = length,
                    b"reasoning" => again = length,
                    _ => {}
                }
                rest = behind;
            }
            _ => return None,
        }
    }
    // Servers that say a thought twice say the same.
    let thought = if thought > 0 { thought } else { again };
    u32::try_from(said + thought).ok()
}

/// The length of a text whose quote is behind us, and what follows it. Of an escaped character the length is near.
fn text(mut rest: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0;
    loop {
        let at = memchr2(b'"', b'\\', rest)?;
        length += at;
        match rest[at..] {
            [b'"', ref behind @ ..] => return Some((length, behind)),
            [_, b'u', _, _, _, _, ref behind @ ..] => {
                length += 2;
                rest = behind;
            }
            [_, _, ref behind @ ..] => {
                length += 1;
                rest = behind;
            }
            _ => return None,
        }
    }
}
