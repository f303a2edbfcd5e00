//! The socket's side of a command.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Answer, LINE_AT_MOST, Request, socket_of};

const PATIENCE: Duration = Duration::from_secs(60);

/// Whether somebody was there.
pub(crate) enum Reached {
    /// And this is what it said.
    Process(Answer),
    /// No process has this store open.
    Nobody,
}

/// Asks the process that has `store` open. Blocks.
///
/// # Errors
/// A socket that can't be spoken to, or what it said.
pub(crate) fn ask(store: &Path, request: &Request) -> io::Result<Reached> {
    let mut stream = match UnixStream::connect(socket_of(store)) {
        Ok(stream) => stream,
        // The path is too long for a socket: then no process could listen there either.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(Reached::Nobody),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(Reached::Nobody);
        }
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    if BufReader::new(stream.take(LINE_AT_MOST)).read_line(&mut answer)? == 0 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the process ended before it answered",
        ));
    }
    Ok(Reached::Process(serde_json::from_str(&answer)?))
}
