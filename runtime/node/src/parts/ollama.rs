//! Whether an Ollama runs on this machine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PORT: u16 = 11_434;
/// It is on this machine or it is not there: start-up doesn't wait for it.
const PATIENCE: Duration = Duration::from_millis(200);

/// Asks for its version on the standard port. Blocks, briefly.
pub(crate) fn answers() -> bool {
    ask(SocketAddr::from(([127, 0, 0, 1], PORT))).unwrap_or(false)
}

fn ask(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /api/version HTTP/1.0\r\nhost: localhost\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(head.starts_with(b"HTTP/1.") && head.ends_with(b" 200"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answered_by(reply: &'static [u8]) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 17];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(&asked, b"GET /api/version ");
            stream.write_all(reply).unwrap();
        });
        let answers = ask(address).unwrap_or(false);
        serving.join().unwrap();
        answers
    }

    #[test]
    fn it_is_there_when_it_tells_its_version() {
        assert!(answered_by(b"HTTP/1.1 200 OK\r\n\r\n{\"version\":\"0.9\"}"));
        assert!(!answered_by(b"HTTP/1.1 404 Not Found\r\n\r\n"));
        assert!(!answered_by(b"SSH-2.0-OpenSSH_9.9\r\n"));
    }

    #[test]
    fn a_closed_port_is_no_ollama() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(!ask(closed).unwrap_or(false));
    }
}
