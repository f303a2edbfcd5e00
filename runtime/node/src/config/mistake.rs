//! Turns what the reader stumbled over into a place and a remedy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use figment::error::Kind;
use toml_edit::{ImDocument, Item, TableLike};

use super::error::ConfigError;

/// The mistake behind `error`, found in the file or in the environment.
pub(super) fn explain(
    error: &figment::Error,
    file: Option<&(PathBuf, String)>,
    variables: &BTreeMap<String, String>,
) -> ConfigError {
    let mut path = error.path.clone();
    let known: &[&str] = match &error.kind {
        Kind::UnknownField(field, known) => {
            if path.last() != Some(field) {
                path.push(field.clone());
            }
            known
        }
        _ => &[],
    };
    let key = path.join(".");
    let place = place(&path, file, variables);
    match &error.kind {
        Kind::UnknownField(field, _) => {
            let nearest = nearest(field, known).map(|near| {
                let last = path.len().saturating_sub(1);
                path[..last]
                    .iter()
                    .map(String::as_str)
                    .chain([near])
                    .collect::<Vec<_>>()
                    .join(".")
            });
            ConfigError::UnknownKey { place, key, nearest }
        }
        Kind::Message(why) if key.is_empty() => syntax(file, why),
        kind => ConfigError::Type {
            place,
            key,
            why: kind.to_string(),
        },
    }
}

fn syntax(file: Option<&(PathBuf, String)>, why: &str) -> ConfigError {
    let Some((path, text)) = file else {
        return ConfigError::value("", why);
    };
    match ImDocument::parse(text.as_str()) {
        Err(error) => {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            let why = error.message().trim().replace('\n', ", ");
            ConfigError::Syntax {
                place: format!("{}, line {line}", path.display()),
                why,
            }
        }
        Ok(_) => ConfigError::Syntax {
            place: path.display().to_string(),
            why: why.to_owned(),
        },
    }
}

/// Where a key is written. The environment lies over the file, so it is looked at first.
fn place(path: &[String], file: Option<&(PathBuf, String)>, variables: &BTreeMap<String, String>) -> String {
    let written = format!("GREENROOM__{}", path.join("__"));
    let under = format!("{written}__");
    let variable = variables.keys().find(|name| {
        name.eq_ignore_ascii_case(&written)
            || name
                .get(..under.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(&under))
    });
    if let Some(name) = variable {
        return format!("environment variable {name}");
    }
    match file {
        Some((file, text)) => match line(text, path) {
            Some(line) => format!("{}, line {line}", file.display()),
            None => file.display().to_string(),
        },
        None => "flags".to_owned(),
    }
}

/// The line that a key stands on, counted from 1; of what is in a list the line of the list.
fn line(text: &str, path: &[String]) -> Option<usize> {
    let document = ImDocument::parse(text).ok()?;
    let mut table: &dyn TableLike = document.as_table();
    let in_list = path.iter().position(|key| key.parse::<usize>().is_ok());
    let (last, above) = path.get(..in_list.unwrap_or(path.len()))?.split_last()?;
    for key in above {
        table = table.get(key).and_then(Item::as_table_like)?;
    }
    let (key, item) = table.get_key_value(last)?;
    let span = key.span().or_else(|| item.span())?;
    Some(line_of(text, span.start))
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// The known key that was most likely meant.
fn nearest<'k>(field: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |key: &&'k str| (edits(field, key), *key);
    let (edits, key) = known.iter().map(distance).min()?;
    (edits <= field.len().max(key.len()) / 2).then_some(key)
}

/// Letters to insert, drop, exchange or swap to make one word the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let exchanged = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = exchanged.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
