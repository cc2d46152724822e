//! Bytes in JSON: base64 with padding (RFC 4648).

use std::fmt;

use fast32::base64::{RFC4648, RFC4648_NOPAD};
use serde::{Deserializer, Serializer, de::Visitor};

/// The characters that stand for these bytes; none of them is one that JSON escapes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    RFC4648.encode(bytes)
}

pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(bytes))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    struct Base64;

    impl Visitor<'_> for Base64 {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes in base64")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
            // With padding the crate takes whatever follows the first `=`.
            let digits = text.trim_end_matches('=');
            if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
                return Err(E::custom("the padding of the base64 is wrong"));
            }
            RFC4648_NOPAD.decode_str(digits).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Base64)
}

/// A number of bytes, for people.
pub(super) struct Size(pub(super) usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 byte"),
            bytes @ ..1024 => write!(f, "{bytes} bytes"),
            bytes @ ..0x10_0000 => write!(f, "{} KiB", bytes.div_ceil(1024)),
            bytes => write!(f, "{} MiB", bytes.div_ceil(0x10_0000)),
        }
    }
}
