//! What commands say: results on stdout, complaints on stderr.

use std::io::{self, Write};

use crate::failed::Failed;

/// Prints a result and a line's end. A reader who has seen enough (`| head`) is no failure.
pub(crate) fn text(text: &str) -> Result<(), Failed> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    fragment(&format!("{text}{end}"))
}

/// Prints a part of a result at once.
pub(crate) fn fragment(text: &str) -> Result<(), Failed> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints data for programs.
pub(crate) fn json(value: &serde_json::Value) -> Result<(), Failed> {
    text(&value.to_string())
}

/// Prints a line on stderr, best effort: there is nowhere else to say that it failed.
pub(crate) fn complaint(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Replaces the line that is being written on stderr.
pub(crate) fn progress(text: &str, last: bool) {
    let end = if last { "\n" } else { "" };
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "\r\x1b[2K{text}{end}").and_then(|()| stderr.flush());
}
