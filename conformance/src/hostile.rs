//! Texts that have broken stores before.

use std::path::Path;

/// Part of every hostile path, so that what escaped can be found.
const ESCAPEE: &str = "sessile-escapee";

/// Separators, traversal, SQL, globs, options, escapes, Unicode twins, reserved names, extremes of length.
pub fn corpus() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        ".",
        "..",
        "/",
        "\\",
        "a/b",
        "..\\a",
        "%2F",
        "%2e%2e%2f",
        "%00",
        "\0",
        "a\0b",
        "\n",
        "a\r\nb",
        "\u{7f}",
        "\u{85}",
        " ",
        "a ",
        " a",
        "'",
        "\"",
        "' OR 1=1 --",
        "'; DROP TABLE records; --",
        "`x`",
        "$(touch x)",
        "${HOME}",
        "*",
        "?",
        "[a-z]",
        "%",
        "_",
        "-",
        "--",
        "-rf",
        "--help",
        "CON",
        "nul",
        "aux.txt",
        "a:b",
        "a|b",
        "<a>",
        "é",
        "e\u{301}",
        "A",
        "a",
        "İ",
        "ı",
        "ß",
        "\u{202e}abc",
        "\u{feff}",
        "\u{200d}",
        "𝔘𝔫𝔦",
        "🦀",
        "\u{10ffff}",
        "ab",
        "a-b",
        "a_b",
        "a.b",
        "null",
        "{\"a\":1}",
        "prj_",
        "thd_",
        "ses_",
        "ses_0_13",
        "records",
        "sqlite_master",
    ]
    .iter()
    .map(|text| (*text).to_owned())
    .collect();
    all.extend([128, 129, 255, 256, 257].map(|n| "x".repeat(n)));
    all.push("é".repeat(64));
    all.push("é".repeat(65));
    for root in ["../", "../../", "/tmp/", "file:", "./"] {
        all.push(format!("{root}{ESCAPEE}"));
    }
    all
}

/// Tenants that resemble one another, options, files and keys.
pub fn tenants() -> Vec<String> {
    let mut all: Vec<String> = [
        "0",
        "a",
        "a-",
        "a.",
        "a..",
        "a_",
        "a-b",
        "a.b",
        "con",
        "nul",
        "a--",
        "sqlite_master",
        "x.db",
        "x.db-wal",
    ]
    .iter()
    .map(|text| (*text).to_owned())
    .collect();
    all.push("t".repeat(128));
    all
}

/// Fit for a user, an agent, a label's key: 1 to 128 bytes without control characters.
pub fn is_outside(text: &str) -> bool {
    (1..=128).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Fit for a title or a name: 0 to 256 bytes without control characters.
pub fn is_title(text: &str) -> bool {
    text.len() <= 256 && !text.chars().any(char::is_control)
}

/// Fit for a tenant: `[a-z0-9][a-z0-9._-]*`.
pub fn is_tenant(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    is_outside(text)
        && text.starts_with(plain)
        && text.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
}

/// A valid id, made invalid in many ways. (It is no `&str` of the other kinds either.)
pub fn twisted(id: &str) -> Vec<String> {
    let mut all = vec![
        id.to_uppercase(),
        format!("{id} "),
        format!(" {id}"),
        format!("{id}\0"),
        format!("{id}\n"),
        format!("{id}/"),
        format!("../{id}"),
        format!("{id}%"),
        format!("{id}{id}"),
        format!("{id}é"),
        id.replacen('_', "-", 1),
        id.replacen('_', "__", 1),
        id[1..].to_owned(),
        id[..id.len() - 1].to_owned(),
    ];
    // Crockford decoders read these as digits; an id has one spelling only.
    for (digit, twin) in [('0', "o"), ('0', "O"), ('1', "l"), ('1', "I")] {
        if let Some(at) = id[4..].find(digit) {
            let mut text = id.to_owned();
            text.replace_range(4 + at..5 + at, twin);
            all.push(text);
        }
    }
    all
}

/// No hostile path came true: not beside the store, not in the working directory, not in `/tmp`.
pub fn nothing_escaped(dir: &Path) {
    let mut places = vec![Path::new("/tmp"), Path::new("."), Path::new("..")];
    places.extend(dir.ancestors().skip(1).take(2));
    for place in places {
        let found = place.join(ESCAPEE);
        assert!(!found.exists(), "{} was made", found.display());
    }
}
