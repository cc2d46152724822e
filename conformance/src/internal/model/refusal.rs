//! Refusals, as far as the contract fixes them.

use std::fmt;

use sessile_core::{Error, ErrorKind};

/// A predicted refusal: one of some kinds, and the exact error where its fields follow from the contract.
#[derive(Clone, Debug)]
pub struct Refusal {
    kinds: Vec<ErrorKind>,
    exact: Option<Box<Error>>,
}

impl Refusal {
    /// This kind, whatever its fields.
    pub fn kind(kind: ErrorKind) -> Self {
        Self { kinds: vec![kind], exact: None }
    }

    /// One of these kinds: the contract leaves it open which.
    pub fn one_of(kinds: &[ErrorKind]) -> Self {
        Self { kinds: kinds.to_vec(), exact: None }
    }

    /// Exactly this error.
    pub fn exactly(error: Error) -> Self {
        Self { kinds: vec![error.kind()], exact: Some(Box::new(error)) }
    }

    /// Why an actual error is not the predicted one.
    pub fn differs(&self, actual: &Error) -> Option<String> {
        if !self.kinds.contains(&actual.kind()) {
            return Some(format!("refused as {:?} ({actual}), not as {self}", actual.kind()));
        }
        let exact = self.exact.as_ref()?;
        (format!("{exact:?}") != format!("{actual:?}"))
            .then(|| format!("refused with {actual:?}, not with {exact:?}"))
    }

    /// The kind, where it is certain.
    pub fn certain(&self) -> Option<ErrorKind> {
        if let [kind] = self.kinds[..] { Some(kind) } else { None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.exact {
            Some(error) => write!(f, "{error:?}"),
            None => write!(f, "{:?}", self.kinds),
        }
    }
}

impl From<ErrorKind> for Refusal {
    fn from(kind: ErrorKind) -> Self {
        Self::kind(kind)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::exactly(error)
    }
}
