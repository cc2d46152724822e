//! Errors of the server as errors of a journal.

use std::sync::Arc;

use sessile_core::error::{Error, Source};
use tokio_postgres::{
    Error as Engine,
    error::{Severity, SqlState},
};

/// Why a statement has no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing was sent that writes.
    Unsent(Error),
    /// The server rolled it back.
    Refused(Error),
    /// The server rolled it back, because another transaction is in the way: it may succeed later.
    Busy(Error),
    /// The connection was lost after the statement was sent: it may have been applied, or may still be.
    Doubt(Source),
}

impl Failure {
    /// Of a statement that was sent. Only an answer of severity ERROR says that the server rolled it back: whatever ends the
    /// connection (a shutdown, another session's command, the network) leaves open whether the commit came first.
    pub(super) fn of(error: Engine) -> Self {
        let answer = error.as_db_error();
        if answer.and_then(|answer| answer.parsed_severity()) != Some(Severity::Error) {
            return Self::Doubt(Arc::new(error));
        }
        let busy = [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
        ];
        let is_busy = error.code().is_some_and(|code| busy.contains(code));
        let stated = stated(error);
        if is_busy { Self::Busy(stated) } else { Self::Refused(stated) }
    }

    /// The same, where nothing that writes was sent.
    pub(super) fn unsent(self) -> Self {
        Self::Unsent(self.repeatable())
    }

    /// The error for reads, and for writes that may be repeated.
    pub(super) fn repeatable(self) -> Error {
        match self {
            Self::Unsent(error) | Self::Refused(error) | Self::Busy(error) => error,
            Self::Doubt(source) => lost(source),
        }
    }
}

fn lost(source: Source) -> Error {
    let reason = "the connection to PostgreSQL was lost; try again".into();
    Error::Unavailable { reason, operation: None, source: Some(source) }
}

/// Of an answer of the server.
fn stated(error: Engine) -> Error {
    let reason = match error.code() {
        Some(&SqlState::DISK_FULL) => "no space is left for PostgreSQL; free some",
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            "the user of PostgreSQL has not the right; it needs those of the schema's owner"
        }
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
            "PostgreSQL takes no writes: it is a standby; name the primary"
        }
        Some(&SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED) => {
            let reason = error.to_string();
            return Error::CorruptFile { file: "the database".into(), reason };
        }
        _ => "PostgreSQL failed",
    };
    Error::unavailable(reason, error)
}

/// Of an attempt to connect.
pub(super) fn unreachable(error: Engine) -> Error {
    Error::unavailable("PostgreSQL cannot be reached; check address, user and password", error)
}
