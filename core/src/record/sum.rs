//! The sum beside a record: what a read finds damage by.
//!
//! Two CRC-32 (IEEE 802.3) in one number. The upper half is over link and header, the lower over salt and body - the text, or
//! the name of its blob - so that it still tells of the header when the body was erased. Flips of up to three bits in 11 KiB (two in more), and any damage
//! within 32 adjacent bits, are found for certain; anything else is missed once in 2^32. It is no guard against a forger:
//! that are digest and link, which loads and `verify` check.

use crate::{
    hash::Hash,
    journal::{Record, RecordBody},
};

/// The half over link and header.
fn of_head(link: &Hash, head: &str) -> u32 {
    crc(link.bytes(), head.as_bytes())
}

/// The half over salt and body; an erased body has none.
fn of_body(salt: &[u8; 16], body: &RecordBody) -> Option<u32> {
    match body {
        RecordBody::None => None,
        RecordBody::Inline(text) => Some(crc(salt, text.as_bytes())),
        RecordBody::Blob(name) => Some(crc(salt, name.0.as_bytes())),
    }
}

fn crc(first: &[u8], second: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(first);
    crc.update(second);
    crc.finalize()
}

/// Both halves in one; without a body the lower is 0.
pub(crate) fn sum(link: &Hash, head: &str, salt: &[u8; 16], body: &RecordBody) -> u64 {
    u64::from(of_head(link, head)) << 32 | u64::from(of_body(salt, body).unwrap_or_default())
}

impl Record {
    /// The sum that fits the rest of this record: what a test that makes or changes one writes beside it.
    #[doc(hidden)]
    pub fn fitting_sum(&self) -> u64 {
        sum(&self.link, &self.header, &self.salt, &self.body)
    }

    /// Says which part does not fit the sum.
    pub(crate) fn damage(&self) -> Option<&'static str> {
        let (head, body) = ((self.sum >> 32) as u32, self.sum as u32);
        if of_head(&self.link, &self.header) != head {
            return Some("head and link do not match their sum");
        }
        match of_body(&self.salt, &self.body) {
            Some(sum) if sum != body => Some("the body does not match its sum"),
            _ => None,
        }
    }
}
