//! Decimal numbers as a transcript spells them, without a float in between.

/// The number times 10^`scale`, rounded to the nearest integer, halves up. `None` for what is negative, no JSON number,
/// or above `u64`.
pub(super) fn parse(text: &str, scale: u32) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |m| (true, m));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if digits.iter().all(|&d| d == b'0') {
        return Some(0);
    }
    if negative {
        return None;
    }
    // How many digits stand before the point once the scale is applied; the next one decides the rounding.
    let fraction = i64::try_from(fraction.len()).ok()?;
    let point = i64::try_from(digits.len()).ok()?.checked_sub(fraction)?;
    let point = point.checked_add(exponent)?.checked_add(i64::from(scale))?;
    let digit = |at: i64| {
        let digit = usize::try_from(at).ok().and_then(|at| digits.get(at));
        digit.map_or(0, |d| u64::from(d - b'0'))
    };
    let first = digits.iter().position(|&d| d != b'0').and_then(|at| i64::try_from(at).ok())?;
    if point.saturating_sub(first) > 20 {
        return None;
    }
    let mut value = 0_u64;
    for at in first..point {
        value = value.checked_mul(10)?.checked_add(digit(at))?;
    }
    value.checked_add(u64::from(point >= 0 && digit(point) >= 5))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn costs_are_exact() {
        for (text, micro) in [
            ("0", 0),
            ("-0.0", 0),
            ("0.53839", 538_390),
            ("0.1", 100_000),
            ("1e-6", 1),
            ("1.5E+2", 150_000_000),
            ("0.0000005", 1),
            ("0.00000049999", 0),
            ("0.009999999", 10_000),
            ("18446744073709.551615", u64::MAX),
            ("0e999999", 0),
            ("1e-999999", 0),
        ] {
            assert_eq!(parse(text, 6), Some(micro), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in [
            "-1",
            "-0.1",
            "",
            ".",
            "x",
            "1x",
            "NaN",
            "1e20",
            "18446744073709.551616",
            "1e99999999999999999999",
        ] {
            assert_eq!(parse(text, 6), None, "{text}");
        }
        assert_eq!(parse("52861", 0), Some(52_861));
        assert_eq!(parse("52861.0", 0), Some(52_861));
    }
}
