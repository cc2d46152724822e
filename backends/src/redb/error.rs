//! What the engine's errors mean here.

use std::{io, path::Path};

use redb::Error as Engine;
use sessile_core::error::Error;

/// Why a transaction failed.
#[derive(Debug)]
pub(super) enum RedbFailure {
    /// The engine fails.
    Engine(Engine),
    /// The journal states an error of its own, such as damage.
    Stated(Error),
}

impl From<Error> for RedbFailure {
    fn from(error: Error) -> Self {
        Self::Stated(error)
    }
}

macro_rules! engine_errors {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for RedbFailure {
            fn from(error: redb::$error) -> Self {
                Self::Engine(error.into())
            }
        })*
    };
}

engine_errors!(StorageError, TableError, TransactionError, CommitError, DatabaseError);

impl RedbFailure {
    /// The error to answer with.
    pub(super) fn told(self, engine: impl FnOnce(Engine) -> Error) -> Error {
        match self {
            Self::Engine(error) => engine(error),
            Self::Stated(error) => error,
        }
    }
}

/// The result of a query.
pub(super) type EngineResult<T> = Result<T, RedbFailure>;

/// After this one the engine does nothing more until the file is opened again: it keeps no state that a read or write
/// that failed might have left half done.
pub(super) const fn is_final(error: &Engine) -> bool {
    matches!(
        error,
        Engine::Io(_)
            | Engine::PreviousIo
            | Engine::LockPoisoned(_)
            | Engine::DatabaseClosed
            | Engine::Corrupted(_)
    )
}

/// The error to answer with. Nothing was applied, or the caller says otherwise.
pub(super) fn engine(file: &Path, error: Engine) -> Error {
    let name = file.display().to_string();
    match &error {
        Engine::Corrupted(_)
        | Engine::TableTypeMismatch { .. }
        | Engine::TableIsMultimap(_)
        | Engine::TableIsNotMultimap(_)
        | Engine::TypeDefinitionChanged { .. }
        | Engine::TableDoesNotExist(_)
        | Engine::UpgradeRequired(_) => {
            Error::CorruptFile { file: name, reason: error.to_string() }
        }
        Engine::Io(e) => match e.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Error::CorruptFile { file: name, reason: e.to_string() }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::unavailable(format!("no space is left for {name}; free some"), error)
            }
            io::ErrorKind::ReadOnlyFilesystem => Error::unavailable(
                format!(
                    "cannot write to {name}: it is read-only; give this user the right to write"
                ),
                error,
            ),
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => {
                Error::unavailable(format!("cannot open {name}"), error)
            }
            _ => Error::unavailable(format!("redb failed at {name}"), error),
        },
        Engine::DatabaseAlreadyOpen => {
            Error::unavailable(format!("{name} is in use; close it there first"), error)
        }
        _ => Error::unavailable(format!("redb failed at {name}"), error),
    }
}

/// Damaged pages can make the engine panic; no caller sees that as such.
pub(super) fn guarded<T>(work: impl FnOnce() -> EngineResult<T>) -> EngineResult<T> {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    done.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        Err(RedbFailure::Engine(Engine::Corrupted(format!("the engine gave up: {said}"))))
    })
}

#[cfg(test)]
mod tests {
    use sessile_core::error::ErrorKind;

    use super::*;

    #[test]
    fn each_error_has_its_reaction() {
        let kind = |error| engine(Path::new("a.redb"), error).kind();
        assert_eq!(kind(Engine::Corrupted("x".into())), ErrorKind::Corrupt);
        assert_eq!(kind(Engine::Io(io::ErrorKind::InvalidData.into())), ErrorKind::Corrupt);
        assert_eq!(kind(Engine::Io(io::ErrorKind::StorageFull.into())), ErrorKind::Unavailable);
        assert_eq!(kind(Engine::PreviousIo), ErrorKind::Unavailable);
        assert!(is_final(&Engine::PreviousIo));
        assert!(!is_final(&Engine::ValueTooLarge(1)));
    }

    #[test]
    fn a_panic_is_damage() {
        let done: EngineResult<()> = guarded(|| panic!("a page without a type"));
        let Err(RedbFailure::Engine(error)) = done else { panic!("{done:?}") };
        assert!(error.to_string().contains("a page without a type"));
    }
}
