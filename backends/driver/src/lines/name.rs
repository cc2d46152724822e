//! Names of folders and object keys for any text.

use sessile_core::hash::Hash;

/// Longer names are cut and end with a digest of the text.
const LONGEST: usize = 200;

/// Names that Windows reserves, alone and before a dot.
pub const RESERVED: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// The name of a folder for any text: different for different texts, also where letters differ in case only and the
/// file system does not care; never `.`, `..`, reserved, or longer than 255 bytes.
///
/// Lower-case letters and digits stay, `-` except at the beginning, `.` and `_` except at both ends; each other byte becomes
/// `%` and two hexadecimal digits. A name of 200 bytes or more is cut and ends with 128 bits of a digest of the text.
pub fn folder(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let stem = text.split('.').next().unwrap_or_default();
    let is_reserved = RESERVED.contains(&stem);
    let mut name = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let stays = match byte {
            b'a'..=b'z' | b'0'..=b'9' => at > 0 || !is_reserved,
            b'-' => at > 0,
            b'.' | b'_' => at > 0 && at < last,
            _ => false,
        };
        if stays {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    if name.len() >= LONGEST {
        let digest = Hash::of(&[text.as_bytes()]).prefix_128();
        name.truncate(LONGEST - 40);
        name.push_str(&format!("%%{digest:032x}"));
    }
    if name.is_empty() { "%".into() } else { name }
}

/// The text of a name made by [`folder`]; `None` if [`folder`] makes no such name, or if it was cut.
pub fn text(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    let text = String::from_utf8(bytes).ok()?;
    (folder(&text) == name).then_some(text)
}
