//! Sessile's errors as ADK tells them.

use adk_core::{AdkError, ErrorCategory, ErrorComponent};
use sessile_core::error::{Error, ErrorKind};

/// The error with its text, and Sessile's as the source.
pub(crate) fn failed(error: Error) -> AdkError {
    let (category, code) = match error.kind() {
        ErrorKind::Invalid | ErrorKind::TenantIsolation | ErrorKind::Capacity => {
            (ErrorCategory::InvalidInput, "session.invalid")
        }
        ErrorKind::NotFound => (ErrorCategory::NotFound, "session.not_found"),
        ErrorKind::Contended | ErrorKind::Unavailable => {
            (ErrorCategory::Unavailable, "session.unavailable")
        }
        ErrorKind::Unsupported | ErrorKind::NewerFormat => {
            (ErrorCategory::Unsupported, "session.unsupported")
        }
        // ADK retries what is unavailable, and a retry might append twice.
        ErrorKind::Indeterminate => (ErrorCategory::Internal, "session.indeterminate"),
        _ => (ErrorCategory::Internal, "session.refused"),
    };
    AdkError::new(ErrorComponent::Session, category, code, error.to_string()).with_source(error)
}

pub(crate) fn not_found(app: &str, user: &str, session: &str) -> AdkError {
    let text = format!("there is no session {session:?} of the app {app:?} and the user {user:?}");
    AdkError::not_found(ErrorComponent::Session, "session.not_found", text)
}

pub(crate) fn invalid(code: &'static str, text: String) -> AdkError {
    AdkError::new(ErrorComponent::Session, ErrorCategory::InvalidInput, code, text)
}
