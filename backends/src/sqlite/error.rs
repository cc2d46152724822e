//! Errors of the engine as errors of a journal.

use std::path::Path;

use rusqlite::{Error as Engine, ErrorCode, ffi};
use sessile_core::error::Error;

/// Whether another process or connection has the lock this one needs.
pub(super) fn is_busy(error: &Engine) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

/// Whether a flush failed: the content of the medium is unknown until the file is opened again.
pub(super) fn is_flush(error: &Engine) -> bool {
    extended(error)
        .is_some_and(|code| matches!(code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC))
}

/// A failed COMMIT that certainly was not applied: it never got as far as the last frame.
pub(super) fn is_clean(error: &Engine) -> bool {
    is_busy(error)
        || matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::OutOfMemory
                    | ErrorCode::ReadOnly
                    | ErrorCode::ConstraintViolation
            )
        )
}

fn extended(error: &Engine) -> Option<std::ffi::c_int> {
    error.sqlite_error().map(|e| e.extended_code)
}

/// The error to answer with. Nothing was applied, or the caller says otherwise.
pub(super) fn engine(file: &Path, error: Engine) -> Error {
    let file = file.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Error::CorruptFile { file, reason: error.to_string() }
        }
        Some(ErrorCode::DiskFull) => {
            Error::unavailable(format!("no space is left for {file}; free some"), error)
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::unavailable(format!("cannot open {file}"), error)
        }
        Some(ErrorCode::ReadOnly) => Error::unavailable(
            format!("cannot write to {file}: it is read-only; give this user the right to write"),
            error,
        ),
        Some(_) if is_busy(&error) => {
            Error::unavailable(format!("{file} is in use by another process; try again"), error)
        }
        _ => Error::unavailable(format!("SQLite failed at {file}"), error),
    }
}

#[cfg(test)]
mod tests {
    use sessile_core::error::ErrorKind;

    use super::*;

    fn failure(code: std::ffi::c_int) -> Engine {
        Engine::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn each_code_has_its_reaction() {
        assert!(is_flush(&failure(ffi::SQLITE_IOERR_FSYNC)));
        assert!(!is_clean(&failure(ffi::SQLITE_IOERR_FSYNC)));
        assert!(!is_clean(&failure(ffi::SQLITE_IOERR_WRITE)));
        assert!(is_clean(&failure(ffi::SQLITE_FULL)));
        assert!(is_busy(&failure(ffi::SQLITE_BUSY_SNAPSHOT)));
        let kind = |code| engine(Path::new("a.db"), failure(code)).kind();
        assert_eq!(kind(ffi::SQLITE_NOTADB), ErrorKind::Corrupt);
        assert_eq!(kind(ffi::SQLITE_CORRUPT_VTAB), ErrorKind::Corrupt);
        assert_eq!(kind(ffi::SQLITE_FULL), ErrorKind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_CANTOPEN), ErrorKind::Unavailable);
    }
}
