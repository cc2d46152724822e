//! Damage on purpose: what the conformance suite does to a medium before it asks whether the damage is found.
//!
//! No part of the promise of this crate; it may change in any release.

use sessile_core::id::Version;

/// What to do to the record at a version. Afterwards the store's own structure is as whole as a careful forger leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// One bit of its head.
    FlipHead,
    /// One bit of its body, inline or blob.
    FlipBody,
    /// It changes places with the record at this version.
    Swap(Version),
    /// It is gone.
    Drop,
    /// The record before it (itself, for the first) is put in its place; it and all that follow move up by one.
    Insert,
    /// It says that it needs a reader of this level; the sum beside its head is made to fit.
    Reader(u16),
}

/// Flips the lowest bit of an ASCII letter or digit in the middle, so that the text stays text.
pub(crate) fn flip(text: &str) -> String {
    let half = text.len() / 2;
    let at = |range: std::ops::Range<usize>| {
        let bytes = text.as_bytes();
        range.clone().find(|at| bytes.get(*at).is_some_and(u8::is_ascii_alphanumeric))
    };
    let at = at(half..text.len()).or_else(|| at(0..half)).unwrap_or(0);
    text.char_indices()
        .map(|(i, c)| match u8::try_from(c) {
            Ok(byte) if i == at && c.is_ascii() => char::from(byte ^ 1),
            _ => c,
        })
        .collect()
}

/// Flips the lowest bit of the byte in the middle.
pub(crate) fn flip_bytes(bytes: &mut [u8]) {
    let half = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(half) {
        *byte ^= 1;
    }
}

/// The head, saying that it needs this reader level.
pub(crate) fn need_reader(head: &str, level: u16) -> String {
    match head.split_once("\"r\":") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}\"r\":{level}{rest}")
        }
        None => head.to_owned(),
    }
}
