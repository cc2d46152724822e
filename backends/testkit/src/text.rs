//! Small damage to texts and bytes.

/// Flips the lowest bit of an ASCII letter or digit in the middle, so that the text stays text.
pub(crate) fn flip(text: &str) -> String {
    let half = text.len() / 2;
    let at = |range: std::ops::Range<usize>| {
        range.clone().find(|at| text.as_bytes()[*at].is_ascii_alphanumeric())
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
