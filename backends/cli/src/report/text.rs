//! Words and numbers for people.

use std::fmt::Write;

use sessile::{
    Timestamp,
    model::{Currency, Totals},
};
use unicode_width::UnicodeWidthStr;

/// Makes text from outside harmless: control characters, escape sequences and marks that change the direction of text
/// are escaped, so that nothing but this program controls the terminal.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || steers(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Line separators and direction marks: they are no control characters, but they move the text around them.
const fn steers(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The width of a text in columns.
pub(crate) fn wide(text: &str) -> usize {
    text.width()
}

/// Cuts a clean text to at most `columns` columns.
pub(crate) fn short(text: &str, columns: usize) -> String {
    if wide(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if wide(&out) >= columns {
            out.pop();
            break;
        }
    }
    out.push('…');
    out
}

/// A number in groups of three: `12,345`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 file`, `2 files`.
pub(crate) fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// The cost per currency: `0.53839 USD`. Without bookings it is a dash, which is not zero.
pub(crate) fn money(totals: Option<&Totals>) -> String {
    let Some(totals) = totals else { return "-".into() };
    let sums: Vec<_> = totals.cost.iter().map(|(it, micro)| coins(*micro, it)).collect();
    if sums.is_empty() { "-".into() } else { sums.join(" + ") }
}

/// Millionths of a currency: `0.53839 USD`.
pub(crate) fn coins(micro: u64, currency: &Currency) -> String {
    let (units, rest) = (micro / 1_000_000, micro % 1_000_000);
    let rest = format!("{rest:06}");
    let keep = rest.trim_end_matches('0').len().max(2);
    format!("{}.{} {currency}", count(units), rest.get(..keep).unwrap_or(&rest))
}

/// A time in UTC, to the second.
pub(crate) fn stamp(at: Timestamp) -> String {
    let time =
        i64::try_from(at.millis()).ok().and_then(|m| jiff::Timestamp::from_millisecond(m).ok());
    time.map_or_else(|| format!("{at} ms"), |t| t.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_steers_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\r\n\u{9b}2J\u{7}"), "a\\u{1b}[31mb\\r\\n\\u{9b}2J\\u{7}");
        assert_eq!(clean("evil\u{202e}txt"), "evil\\u{202e}txt");
        assert_eq!(clean("größe 界 😀"), "größe 界 😀");
    }

    #[test]
    fn shortening_counts_columns() {
        assert_eq!(short("abcdef", 6), "abcdef");
        assert_eq!(short("abcdefg", 6), "abcde…");
        assert_eq!(short("界界界界", 5), "界界…");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        let mut totals = Totals::default();
        assert_eq!(money(Some(&totals)), "-");
        totals.cost.insert(sessile::model::Currency::new("USD").unwrap(), 538_390);
        assert_eq!(money(Some(&totals)), "0.53839 USD");
        totals.cost.insert(sessile::model::Currency::new("EUR").unwrap(), 2_000_000);
        assert_eq!(money(Some(&totals)), "2.00 EUR + 0.53839 USD");
    }
}
