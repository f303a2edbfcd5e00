//! Bounds on what a schema leaves open. A small model that may go on for ever does: in a string, a list, the digits
//! of a number. A narrowed schema admits nothing that the caller's does not.

use serde_json::{Map, Value, json};

/// Items of a list whose schema names no most.
const MOST_ITEMS: u64 = 10;
/// Members of an object whose schema names none.
const MOST_MEMBERS: u64 = 6;
/// What such members are called.
const SHORT_NAME: &str = "^.{1,32}$";
/// How deep lists and objects go that a schema says nothing about.
const OPEN_DEPTH: usize = 2;
/// The largest magnitude of a number whose schema names no bound.
const MOST_MAGNITUDE: f64 = 1e15;
/// The finest step of a number whose schema names none.
const FINEST_STEP: f64 = 1e-6;
/// Characters of a string whose schema names no most: at least these, whatever else the answer holds.
const LEAST_CHARACTERS: u64 = 32;
const MOST_CHARACTERS: u64 = 2_000;

/// Words whose values are schemas by name.
const MAPS: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];
/// Words whose value is a schema, or a list of them.
const SCHEMAS: [&str; 7] = [
    "items",
    "prefixItems",
    "additionalItems",
    "additionalProperties",
    "anyOf",
    "oneOf",
    "allOf",
];
/// Words that leave the kind of a value to other schemas.
const ELSEWHERE: [&str; 4] = ["$ref", "anyOf", "oneOf", "allOf"];
/// Words that say nothing of a value.
const REMARKS: [&str; 13] = [
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// `schema` with bounds where it has none, for an answer of `tokens`. Strings with a pattern are bounded only if
/// `patterns` says so: not every pattern can be.
pub(crate) fn narrowed(schema: &Value, tokens: u64, patterns: bool) -> Value {
    let strings = open_strings(schema, 1, 0).max(1);
    let narrowing = Narrowing {
        // A token may be a single character; a quarter is for everything else.
        characters: (tokens * 3 / 4 / strings).clamp(LEAST_CHARACTERS, MOST_CHARACTERS),
        patterns,
        closed: !mixes(schema),
    };
    narrowing.of(schema, OPEN_DEPTH)
}

struct Narrowing {
    characters: u64,
    patterns: bool,
    /// Whether objects are closed against members they don't name: not where several schemas speak of one value,
    /// since each would then forbid the others' members.
    closed: bool,
}

impl Narrowing {
    fn of(&self, schema: &Value, depth: usize) -> Value {
        let mut schema = match schema {
            Value::Object(schema) => schema.clone(),
            Value::Bool(true) => Map::new(),
            other => return other.clone(),
        };
        for word in MAPS {
            if let Some(Value::Object(schemas)) = schema.get_mut(word) {
                schemas
                    .values_mut()
                    .for_each(|inner| *inner = self.of(inner, depth));
            }
        }
        let elsewhere = ELSEWHERE.iter().any(|word| schema.contains_key(*word));
        for word in SCHEMAS {
            match schema.get_mut(word) {
                Some(Value::Array(schemas)) => schemas
                    .iter_mut()
                    .for_each(|inner| *inner = self.of(inner, depth)),
                // What `true` admits is decided below, with what is not there at all.
                Some(inner @ Value::Object(_)) => *inner = self.of(inner, depth),
                _ => {}
            }
        }
        if elsewhere || schema.contains_key("const") || schema.contains_key("enum") {
            return Value::Object(schema);
        }
        if depth == 0 && !schema.contains_key("type") {
            schema.insert("type".to_owned(), json!(["null", "boolean", "number", "string"]));
        }
        self.bound_string(&mut schema);
        self.bound_number(&mut schema);
        self.bound_array(&mut schema, depth);
        if self.closed {
            self.bound_object(&mut schema, depth);
        }
        Value::Object(schema)
    }

    fn bound_string(&self, schema: &mut Map<String, Value>) {
        let patterned = schema.contains_key("pattern") && !self.patterns;
        if admits(schema, "string") && !patterned && !schema.contains_key("format") {
            at_most(schema, "maxLength", "minLength", self.characters);
        }
    }

    fn bound_number(&self, schema: &mut Map<String, Value>) {
        if !admits(schema, "number") && !admits(schema, "integer") {
            return;
        }
        let bounds: Vec<f64> = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]
            .iter()
            .filter_map(|word| schema.get(*word)?.as_f64())
            .collect();
        if bounds.iter().any(|bound| bound.abs() >= MOST_MAGNITUDE) {
            return;
        }
        let (low, high) = (
            schema.contains_key("minimum") || schema.contains_key("exclusiveMinimum"),
            schema.contains_key("maximum") || schema.contains_key("exclusiveMaximum"),
        );
        let spread = bounds.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            - bounds.iter().copied().fold(f64::INFINITY, f64::min);
        let coarse = !(low && high) || spread > 1_000.0 * FINEST_STEP;
        if self.closed && coarse && admits(schema, "number") && !schema.contains_key("multipleOf") {
            schema.insert("multipleOf".to_owned(), json!(FINEST_STEP));
        }
        if !low {
            schema.insert("minimum".to_owned(), json!(-MOST_MAGNITUDE));
        }
        if !high {
            schema.insert("maximum".to_owned(), json!(MOST_MAGNITUDE));
        }
    }

    fn bound_array(&self, schema: &mut Map<String, Value>, depth: usize) {
        if !admits(schema, "array") {
            return;
        }
        let listed = schema
            .get("prefixItems")
            .and_then(Value::as_array)
            .map_or(0, Vec::len) as u64;
        at_most(schema, "maxItems", "minItems", MOST_ITEMS.max(listed));
        let open = matches!(schema.get("items"), None | Some(Value::Bool(true)));
        if self.closed && open && !schema.contains_key("additionalItems") {
            schema.insert("items".to_owned(), self.open(depth));
        }
    }

    fn bound_object(&self, schema: &mut Map<String, Value>, depth: usize) {
        if !admits(schema, "object") {
            return;
        }
        let named = |word: &str| schema.get(word).and_then(Value::as_object).map_or(0, Map::len) as u64;
        let (named, patterned) = (named("properties"), named("patternProperties"));
        let list = |word: &str| {
            schema
                .get(word)
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice)
        };
        let required = list("required").len() as u64;
        let unnamed_required = list("required").iter().any(|name| {
            let name = name.as_str().unwrap_or_default();
            schema.get("properties").and_then(|all| all.get(name)).is_none()
        });
        let least = schema.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
        let open = matches!(schema.get("additionalProperties"), None | Some(Value::Bool(true)));
        if named > 0 {
            if open && !unnamed_required && least <= named {
                schema.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            return;
        }
        if patterned == 0 {
            let members = match open {
                true => self.open(depth),
                false => schema.get("additionalProperties").cloned().unwrap_or_default(),
            };
            if members != Value::Bool(false) {
                schema.insert("patternProperties".to_owned(), json!({ SHORT_NAME: members }));
                schema.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
        }
        at_most(
            schema,
            "maxProperties",
            "minProperties",
            MOST_MEMBERS.max(required),
        );
    }

    /// Any value, of bounded depth.
    fn open(&self, depth: usize) -> Value {
        self.of(&Value::Bool(true), depth.saturating_sub(1))
    }
}

/// Sets a most, unless the schema names one or a larger least.
fn at_most(schema: &mut Map<String, Value>, most: &str, least: &str, count: u64) {
    let fits = schema
        .get(least)
        .is_none_or(|least| least.as_u64().is_some_and(|least| least <= count));
    if fits && !schema.contains_key(most) {
        schema.insert(most.to_owned(), json!(count));
    }
}

/// Whether a value of this type may fit, as far as the word `type` says.
fn admits(schema: &Map<String, Value>, kind: &str) -> bool {
    match schema.get("type") {
        None => true,
        Some(Value::String(named)) => named == kind,
        Some(Value::Array(named)) => named.iter().any(|named| named == kind),
        Some(_) => false,
    }
}

/// Whether several schemas speak of one value somewhere.
fn mixes(schema: &Value) -> bool {
    match schema {
        Value::Object(words) => {
            let elsewhere = words
                .keys()
                .filter(|word| ELSEWHERE.contains(&word.as_str()))
                .count();
            let own = words
                .keys()
                .filter(|word| !ELSEWHERE.contains(&word.as_str()) && !REMARKS.contains(&word.as_str()))
                .count();
            (elsewhere > 0 && elsewhere + own > 1) || words.contains_key("allOf") || words.values().any(mixes)
        }
        Value::Array(values) => values.iter().any(mixes),
        _ => false,
    }
}

/// How many strings without a most an answer may hold, if every list is as long as it may be.
fn open_strings(schema: &Value, times: u64, depth: usize) -> u64 {
    let Value::Object(words) = schema else {
        return if *schema == Value::Bool(true) { times } else { 0 };
    };
    if depth > 64 || words.contains_key("const") || words.contains_key("enum") {
        return 0;
    }
    let elsewhere = ELSEWHERE.iter().any(|word| words.contains_key(*word));
    let is_open = !elsewhere && admits(words, "string") && !words.contains_key("maxLength");
    let items = words
        .get("maxItems")
        .and_then(Value::as_u64)
        .unwrap_or(MOST_ITEMS);
    let silent = |word: &str| matches!(words.get(word), None | Some(Value::Bool(true)));
    let open = |kind: &str| !elsewhere && words.contains_key("type") && admits(words, kind);
    let mut strings = if is_open { times } else { 0 };
    if open("array") && silent("items") {
        strings = strings.saturating_add(times.saturating_mul(MOST_ITEMS * MOST_MEMBERS));
    }
    if open("object") && silent("additionalProperties") && !words.contains_key("properties") {
        strings = strings.saturating_add(times.saturating_mul(MOST_MEMBERS * MOST_MEMBERS));
    }
    let within = words.iter().map(|(word, inner)| match (word.as_str(), inner) {
        (word, Value::Object(schemas)) if MAPS.contains(&word) => schemas
            .values()
            .map(|inner| open_strings(inner, times, depth + 1))
            .sum(),
        ("items", inner @ Value::Object(_)) => {
            open_strings(inner, times.saturating_mul(items.min(1_000)), depth + 1)
        }
        ("additionalProperties", inner @ Value::Object(_)) => {
            open_strings(inner, times.saturating_mul(MOST_MEMBERS), depth + 1)
        }
        ("anyOf" | "oneOf", Value::Array(choices)) => {
            let each = choices.iter().map(|inner| open_strings(inner, times, depth + 1));
            each.max().unwrap_or(0)
        }
        ("allOf" | "prefixItems" | "items", Value::Array(parts)) => parts
            .iter()
            .map(|inner| open_strings(inner, times, depth + 1))
            .sum(),
        _ => 0,
    });
    within.fold(strings, u64::saturating_add)
}

#[cfg(test)]
mod tests;
