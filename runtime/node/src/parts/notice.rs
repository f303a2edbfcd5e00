//! What a process says on its terminal once it serves.

use std::fmt::Write as _;

/// A line that names the process, and a line for each thing there is to know of it; one without a name goes on with the
/// one before.
pub(crate) fn notice(what: &str, lines: &[(&str, String)]) -> String {
    let mut said = format!("greenroom {} is up: {what}\n", env!("CARGO_PKG_VERSION"));
    for (name, value) in lines {
        let _ = writeln!(said, "  {name:<9} {value}");
    }
    said
}

/// Which providers there are, and why those.
pub(crate) fn model_lines(providers: &[String], why: &str, unused: &[String]) -> Vec<(&'static str, String)> {
    let named = match providers {
        [] => "none".to_owned(),
        providers => providers.join(", "),
    };
    let unused = unused.iter().map(|unused| ("", unused.clone()));
    std::iter::once(("model", format!("{named}: {why}")))
        .chain(unused)
        .collect()
}
