//! What is looked at before a schema is compiled: its depth, its patterns' number, and where its references lead.

use std::borrow::Cow;

use serde_json::Value;

/// How deep objects and lists may be nested in a schema.
const DEEPEST: usize = 64;

/// How many patterns it may have: each may take much memory.
const MOST_PATTERNS: usize = 128;

/// A walk through a schema.
pub(crate) struct Bounds<'a> {
    schema: &'a Value,
    patterns: usize,
}

impl<'a> Bounds<'a> {
    /// Refuses what is nested too deeply, too many patterns, and references whose target is elsewhere or can't be
    /// told beforehand.
    pub(crate) fn hold(schema: &'a Value) -> Result<(), String> {
        let mut bounds = Self { schema, patterns: 0 };
        bounds.look(schema, "", 0)
    }

    fn look(&mut self, value: &Value, place: &str, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!("is nested deeper than {DEEPEST} levels at `{place}`"));
        }
        match value {
            Value::Object(members) => members.iter().try_for_each(|(name, member)| {
                let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                if let Value::String(text) = member {
                    self.word(name, text, &place, depth)?;
                } else if let ("patternProperties", Value::Object(patterns)) = (name.as_str(), member) {
                    self.count(patterns.len(), &place)?;
                }
                self.look(member, &place, depth + 1)
            }),
            Value::Array(items) => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(index, item)| self.look(item, &format!("{place}/{index}"), depth + 1))
            }
            _ => Ok(()),
        }
    }

    /// A member whose value is a text.
    fn word(&mut self, name: &str, text: &str, place: &str, depth: usize) -> Result<(), String> {
        match name {
            "$ref" if text == "#" || text.starts_with("#/") => match target(self.schema, text) {
                Some(_) => Ok(()),
                None => Err(format!("refers to `{text}` at `{place}`, where nothing is")),
            },
            "$ref" | "$dynamicRef" | "$recursiveRef" => Err(format!(
                "refers to `{text}` at `{place}`: nothing is fetched, and only a `$ref` to `#` or `#/…` is followed; \
                 put what is meant under `$defs`"
            )),
            // They would change what references below them mean.
            "$id" | "$schema" if depth > 0 => Err(format!(
                "has an `{name}` of a part, which is not taken, at `{place}`"
            )),
            "id" if depth > 0 && self.is_old() => Err(format!(
                "has an `{name}` of a part, which is not taken, at `{place}`"
            )),
            "pattern" => self.count(1, place),
            _ => Ok(()),
        }
    }

    fn count(&mut self, patterns: usize, place: &str) -> Result<(), String> {
        self.patterns += patterns;
        match self.patterns > MOST_PATTERNS {
            true => Err(format!("has more than {MOST_PATTERNS} patterns at `{place}`")),
            false => Ok(()),
        }
    }

    /// Whether an `id` is what `$id` became.
    fn is_old(&self) -> bool {
        let draft = self.schema.get("$schema").and_then(Value::as_str);
        draft.is_some_and(|draft| draft.contains("draft-04"))
    }
}

/// What a reference inside a schema leads to.
pub(crate) fn target<'a>(schema: &'a Value, reference: &str) -> Option<&'a Value> {
    schema.pointer(&unescaped(reference.strip_prefix('#')?)?)
}

/// A URI's fragment as it is meant.
fn unescaped(fragment: &str) -> Option<Cow<'_, str>> {
    let mut parts = fragment.split('%');
    let first = parts.next()?;
    if first.len() == fragment.len() {
        return Some(Cow::Borrowed(fragment));
    }
    let mut bytes = first.as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(Cow::Owned(String::from_utf8(bytes).ok()?))
}
