//! What SQLite and the file system report, in the store's own words.

use std::io;
use std::path::Path;

use greenroom_kernel::StoreError;
use rusqlite::ErrorCode;

/// The store failed for good, or was closed: it takes no more.
#[derive(Debug, thiserror::Error)]
#[error("the store is closed")]
pub(super) struct Closed;

/// An operation that found nobody to answer it.
pub(super) fn closed(operation: &'static str) -> StoreError {
    StoreError::Unanswered {
        operation,
        source: Some(Box::new(Closed)),
    }
}

/// What a failure of SQLite means for `operation`.
pub(super) fn sqlite_error(operation: &'static str, path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full {
            operation,
            path: path.display().to_string(),
        },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            StoreError::ReadOnly {
                operation,
                path: path.display().to_string(),
            }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { operation },
        // The log's index does not fit, before anything is written. Later the same is fatal: the log may hold a commit
        // that its index doesn't know of.
        Some(ErrorCode::SystemIoFailure) if operation == "open" && lacks_room(&error) => StoreError::Full {
            operation,
            path: path.display().to_string(),
        },
        // Of a journal's slot the same would be a defect: the owner and its store would disagree.
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
            if operation == "record" =>
        {
            StoreError::Unfit {
                operation,
                what: error.to_string(),
            }
        }
        Some(ErrorCode::SystemIoFailure) => StoreError::Unanswered {
            operation,
            source: Some(Box::new(error)),
        },
        _ => StoreError::Corrupt {
            operation,
            what: path.display().to_string(),
            source: Some(Box::new(error)),
        },
    }
}

fn lacks_room(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

/// Whether nothing can be known about the file any more: a failed write or sync.
pub(super) fn is_fatal(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

/// What a failure of the file system means for `operation`.
pub(super) fn io_error(operation: &'static str, path: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly {
            operation,
            path: path.display().to_string(),
        },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full {
            operation,
            path: path.display().to_string(),
        },
        _ => StoreError::Corrupt {
            operation,
            what: path.display().to_string(),
            source: Some(Box::new(error)),
        },
    }
}
