//! The socket's side of the process that runs the tasks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use greenroom_kernel::Failure;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Answer, Desk, LINE_AT_MOST, Request};

const CONNECTIONS_AT_MOST: usize = 16;
/// How long one connection may take for everything.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bound socket. Its file is removed when it is dropped.
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl ControlSocket {
    /// Binds it. Whoever calls holds the store's lock, so a file that is there was left by a process that died.
    ///
    /// # Errors
    /// A path that is too long for a socket, or a folder that can't be written.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let owner = std::fs::metadata(path)?.uid();
        Ok(Self {
            listener,
            path: path.to_owned(),
            owner,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Answers until `shutdown` fires.
    pub(crate) async fn serve(self, desk: Desk, shutdown: CancellationToken) {
        let desk = Arc::new(desk);
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_AT_MOST => accepted,
                Some(_) = connections.join_next() => continue,
                () = shutdown.cancelled() => return,
            };
            match accepted {
                // Between binding and setting the mode others could connect.
                Ok((stream, _)) if stream.peer_cred().is_ok_and(|peer| peer.uid() == self.owner) => {
                    let serving = serve_connection(stream, Arc::clone(&desk));
                    connections.spawn(tokio::time::timeout(PATIENCE, serving));
                }
                Ok(_) => tracing::warn!("somebody else's process tried the control socket"),
                Err(error) => {
                    tracing::warn!(%error, "the control socket can't accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Left behind it is in nobody's way.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve_connection(stream: UnixStream, desk: Arc<Desk>) {
    if let Err(error) = answer_lines(stream, &desk).await {
        tracing::debug!(%error, "a control connection broke");
    }
}

async fn answer_lines(stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader.take(LINE_AT_MOST)).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match serde_json::from_str::<Request>(&line) {
            Ok(request) => desk.answer(request).await,
            Err(error) => Answer::Err(Failure::bad_input(format!("not a request: {error}"))),
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        writer.write_all(&text).await?;
    }
    Ok(())
}
