//! The control socket of a process that has a store.

use crate::config::StoreSettings;
use crate::control::{ControlSocket, socket_of};

/// Without it the commands say that the store is in use; chats and tasks are none the worse.
pub(crate) fn control_socket(store: &StoreSettings) -> Option<ControlSocket> {
    let path = socket_of(store.seat());
    // A table is nobody's alone: another process of this machine may sit there already, or nobody may have yet.
    if let StoreSettings::DynamoDb(table) = store {
        if std::os::unix::net::UnixStream::connect(&path).is_ok() {
            tracing::warn!(path = %path.display(), "another process on this table has the control socket");
            return None;
        }
        if let Some(folder) = table.seat.parent()
            && let Err(error) = std::fs::create_dir_all(folder)
        {
            tracing::warn!(%error, path = %folder.display(), "no folder for the control socket");
        }
    }
    match ControlSocket::bind(&path) {
        Ok(socket) => Some(socket),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "no control socket: `greenroom tasks` can't reach this process");
            None
        }
    }
}
