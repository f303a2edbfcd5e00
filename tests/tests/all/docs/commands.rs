//! Commands that documents name: of the binary and of cargo.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::blocks::{Block, blocks, documents};
use crate::house::root;
use crate::support::{Options, Server};

/// The commands of a shell block: a line each, or several as long as a quote or a `\` holds it open; `a && b` is two.
pub(super) fn commands(block: &Block) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = String::new();
    for line in block.text.lines() {
        open.push_str(line);
        if line.ends_with('\\') {
            open.pop();
        } else if open.matches('\'').count() % 2 == 1 {
            open.push('\n');
        } else {
            let command = std::mem::take(&mut open);
            let command = command
                .split_once("  # ")
                .map_or(&*command, |(command, _)| command);
            let command = command.trim();
            if !command.is_empty() && !command.starts_with('#') {
                let quoted = command.contains('\'');
                let parts: Vec<_> = if quoted {
                    vec![command]
                } else {
                    command.split(" && ").collect()
                };
                found.extend(parts.into_iter().map(|part| part.trim().to_owned()));
            }
        }
    }
    assert!(open.is_empty(), "a command is not ended: {open}");
    found
}

/// The words of a command, with what is in quotes as one.
pub(super) fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What a cargo command needs that isn't there.
pub(super) fn cargo_lacks(command: &str) -> Option<String> {
    let words = words(command);
    let (own, passed) = match words.iter().position(|word| word == "--") {
        Some(at) => (&words[1..at], &words[at + 1..]),
        None => (&words[1..], &[][..]),
    };
    let value = |flags: &[&str]| {
        let at = own.iter().position(|word| flags.contains(&word.as_str()))?;
        own.get(at + 1)
    };
    match own.first().map(String::as_str) {
        Some("xtask") => {
            // As clap reads it: a command is a variant, a flag a member.
            let main = std::fs::read_to_string(root().join("xtask/src/main.rs")).unwrap();
            let known = |word: &String| match word.strip_prefix("--") {
                Some(flag) => main.contains(&format!(" {}: ", flag.replace('-', "_"))),
                None => main
                    .to_lowercase()
                    .lines()
                    .any(|line| line.trim().split([' ', ',']).next() == Some(word)),
            };
            let unknown = own[1..].iter().find(|word| !known(word));
            unknown.map(|word| format!("xtask knows no {word}"))
        }
        Some("build" | "run" | "bench" | "test") => {
            let package = value(&["-p", "--package"]).map_or("greenroom", |name| name);
            let target = value(&["--example", "--bench", "--bin"]);
            let Some(source) = source_of(package, target.map(String::as_str)) else {
                return Some(format!("there is no {package} {target:?}"));
            };
            let text = std::fs::read_to_string(source).unwrap();
            let mut flags = passed.iter().filter(|word| word.starts_with("--"));
            flags
                .find(|flag| target.is_some() && !text.contains(&format!("\"{flag}\"")))
                .map(|flag| format!("{package} {target:?} knows no {flag}"))
        }
        Some("new" | "add" | "install") => None,
        other => Some(format!("cargo {other:?} is not understood here")),
    }
}

/// The source of a package's target, or of its first one.
fn source_of(package: &str, target: Option<&str>) -> Option<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array()?;
    let package = packages.iter().find(|found| found["name"] == package)?;
    let mut targets = package["targets"].as_array()?.iter();
    let found = targets.find(|found| target.is_none_or(|name| found["name"] == name))?;
    found["src_path"].as_str().map(str::to_owned)
}

/// The words of code in a document: its blocks and what stands between backticks.
pub(super) fn code(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut outside = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            found.push(line.trim().to_owned());
        } else {
            outside.push_str(line);
            outside.push(' ');
        }
    }
    found.extend(outside.split('`').skip(1).step_by(2).map(str::to_owned));
    found
}

/// The command that a piece of code calls the binary with, and its own command if it has some.
fn command(code: &str) -> Option<Vec<String>> {
    const WITH_COMMANDS: [&str; 3] = ["tasks", "config", "new"];
    let called = code
        .strip_prefix("greenroom ")
        .or_else(|| code.strip_prefix("cargo run --release -- "))
        .or_else(|| code.split_once(" greenroom ").map(|(_, rest)| rest))?;
    let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    // Flags that go before a command, with their values.
    let mut words = called
        .split_whitespace()
        .skip_while(|word| *word == "--config" || word.ends_with(".toml"));
    let first = words
        .next()
        .filter(is_word)
        .filter(|word| !word.starts_with('-'))?;
    let mut command = vec![first.to_owned()];
    if WITH_COMMANDS.contains(&first) {
        command.extend(
            words
                .next()
                .filter(is_word)
                .filter(|word| !word.starts_with('-'))
                .map(str::to_owned),
        );
    }
    Some(command)
}

#[tokio::test]
async fn every_command_the_documents_name_exists() {
    let server = Server::start(Options::default()).await;
    let mut commands: BTreeSet<Vec<String>> = BTreeSet::new();
    for (_, text) in documents() {
        commands.extend(code(&text).iter().filter_map(|code| command(code)));
    }
    for expected in ["dev", "chat", "doctor"] {
        assert!(
            commands.contains(&vec![expected.to_owned()]),
            "{expected} is told of nowhere: {commands:?}"
        );
    }
    for command in &commands {
        let output = server.command().args(command).arg("--help").output().unwrap();
        let help = String::from_utf8_lossy(&output.stdout).to_string();
        assert!(output.status.success(), "greenroom {command:?} does not exist");
        // clap answers `--help` of a command's command that it doesn't know with the command's own.
        assert!(
            help.contains(&format!("greenroom {}", command.join(" "))),
            "{command:?}: {help}"
        );
    }
}

#[test]
fn the_readers_of_commands_find_what_is_there() {
    let text = "a `greenroom tasks list --json` b\n```sh\ngreenroom dev --agent x\n```\n";
    let found: Vec<_> = code(text).iter().filter_map(|code| command(code)).collect();
    assert_eq!(
        found,
        [vec!["dev".to_owned()], vec!["tasks".into(), "list".into()]]
    );
    let text = "```sh\ncargo new a && cd a  # why\n# a remark\ncurl -d '{\n 1 && 2}'\na \\\nb\n```\n";
    assert_eq!(
        commands(&blocks(text)[0]),
        ["cargo new a", "cd a", "curl -d '{\n 1 && 2}'", "a b"]
    );
    assert_eq!(
        words("a --b '{\"c\": 1}' \"d e\" ''"),
        ["a", "--b", "{\"c\": 1}", "d e", ""]
    );
}

#[test]
fn cargo_commands_are_held_against_the_workspace() {
    for right in [
        "cargo xtask test --fast",
        "cargo run --release -- dev",
        "cargo run -p greenroom-agent-sdk --example first_agent -- --serve",
        "cargo bench -p greenroom-tests --bench speed -- --seconds 4 --outside",
    ] {
        assert_eq!(cargo_lacks(right), None, "{right}");
    }
    for wrong in [
        "cargo xtask dance",
        "cargo xtask test --dance",
        "cargo run -p greenroom-agent-sdk --example second_agent",
        "cargo run -p greenroom-agent-sdk --example first_agent -- --dance",
        "cargo bench -p nobody --bench speed",
        "cargo dance",
    ] {
        assert!(cargo_lacks(wrong).is_some(), "{wrong}");
    }
}
