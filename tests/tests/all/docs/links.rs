//! Links, anchors, the book's table of contents, and the files that documents name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::blocks::{document, documents, pages};
use super::commands::code;
use crate::house::root;

/// A link inside the repository: a file beside the document, or none for the document itself, and a place in it.
#[derive(Debug, PartialEq)]
struct Link {
    file: String,
    anchor: Option<String>,
}

/// A document without its blocks and quoted code, in which nothing is a link.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut found = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.push_str(line);
            found.push('\n');
        }
    }
    found.split('`').step_by(2).collect()
}

fn links(text: &str) -> Vec<Link> {
    let text = prose(text);
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let inside = targets.filter(|target| !target.contains("://"));
    inside
        .map(|target| {
            let (file, anchor) = target
                .split_once('#')
                .map_or((target, None), |(file, anchor)| (file, Some(anchor.to_owned())));
            let file = file.to_owned();
            Link { file, anchor }
        })
        .collect()
}

/// The anchors of a document's headings, as the book and GitHub name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced && line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim();
            let kept = |c: char| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            };
            let anchor = heading.to_lowercase().chars().filter_map(kept).collect();
            found.insert(anchor);
        }
    }
    found
}

/// What a piece of code names as a place in the repository: a path whose first folder is one of its own.
fn place(code: &str) -> Option<&str> {
    const FOLDERS: [&str; 9] = [
        "agents/",
        "deploy/",
        "docs/",
        "examples/",
        "gateway/",
        "proto/",
        "runtime/",
        "tests/",
        "xtask/",
    ];
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let path = FOLDERS.iter().any(|folder| code.starts_with(folder)) && code.chars().all(is_path);
    path.then_some(code)
}

#[test]
fn every_link_every_anchor_and_every_file_the_documents_name_is_there() {
    let mut missing = Vec::new();
    let mut seen = 0;
    for (name, text) in documents() {
        let base = root().join(&name).parent().unwrap().to_path_buf();
        for link in links(&text) {
            seen += 1;
            let path = match link.file.as_str() {
                "" => root().join(&name),
                file => base.join(file),
            };
            let there = path.exists()
                && link.anchor.as_ref().is_none_or(|anchor| {
                    std::fs::read_to_string(&path).is_ok_and(|text| anchors(&text).contains(anchor))
                });
            if !there {
                missing.push(format!("{name}: {link:?}"));
            }
        }
        let named: Vec<PathBuf> = code(&text)
            .iter()
            .filter_map(|code| place(code))
            .map(|path| root().join(path))
            .collect();
        seen += named.len();
        let gone = named.into_iter().filter(|path| !path.exists());
        missing.extend(gone.map(|path| format!("{name}: {}", path.display())));
    }
    assert!(seen > 100, "only {seen} were found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_books_table_of_contents_lists_every_page_once() {
    let listed: Vec<String> = links(&document("docs/SUMMARY.md"))
        .into_iter()
        .map(|link| link.file)
        .collect();
    let once: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a page is listed twice");
    let missing: Vec<_> = pages()
        .into_iter()
        .filter(|page| page != "SUMMARY.md" && !once.contains(page))
        .collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not list {missing:?}");
}

#[test]
fn the_book_takes_nothing_from_elsewhere() {
    let book = document("docs/book.toml");
    assert!(!book.contains("http"), "{book}");
    let build = book.lines().find_map(|line| line.strip_prefix("build-dir = "));
    let build = Path::new("docs").join(build.unwrap().trim_matches('"'));
    assert_eq!(
        build,
        Path::new("docs/../target/book"),
        "what is built goes with the rest that is"
    );
}

#[test]
fn the_readers_of_links_find_what_is_there() {
    let text =
        "[x](docs/a.md#b-c) `[y](z)` [w](https://h/a) [v](#u)\n```sh\n[t](s)\n```\n`runtime/nowhere.rs`";
    let link = |file: &str, anchor: &str| Link {
        file: file.into(),
        anchor: Some(anchor.into()),
    };
    assert_eq!(links(text), [link("docs/a.md", "b-c"), link("", "u")]);
    let found = code(text).iter().find_map(|code| place(code).map(str::to_owned));
    assert_eq!(found.as_deref(), Some("runtime/nowhere.rs"));
    let found = anchors("# What is it, then?\n```\n# no\n```\n## NOT_FOUND\n### Tasks by `hand`");
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["not_found", "tasks-by-hand", "what-is-it-then"]);
}
