//! Names and texts that break code which puts them into a path, a key, a pattern, an option or a query unescaped.

/// Tenants that the alphabet `[a-z0-9][a-z0-9._-]*` allows: prefixes of one another, path steps, reserved names, options,
/// the shortest and the longest.
pub fn tenants() -> Vec<String> {
    let mut all: Vec<String> = [
        "a",
        "a.",
        "a..",
        "a-",
        "a_",
        "aa",
        "a.a",
        "a-a",
        "a_a",
        "a0",
        "ab",
        "abc",
        "0",
        "00",
        "1",
        "acme",
        "acme.",
        "acme-",
        "acme_",
        "acme.threads",
        "acme-threads",
        "threads",
        "projects",
        "threads.",
        "con",
        "nul",
        "aux",
        "com1",
        "lpt9",
        "con.txt",
        "index",
        "snapshot",
        "blobs",
        "log",
        "boundary",
        "meta",
        "sqlite_master",
        "null",
        "true",
        "nan",
        "1e5",
        "0x10",
        "a..b",
        "a--b",
        "a__b",
        "a.lock",
        "a.db",
        "a.db-wal",
        "x-2f",
        "a2f",
        "drop-table",
        "or-1-1",
        "n--",
    ]
    .map(str::to_owned)
    .into();
    all.push("z".repeat(128));
    all.push("z".repeat(127));
    all.push(format!("{}.", "z".repeat(127)));
    all.push(format!("a{}", "-".repeat(127)));
    all
}

/// Tenants that must be refused.
pub fn bad_tenants() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        ".",
        "..",
        "-",
        "-a",
        "_a",
        ".a",
        "A",
        "Acme",
        "acme/x",
        "../acme",
        "a/../b",
        "a\\b",
        "a b",
        "a\0",
        "a\n",
        "a%2fb",
        "a%",
        "a*",
        "a?",
        "a'",
        "a\"",
        "a;b",
        "a:b",
        "\u{e9}",
        "e\u{301}",
        "a\u{202e}b",
        "\u{ff41}",
        "a\u{200b}",
        "~",
        "$home",
        "a|b",
        "\u{1f600}",
    ]
    .map(str::to_owned)
    .into();
    all.push("z".repeat(129));
    all
}

/// The bits of ids at the edges: of numbers, of text encodings, of sort orders.
pub const BITS: [u128; 9] = [0, 1, 31, 32, 1 << 63, 1 << 64, (1 << 127) - 1, 1 << 127, u128::MAX];

/// Texts of outside ids, titles and names: 1 to 128 bytes, no control characters, all different.
pub fn texts() -> Vec<String> {
    let mut all: Vec<String> = [
        ".",
        "..",
        "../..",
        "/",
        "//",
        "\\",
        "a/b",
        "a\\b",
        "/etc/passwd",
        "c:\\x",
        "%2F",
        "%2f",
        "%00",
        "%",
        "%%",
        "%s%n",
        "\u{e9}",
        "e\u{301}",
        "\u{212b}",
        "\u{c5}",
        "A\u{30a}",
        "a",
        "A",
        "\u{df}",
        "ss",
        "SS",
        "\u{131}",
        "i",
        "I",
        "con",
        "CON",
        "NUL",
        "aux.txt",
        " ",
        " a",
        "a ",
        "a.",
        ".a",
        "~",
        "~root",
        "$HOME",
        "`id`",
        "$(id)",
        "-",
        "--",
        "-rf",
        "--help",
        "--force",
        "-o=x",
        "'",
        "\"",
        "''",
        "' or 1=1 --",
        "'; drop table record; --",
        "_",
        "a_b",
        "a%b",
        "\\_",
        "*",
        "**",
        "?",
        "[a-z]",
        "{a,b}",
        "!",
        "#",
        "&",
        "|",
        ";",
        "<x>",
        ":",
        "::",
        "@",
        "a:b",
        "ses_",
        "thd_0",
        "null",
        "true",
        "0",
        "-0",
        "1e9",
        "NaN",
        "{}",
        "[]",
        "{\"a\":1}",
        "\u{202e}abc",
        "a\u{200d}b",
        "\u{feff}",
        "\u{fffd}",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "\u{5d0}\u{5d1}",
        "\u{ac00}",
        "\u{1100}\u{1161}",
    ]
    .map(str::to_owned)
    .into();
    all.push("x".repeat(128));
    all.push("\u{e9}".repeat(64));
    all.push("/".repeat(128));
    all
}

/// Texts that outside ids and titles refuse: control characters, and for ids the empty and the too long.
pub fn bad_texts() -> Vec<String> {
    ["\0", "a\0b", "a\nb", "\r", "\t", "\u{7f}", "\u{85}", "\u{1b}[2J"].map(str::to_owned).into()
}

/// Contents of records and messages: anything a string can hold.
pub fn contents() -> Vec<String> {
    let mut all = texts();
    all.extend(bad_texts());
    all.push(String::new());
    all.push("\0".repeat(300));
    all.push((1..=0x10_ffff).step_by(251).filter_map(char::from_u32).collect());
    all.push("\u{1}\u{2}\u{1f}\\u0000 \\ud800 \\\" ".repeat(20));
    all
}

/// Strings that are no ids: each with something of the right ones.
pub fn bad_ids(right: &str) -> Vec<String> {
    let (prefix, rest) = right.split_at(4.min(right.len()));
    let mut all = vec![
        String::new(),
        prefix.to_owned(),
        rest.to_owned(),
        right.to_uppercase(),
        format!("{right}0"),
        format!(" {right}"),
        format!("{right}\0"),
        format!("{right}/.."),
        format!("../{right}"),
        format!("{prefix}../../{rest}"),
        format!("{prefix}%2F{rest}"),
        format!("{prefix}{}", "z".repeat(26)),
        format!("{prefix}{}", "0".repeat(25)),
        right.replacen('0', "o", 1),
        right.replacen('1', "l", 1),
        "-rf".to_owned(),
        "'; drop table record; --".to_owned(),
    ];
    all.retain(|bad| bad != right);
    all
}
