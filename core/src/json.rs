//! JSON from outside: checked once, kept as the bytes given.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 100;

/// One JSON value: valid, at most [`MAX_DEPTH`] levels, every escape a Unicode scalar value.
///
/// Spelling and order are kept as given (`1.0` stays `1.0`, keys stay where they were, repeated keys stay repeated);
/// only white space outside strings is dropped. Equality is equality of that text.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Checks and takes a JSON text.
    pub fn parse(text: &str) -> Result<Self> {
        let scan = scan(text, false)?;
        RawValue::from_string(scan.text)
            .map(Self)
            .map_err(|e| Error::invalid("json", e.to_string()))
    }

    /// Encodes a value.
    pub fn from_value(value: &impl Serialize) -> Result<Self> {
        let text =
            serde_json::to_string(value).map_err(|e| Error::invalid("json", e.to_string()))?;
        Self::parse(&text)
    }

    /// Decodes the value; the counterpart of [`from_value`](Self::from_value).
    ///
    /// `Invalid` with the place and the reason, where it is no `T`. A type that keeps less than the text, such as a map of
    /// keys that repeat, decodes without an error: what comes back equal is the `Json`.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.get()).map_err(|e| Error::invalid("json", e.to_string()))
    }

    /// The text kept.
    pub fn get(&self) -> &str {
        self.0.get()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Json {}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

/// What [`mend`] made of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mended {
    /// The text, without white space outside strings, lone surrogate escapes replaced.
    pub text: String,
    /// How many lone surrogate escapes became U+FFFD.
    pub surrogates: u64,
}

/// Checks a JSON text as [`Json::parse`] does, but turns each lone surrogate escape (`\ud800`), which no Rust string can
/// hold, into U+FFFD and counts it.
pub fn mend(text: &str) -> Result<Mended> {
    scan(text, true)
}

/// The one scanner: white space, depth, surrogates. Grammar is left to `serde_json`, which does not recurse here.
fn scan(text: &str, mend: bool) -> Result<Mended> {
    serde_json::from_str::<&RawValue>(text).map_err(|e| Error::invalid("json", e.to_string()))?;
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut depth, mut in_string, mut surrogates) = (0_usize, false, 0);
    let mut kept = 0; // everything before it is in `out`
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let mut next = at + 1;
        match (in_string, byte) {
            (_, b'"') => in_string = !in_string,
            (true, b'\\') => {
                next = at + 2;
                if let Some(unit) = escape_at(bytes, at) {
                    next = at + 6;
                    let paired = (0xd800..0xdc00).contains(&unit)
                        && escape_at(bytes, next)
                            .is_some_and(|low| (0xdc00..0xe000).contains(&low));
                    if paired {
                        next += 6;
                    } else if (0xd800..0xe000).contains(&unit) {
                        if !mend {
                            return Err(Error::invalid(
                                "json",
                                format!("lone surrogate escape at byte {at}"),
                            ));
                        }
                        out.push_str(text.get(kept..at).unwrap_or_default());
                        out.push_str("\\ufffd");
                        kept = next;
                        surrogates += 1;
                    }
                }
            }
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Error::invalid(
                        "json",
                        format!("nested deeper than {MAX_DEPTH} levels at byte {at}"),
                    ));
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, b' ' | b'\t' | b'\n' | b'\r') => {
                out.push_str(text.get(kept..at).unwrap_or_default());
                kept = next;
            }
            _ => {}
        }
        at = next;
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    Ok(Mended { text: out, surrogates })
}

/// The code unit of a `\uXXXX` escape that begins at `at`.
fn escape_at(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_spelling_and_order() {
        let json =
            Json::parse(" { \"b\" : 1.0e0, \"a\" : [ \"x \\n y\" , \"\\u0041\" ] } ").unwrap();
        assert_eq!(json.get(), r#"{"b":1.0e0,"a":["x \n y","\u0041"]}"#);
    }

    #[test]
    fn values_come_back_as_they_were_given() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Place {
            name: String,
            at: Option<(i64, u64)>,
        }
        for place in [
            Place { name: "\u{1F600}\0\"".into(), at: Some((i64::MIN, u64::MAX)) },
            Place { name: String::new(), at: None },
        ] {
            assert_eq!(Json::from_value(&place).unwrap().to::<Place>().unwrap(), place);
        }
        let deep = Json::parse(&format!("{}1{}", "[".repeat(100), "]".repeat(100))).unwrap();
        assert!(deep.to::<serde_json::Value>().is_ok());
        let error = Json::parse("{\"name\":1}").unwrap().to::<Place>().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("expected a string") && text.contains("column 9"), "{text}");
        assert_eq!(error.kind(), crate::error::ErrorKind::Invalid);
    }

    #[test]
    fn depth_is_bounded_without_recursion() {
        let deep = |n| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(Json::parse(&deep(MAX_DEPTH)).is_ok());
        assert!(Json::parse(&deep(MAX_DEPTH + 1)).is_err());
        assert!(Json::parse(&deep(100_000)).is_err());
        assert!(Json::parse(&format!("\"{}\"", "[".repeat(1000))).is_ok());
    }

    #[test]
    fn surrogates_are_refused_or_mended() {
        assert!(Json::parse(r#""\ud83d\ude00""#).is_ok());
        for lone in [r#""\ud83d""#, r#""\ude00x""#, r#""\ud83d\n""#, r#""\ud83d\u0041""#] {
            assert!(Json::parse(lone).is_err(), "{lone}");
            assert_eq!(mend(lone).unwrap().surrogates, 1, "{lone}");
        }
        assert_eq!(
            mend(r#"["\ud83d\ud83d\ude00", "\\ud800"]"#).unwrap().text,
            r#"["\ufffd\ud83d\ude00","\\ud800"]"#
        );
    }

    #[test]
    fn rejects_what_is_no_json() {
        for bad in ["", "{", "[1,]", "nul", "1 2", "\"a\nb\"", "{\"a\":}"] {
            assert!(Json::parse(bad).is_err(), "{bad}");
        }
    }
}
