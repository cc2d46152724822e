//! BLAKE3 digests, and the text form of 128-bit numbers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A BLAKE3 digest; text is 64 lower-case hexadecimal characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The link before the first record.
    pub const ZERO: Self = Self([0; 32]);

    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of the parts, in order. The parts' lengths are not part of it: callers keep all but one fixed.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The first 64 bits.
    pub const fn prefix_64(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The first 128 bits.
    pub const fn prefix_128(&self) -> u128 {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = self.0;
        u128::from_be_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// Its text.
    pub(crate) fn hex(&self) -> impl std::ops::Deref<Target = str> + use<> {
        blake3::Hash::from_bytes(self.0).to_hex()
    }

    /// Parses 64 lower-case hexadecimal characters.
    pub fn parse(text: &str) -> Option<Self> {
        hex_bytes(text.as_bytes()).map(Self)
    }
}

/// The first 128 bits of a BLAKE3 digest; text is 32 lower-case hexadecimal characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShortHash(#[serde(with = "hex128")] u128);

impl ShortHash {
    /// The digest of a text.
    pub fn of(text: &str) -> Self {
        Self(Hash::of(&[text.as_bytes()]).prefix_128())
    }

    /// From its bits.
    pub(crate) const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Its two halves.
    pub(crate) const fn words(self) -> [u64; 2] {
        [(self.0 >> 64) as u64, self.0 as u64]
    }

    /// From its two halves.
    pub(crate) const fn from_words([high, low]: [u64; 2]) -> Self {
        Self((high as u128) << 64 | low as u128)
    }
}

/// The value of a lower-case hexadecimal character; above 15 for any other.
const fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => 255,
    }
}

/// [`hex_digit`] of every byte.
#[allow(clippy::indexing_slicing, reason = "the index is below 256")]
const HEX: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = hex_digit(byte as u8);
        byte += 1;
    }
    table
};

/// Bytes from twice as many lower-case hexadecimal characters.
fn hex_bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let mut wrong = 0;
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        let digit = |byte: u8| HEX.get(usize::from(byte)).copied().unwrap_or(255);
        let (high, low) = (digit(high), digit(low));
        wrong |= high | low;
        *byte = high << 4 | low & 15;
    }
    (wrong < 16).then_some(bytes)
}

/// What reads a string where it stands, without a copy if it has no escapes.
struct Text<T>(fn(&str) -> Option<T>, &'static str);

impl<T> serde::de::Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(Self::parse, "a digest of 64 hexadecimal characters"))
    }
}

/// 128-bit numbers as 32 hexadecimal characters: JSON readers other than ours lose the low bits of large numbers.
pub mod hex128 {
    use serde::{Deserializer, Serializer};

    /// Writes 32 hexadecimal characters.
    pub fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Digits::of(*value).as_str())
    }

    /// 32 hexadecimal characters.
    pub(crate) struct Digits([u8; 32]);

    impl Digits {
        pub(crate) fn of(value: u128) -> Self {
            // Each byte's halves to bytes of their own, then all to characters.
            let spread = |half: u64| {
                let pairs = half.to_be_bytes().map(|byte| [byte >> 4, byte & 15]);
                pairs
                    .map(|pair| pair.map(|digit| digit + if digit < 10 { b'0' } else { b'a' - 10 }))
            };
            let mut digits = [0; 32];
            let halves = [spread((value >> 64) as u64), spread(value as u64)];
            for (digit, spread) in digits.iter_mut().zip(halves.as_flattened().as_flattened()) {
                *digit = *spread;
            }
            Self(digits)
        }

        pub(crate) fn as_str(&self) -> &str {
            std::str::from_utf8(&self.0).unwrap_or_default()
        }
    }

    /// Parses 32 lower-case hexadecimal characters.
    pub(crate) fn parse(text: &str) -> Option<u128> {
        super::hex_bytes(text.as_bytes()).map(u128::from_be_bytes)
    }

    /// Reads 32 hexadecimal characters.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        deserializer.deserialize_str(super::Text(parse, "32 lower-case hexadecimal characters"))
    }
}
