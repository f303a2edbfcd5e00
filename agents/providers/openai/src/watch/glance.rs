//! A look at a chunk that sees whether it only adds text, without parsing it.
//!
//! Whether the bytes are whole JSON is not checked: they pass as they are, and a stream that broke lacks its end.

use std::sync::LazyLock;

use memchr::memchr2;
use memchr::memmem::Finder;

use crate::response::WireUsage;

/// Keys that are looked for. A quote inside a JSON text is escaped, so that none of them is ever found in what was said,
/// unless it is all that was said; such a chunk is parsed.
pub(super) struct Glance {
    error: Finder<'static>,
    usage: Finder<'static>,
    finish: Finder<'static>,
    delta: Finder<'static>,
    calls: Finder<'static>,
}

/// What a look at a whole answer tells.
#[derive(Debug, PartialEq)]
pub(super) struct Glanced<'a> {
    pub(super) finish_reason: &'a str,
    pub(super) usage: WireUsage,
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
            calls: Finder::new(b"\"tool_calls\""),
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

impl Glance {
    /// How an answer of one choice that calls nothing ended, and what it used; none if it must be parsed. An answer of
    /// which the end is missing has no figures.
    pub(super) fn whole<'a>(&self, body: &'a [u8]) -> Option<Glanced<'a>> {
        let body = body.trim_ascii();
        let may_err = self.error.find(body).is_some();
        if !body.starts_with(b"{") || !body.ends_with(b"}") || may_err {
            return None;
        }
        let only = |key: &Finder<'_>| {
            let mut found = key.find_iter(body);
            let at = found.next().filter(|_| found.next().is_none())?;
            value_of(&body[at + key.needle().len()..])
        };
        let mut calls = self.calls.find_iter(body);
        if calls.any(|at| {
            let value = value_of(&body[at + self.calls.needle().len()..]);
            value.is_none_or(|value| !value.starts_with(b"null") && !value.starts_with(b"[]"))
        }) {
            return None;
        }
        let reason = only(&self.finish)?.strip_prefix(b"\"")?;
        let end = memchr2(b'"', b'\\', reason).filter(|end| reason[*end] == b'"')?;
        let finish_reason = std::str::from_utf8(&reason[..end]).ok()?;
        let usage = only(&self.usage)?;
        let mut figures = serde_json::Deserializer::from_slice(usage).into_iter::<Option<WireUsage>>();
        let figured = figures.next()?.ok()??;
        let is_whole = closes(usage.get(figures.byte_offset()..)?);
        (is_whole && !matches!(finish_reason, "" | "error")).then_some(Glanced {
            finish_reason,
            usage: figured,
        })
    }
}

/// Whether these last bytes of a document close one bracket more than they open, and do so at their end: what stands
/// before them is a member of the outermost object, which is whole.
fn closes(mut rest: &[u8]) -> bool {
    let mut depth = 1_usize;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match byte {
            b'"' => match text(rest) {
                Some((_, behind)) => rest = behind,
                None => return false,
            },
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return rest.is_empty();
        }
    }
    false
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
