//! `greenroom certs show`: what is in certificates, and how long they last.

use std::path::{Path, PathBuf};

use greenroom_kernel::{Clock, MemberRole};
use serde_json::{Value, json};

use super::Facts;
use crate::cli::CertsShowArgs;
use crate::failed::Failed;
use crate::links::SOON;
use crate::output;

pub(super) fn run(args: &CertsShowArgs, clock: &dyn Clock) -> Result<(), Failed> {
    let files = match args.files.is_empty() {
        true => found(&args.dir)?,
        false => args.files.clone(),
    };
    let mut all = Vec::new();
    for file in files {
        let unreadable = |why: String| Failed::because(format!("{}: {why}", file.display()));
        let text = std::fs::read(&file).map_err(|error| unreadable(error.to_string()))?;
        let facts = Facts::of_pem(&text).map_err(unreadable)?;
        if facts.is_empty() {
            return Err(unreadable("there is no certificate in it".to_owned()));
        }
        all.extend(facts.into_iter().map(|facts| (file.clone(), facts)));
    }
    if args.json {
        let shown: Vec<Value> = all
            .iter()
            .map(|(file, facts)| {
                json!({
                    "file": file,
                    "subject": facts.subject,
                    "issuer": facts.issuer,
                    "names": facts.names,
                    "roles": facts.roles().into_iter().map(MemberRole::as_str).collect::<Vec<_>>(),
                    "begins": facts.not_before.to_string(),
                    "ends": facts.not_after.to_string(),
                })
            })
            .collect();
        return output::json(&json!({ "certificates": shown }));
    }
    let lines = all.iter().map(|(file, facts)| line(file, facts, clock));
    output::text(&lines.collect::<Vec<_>>().join("\n"))
}

/// The certificates of a folder: keys are none.
fn found(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let unreadable = |error: std::io::Error| {
        Failed::because(format!(
            "{}: {error}; name another folder with --dir, or files",
            folder.display()
        ))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".pem") && !name.ends_with("-key.pem") {
            files.push(path);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(Failed::because(format!(
            "there is no certificate in {}",
            folder.display()
        ))),
        false => Ok(files),
    }
}

fn line(file: &Path, facts: &Facts, clock: &dyn Clock) -> String {
    let now = clock.now();
    let roles: Vec<&str> = facts.roles().into_iter().map(MemberRole::as_str).collect();
    let what = match roles.is_empty() {
        true => facts.subject.clone(),
        false => format!("{} ({})", roles.join(" and "), facts.subject),
    };
    let state = match facts.not_after <= now {
        true => ": it has ended",
        false if facts.not_before > now => ": it has not begun",
        false if now.until(facts.not_after) < SOON => ": soon",
        false => "",
    };
    format!(
        "{}  {what}, of {}, until {}{state}",
        file.display(),
        facts.issuer,
        facts.not_after
    )
}
