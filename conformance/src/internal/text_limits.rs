//! Which texts the contract allows where. Written anew, because the checks of the core are what is judged.

use std::path::Path;

use crate::internal::hostile;

/// The name that every path out of the folder ends in, so that a file that was made outside can be found.
const ESCAPEE: &str = "sessile-escapee";

/// Texts to put wherever a caller may put one: hostile ones, extremes of length, ways out of a folder.
pub fn corpus() -> Vec<String> {
    let mut all = hostile::contents();
    all.extend([129, 255, 256, 257].map(|n| "x".repeat(n)));
    all.push("\u{e9}".repeat(65));
    all.extend(["../", "../../", "/tmp/", "file:", "./"].map(|root| format!("{root}{ESCAPEE}")));
    all
}

/// Allowed as a user, an agent, a label's key: 1 to 128 bytes without control characters.
pub fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Allowed as a title or a name: 0 to 256 bytes without control characters.
pub fn is_title(text: &str) -> bool {
    text.len() <= 256 && !text.chars().any(char::is_control)
}

/// Allowed as a tenant: `[a-z0-9][a-z0-9._-]*`.
pub fn is_tenant(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    is_name(text)
        && text.starts_with(plain)
        && text.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
}

/// Asserts that no path of the corpus was made: not beside the store, not in the working directory, not in `/tmp`.
pub fn nothing_escaped(dir: &Path) {
    let mut places = vec![Path::new("/tmp"), Path::new("."), Path::new("..")];
    places.extend(dir.ancestors().skip(1).take(2));
    for place in places {
        let found = place.join(ESCAPEE);
        assert!(!found.exists(), "{} was made", found.display());
    }
}
