//! The frame of a line: a JSON object that begins with its own length and checksum.
//!
//! `{"len":"0000012a","crc":"89abcdef",` ... `}` and a newline. `len` counts all bytes of the line, the newline too; `crc` is
//! the CRC-32 of the eight digits of `len` and of all that follows the 35 bytes of this beginning.

/// The bytes every line begins with.
pub const START: &[u8] = LEN;
const LEN: &[u8] = b"{\"len\":\"";
const CRC: &[u8] = b"\",\"crc\":\"";
const END: &[u8] = b"\",";
const DIGITS: usize = 8;
const LEN_AT: usize = LEN.len();
const CRC_AT: usize = LEN_AT + DIGITS + CRC.len();

/// The number of bytes before the members of a line.
pub const PREFIX: usize = CRC_AT + DIGITS + END.len();

/// Begins a line. Append JSON members separated by commas, then call [`finish`].
pub fn start() -> Vec<u8> {
    let mut line = Vec::with_capacity(2048);
    for part in [LEN, &[b'0'; DIGITS], CRC, &[b'0'; DIGITS], END] {
        line.extend_from_slice(part);
    }
    line
}

/// Ends a line: writes its length and checksum. `None` if it is longer than 4 GiB.
pub fn finish(mut line: Vec<u8>) -> Option<Vec<u8>> {
    line.extend_from_slice(b"}\n");
    let len = format!("{:08x}", u32::try_from(line.len()).ok()?);
    line.get_mut(LEN_AT..LEN_AT + DIGITS)?.copy_from_slice(len.as_bytes());
    let crc = format!("{:08x}", crc(&line)?);
    line.get_mut(CRC_AT..CRC_AT + DIGITS)?.copy_from_slice(crc.as_bytes());
    Some(line)
}

fn crc(line: &[u8]) -> Option<u32> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(line.get(LEN_AT..LEN_AT + DIGITS)?);
    hasher.update(line.get(PREFIX..)?);
    Some(hasher.finalize())
}

/// The number of eight lower-case hexadecimal digits.
pub(super) fn digits(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(at..at + DIGITS)?).ok()?;
    let is_ours = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if is_ours { u32::from_str_radix(digits, 16).ok() } else { None }
}

/// The length of a line, read from its first bytes; `None` if they are not the beginning of a line.
pub fn announced(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(LEN)?;
    let rest = rest.get(DIGITS..)?.strip_prefix(CRC)?;
    rest.get(DIGITS..)?.strip_prefix(END)?;
    let len = digits(bytes, LEN_AT)? as usize;
    (len > PREFIX + 2).then_some(len)
}

/// The line that `bytes` begin with; `None` if it is cut, or its checksum does not fit.
pub fn line(bytes: &[u8]) -> Option<&[u8]> {
    let line = bytes.get(..announced(bytes)?)?;
    let whole = line.ends_with(b"}\n") && digits(line, CRC_AT)? == crc(line)?;
    whole.then_some(line)
}

/// The JSON members of a line, without its length, checksum and braces.
pub fn members(line: &[u8]) -> &[u8] {
    line.get(PREFIX..line.len().saturating_sub(2)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(members: &str) -> Vec<u8> {
        let mut line = start();
        line.extend_from_slice(members.as_bytes());
        finish(line).unwrap()
    }

    #[test]
    fn a_line_is_json_and_comes_back() {
        let bytes = framed("\"a\":[1,2]");
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["a"][1], 2);
        assert_eq!(members(line(&bytes).unwrap()), b"\"a\":[1,2]");
        assert_eq!(announced(&bytes), Some(bytes.len()));
        let mut two = bytes.clone();
        two.extend_from_slice(&bytes);
        assert_eq!(line(&two), Some(&bytes[..]));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = framed("\"text\":\"something to protect\",\"n\":12");
        for at in 0..bytes.len() {
            assert_eq!(line(&bytes[..at]), None, "cut at {at}");
            for bit in 0..8 {
                let mut bent = bytes.clone();
                bent[at] ^= 1 << bit;
                assert_eq!(line(&bent), None, "bit {bit} of byte {at}");
            }
        }
    }
}
