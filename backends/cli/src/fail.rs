//! Why a command could not do its work, as one line with all causes.

use std::{fmt, io};

/// The result of a command.
pub(crate) type Result<T, E = Fail> = std::result::Result<T, E>;

/// A failure that ends the command with exit status 2.
#[derive(Debug)]
pub(crate) enum Fail {
    /// The arguments are wrong, or what they name does not exist.
    Input(String),
    /// The store refused or failed.
    Store(sessile::Error),
    /// The operating system refused or failed.
    Io(String, io::Error),
}

impl Fail {
    pub(crate) fn input(reason: impl Into<String>) -> Self {
        Self::Input(reason.into())
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io(what, error)
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(reason) => f.write_str(reason),
            Self::Store(error) => write!(f, "{}", chain(error)),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl From<sessile::Error> for Fail {
    fn from(error: sessile::Error) -> Self {
        Self::Store(error)
    }
}

/// An error and everything below it in one line. A cause that the line already quotes is not repeated.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        let text = below.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = below.source();
    }
    line
}
