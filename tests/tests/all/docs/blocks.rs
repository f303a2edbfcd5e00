//! The documents and the fenced blocks in them.

use std::path::{Path, PathBuf};

use crate::house::{root, texts};

/// A fenced block of a document.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(super) language: String,
    pub(crate) text: String,
    /// Where its fence opens, from 1.
    pub(super) line: usize,
}

/// Every fenced block, in order.
pub(crate) fn blocks(document: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in document.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => found.push(block),
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                    line: index + 1,
                });
            }
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {
                let hidden = line.trim_start().starts_with("```");
                assert!(
                    !hidden,
                    "line {}: a block begins at the line's beginning",
                    index + 1
                );
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// A document's text, by its place in the repository.
pub(crate) fn document(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The documents at the root, every page in `docs/` and the examples' own, by name.
pub(super) fn documents() -> Vec<(String, String)> {
    let mut names: Vec<String> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(str::to_owned)
        .into();
    names.extend(pages().into_iter().map(|page| format!("docs/{page}")));
    for example in std::fs::read_dir(root().join("examples")).unwrap() {
        let page = example.unwrap().path().join("README.md");
        if page.exists() {
            names.push(page.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
        }
    }
    names
        .into_iter()
        .map(|name| (name.clone(), document(&name)))
        .collect()
}

/// Every page in `docs/`, as the book names it, sorted.
pub(super) fn pages() -> Vec<String> {
    let base = root().join("docs");
    let (mut found, mut folders) = (Vec::new(), vec![base.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                let name = path.strip_prefix(&base).unwrap().to_str().unwrap().to_owned();
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

/// The file outside the documents in which a block stands, line for line: there it is compiled or run.
pub(super) fn quoted(block: &Block) -> Option<PathBuf> {
    let endings: &[&str] = match block.language.as_str() {
        "rust" => &["rs"],
        "python" => &["py"],
        "js" => &["js", "mjs"],
        "toml" => &["toml"],
        "proto" => &["proto"],
        "graphql" => &["graphql"],
        "yaml" => &["yml", "yaml"],
        _ => return None,
    };
    let mut files = Vec::new();
    texts(&root(), &mut files);
    let may_hold = |path: &Path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending))
    };
    files
        .into_iter()
        .filter(|(path, _)| may_hold(path))
        .find(|(_, text)| stands_in(&block.text, text))
        .map(|(path, _)| path)
}

/// Whether the lines stand in a file one behind the other, all as much further in.
fn stands_in(lines: &str, file: &str) -> bool {
    let lines: Vec<&str> = lines.lines().collect();
    let file: Vec<&str> = file.lines().collect();
    let Some(first) = lines.first() else { return false };
    file.windows(lines.len()).any(|window| {
        let Some(indent) = window[0].strip_suffix(first) else {
            return false;
        };
        indent.trim().is_empty()
            && window.iter().zip(&lines).all(|(found, line)| {
                found.strip_prefix(indent) == Some(line) || line.is_empty() && found.is_empty()
            })
    })
}

#[test]
fn blocks_are_found_with_their_place_and_quotes_with_their_file() {
    let found = blocks("a\n```sh\nx\n```\n```text\n\ny\n```\n");
    let told: Vec<_> = found.iter().map(|b| (b.line, &*b.language, &*b.text)).collect();
    assert_eq!(told, [(2, "sh", "x\n"), (5, "text", "\ny\n")]);
    assert!(stands_in("a\n\n  b", "x\n    a\n\n      b\ny"));
    assert!(!stands_in("a\nb", "    a\n  b") && !stands_in("a", "ba"));
    let text = "pub(super) fn quoted(block: &Block) -> Option<PathBuf> {\n".to_owned();
    let (language, line) = ("rust".to_owned(), 1);
    let block = Block { language, text, line };
    assert!(quoted(&block).unwrap().ends_with("docs/blocks.rs"));
}
