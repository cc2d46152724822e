//! Keyset pages.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// The largest page.
pub const MAX_PAGE: usize = 1000;

/// Where a page ended. Opaque; good for the same query only, for as long as the store exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub(crate) a: u128,
    pub(crate) b: u64,
    pub(crate) c: u64,
}

impl Cursor {
    pub(crate) const fn new(a: u128, b: u64) -> Self {
        Self { a, b, c: 0 }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.a, self.b)?;
        if self.c == 0 { Ok(()) } else { write!(f, ".{:x}", self.c) }
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = || {
            let (a, rest) = text.split_once('.')?;
            let (b, c) = rest.split_once('.').unwrap_or((rest, "0"));
            let (b, c) = (u64::from_str_radix(b, 16).ok()?, u64::from_str_radix(c, 16).ok()?);
            Some(Self { a: u128::from_str_radix(a, 16).ok()?, b, c })
        };
        parts()
            .filter(|c| c.to_string() == text)
            .ok_or_else(|| Error::invalid("cursor", "not one of this store's cursors"))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// Where the page before ended; `None` for the first.
    pub after: Option<Cursor>,
    /// 1 to [`MAX_PAGE`].
    pub limit: usize,
}

impl Default for Paging {
    fn default() -> Self {
        Self { after: None, limit: 100 }
    }
}

impl Paging {
    /// The first page, of at most `limit` items.
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }

    /// The page after a cursor.
    #[must_use]
    pub const fn after(self, cursor: Option<Cursor>) -> Self {
        Self { after: cursor, limit: self.limit }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if (1..=MAX_PAGE).contains(&self.limit) {
            Ok(())
        } else {
            Err(Error::invalid(
                "limit",
                format!("{}, where 1 to {MAX_PAGE} are allowed", self.limit),
            ))
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The items. May be fewer than asked, even none, while `next` says there is more: a filtered page looks at a
    /// bounded number of records.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    pub(crate) const fn last(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}
