//! `greenroom new agent NAME`: a project that compiles, with its test.

mod sdk;

use std::io;
use std::path::{Path, PathBuf};

use greenroom_kernel::AgentName;

use crate::cli::{NewArgs, NewCommand};
use crate::failed::Failed;
use crate::output;
use sdk::Sdk;

/// Names that cargo or the project's own dependencies have taken.
const TAKEN: [&str; 13] = [
    "alloc",
    "build",
    "core",
    "deps",
    "examples",
    "futures",
    "incremental",
    "proc_macro",
    "serde",
    "serde_json",
    "std",
    "test",
    "tokio",
];

/// Makes the project and says what to do next.
pub(crate) fn run(args: &NewArgs) -> Result<(), Failed> {
    let NewCommand::Agent { name, sdk } = &args.command;
    let name = AgentName::parse(name).map_err(|_| {
        Failed::misused(format!(
            "{name:?} is no agent's name: use 1 to 64 of A-Z a-z 0-9 _ -"
        ))
    })?;
    let sdk = Sdk::find(sdk.as_deref(), std::env::current_exe().ok().as_deref())?;
    let folder = PathBuf::from(name.as_str());
    create(&folder, &name, &sdk)?;
    output::text(&next(&name, &sdk))
}

fn next(name: &AgentName, sdk: &Sdk) -> String {
    format!(
        "{name}/ is an agent, on the SDK {sdk}. Next, each in a terminal of its own:\n\n  \
         cd {name} && cargo run\n  \
         greenroom dev --agent http://127.0.0.1:7071\n  \
         greenroom chat --agent {name}\n\n\
         `cargo test` there runs it through crashes at every place."
    )
}

fn create(folder: &Path, name: &AgentName, sdk: &Sdk) -> Result<(), Failed> {
    vacant(folder)?;
    let filled = |template: &str| {
        template
            .replace("@NAME@", name.as_str())
            .replace("@PACKAGE@", &package(name.as_str()))
            .replace("@SDK@", &sdk.dependency())
    };
    let files = [
        ("Cargo.toml", filled(include_str!("new/template/Cargo.toml.txt"))),
        ("src/main.rs", filled(include_str!("new/template/main.rs.txt"))),
        (
            "tests/crashes.rs",
            filled(include_str!("new/template/crashes.rs.txt")),
        ),
        ("README.md", filled(include_str!("new/template/README.md.txt"))),
        (".gitignore", filled(include_str!("new/template/gitignore.txt"))),
    ];
    for (place, text) in files {
        let path = folder.join(place);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, text))
            .map_err(|error| Failed::because(format!("can't write {}: {error}", path.display())))?;
    }
    if let Some(lock) = sdk.lock() {
        // The versions that the SDK is tested with, most likely downloaded already. Without it cargo finds others.
        let _ = std::fs::copy(lock, folder.join("Cargo.lock"));
    }
    Ok(())
}

/// Refuses a folder that holds something.
fn vacant(folder: &Path) -> Result<(), Failed> {
    let taken = |what: &str| {
        Failed::because(format!(
            "{} {what}: take another name, or another folder to stand in",
            folder.display()
        ))
    };
    match std::fs::read_dir(folder) {
        Ok(mut inside) => match inside.next() {
            None => Ok(()),
            Some(_) => Err(taken("is there already and not empty")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(taken("is a file")),
        Err(error) => Err(Failed::because(format!(
            "can't look into {}: {error}",
            folder.display()
        ))),
    }
}

/// A package's name for the agent's: cargo takes fewer.
fn package(name: &str) -> String {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    // Rust's keywords are short words of small letters; no list of them grows old here.
    let word = name.len() <= 8 && name.bytes().all(|byte| byte.is_ascii_lowercase());
    // The SDK's crates are packages of the project too.
    let ours = name.starts_with("greenroom");
    if begins && !word && !ours && !TAKEN.contains(&name) {
        name.to_owned()
    } else {
        format!("agent-{name}")
    }
}

#[cfg(test)]
mod tests;
