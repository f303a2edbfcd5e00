//! What must hold for every file in the repository.

use std::path::{Path, PathBuf};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// Every text file that is written by hand or checked in: nothing built, nothing installed.
pub(crate) fn texts(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    const BUILT: [&str; 4] = ["target", "node_modules", ".git", ".venv"];
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            if !BUILT.iter().any(|built| name == *built) {
                texts(&entry.path(), found);
            }
        } else if kind.is_file()
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            found.push((entry.path(), text));
        }
    }
}

/// Lines of `text` that name a place on somebody's machine.
fn machine_paths(text: &str) -> Vec<String> {
    // Put together here, so that this file does not find itself.
    let places = ["work", "root", "home"].map(|folder| format!("/{folder}/"));
    let names_a_place = |line: &&str| {
        places.iter().any(|place| {
            line.match_indices(place.as_str()).any(|(at, _)| {
                // `…/framework/` or `example.com/home/` name no absolute path.
                !line[..at].ends_with(|before: char| before.is_alphanumeric() || ".-_*}/".contains(before))
            })
        })
    };
    text.lines().filter(names_a_place).map(str::to_owned).collect()
}

#[test]
fn no_file_names_a_path_of_the_machine_it_was_written_on() {
    let mut files = Vec::new();
    texts(&root(), &mut files);
    assert!(files.len() > 50, "only {} files were found", files.len());
    let mut bad = Vec::new();
    for (path, text) in &files {
        bad.extend(
            machine_paths(text)
                .into_iter()
                .map(|line| format!("{}: {line}", path.display())),
        );
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn the_path_checker_finds_a_planted_path_and_leaves_relative_ones() {
    let planted = ["see /work", "/main/x\nand `/root", "/.cache`"].concat();
    assert_eq!(machine_paths(&planted).len(), 2);
    let planted = [
        "path = \"/home",
        "/me/x\"\n[x](../work",
        "/y) https://example.com/root",
        "/z",
    ]
    .concat();
    assert_eq!(machine_paths(&planted), [["path = \"/home", "/me/x\""].concat()]);
}

#[test]
fn every_crate_inherits_the_workspaces_lints() {
    let mut files = Vec::new();
    texts(&root(), &mut files);
    let manifests: Vec<_> = files
        .iter()
        .filter(|(path, text)| path.ends_with("Cargo.toml") && text.contains("[package]"))
        .collect();
    assert!(
        manifests.len() >= 10,
        "only {} manifests were found",
        manifests.len()
    );
    for (path, text) in manifests {
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{} does not inherit the lints",
            path.display()
        );
    }
}
