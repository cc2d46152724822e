//! The parts of an address, and what is wrong with one. What an address holds is never repeated in an error: it may be a
//! secret in the wrong place.

use sessile_core::error::{Error, Result};

/// `scheme:rest?name=value&...`. Nothing is decoded.
#[derive(Clone, Copy)]
pub(super) struct Address<'a> {
    /// `None`: the address is a plain path.
    pub(super) scheme: Option<&'a str>,
    pub(super) rest: &'a str,
    query: &'a str,
}

/// An option of a scheme: its name, and its values in words.
pub(super) type KnownOption = (&'static str, &'static str);

impl<'a> Address<'a> {
    /// Takes an address apart; a plain path may hold a `?`, and a single letter before a colon is a drive.
    pub(super) fn parse(url: &'a str) -> Result<Self> {
        let split = url.split_once(':').filter(|(scheme, _)| {
            scheme.len() > 1
                && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-_".contains(&b))
        });
        let Some((scheme, rest)) = split else {
            return Ok(Self { scheme: None, rest: url, query: "" });
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let host = rest.strip_prefix("//").and_then(|rest| rest.split('/').next());
        let may_name_user = matches!(scheme, "postgres" | "postgresql");
        if !may_name_user && host.is_some_and(|host| host.contains('@')) {
            let reason = "a user or password does not belong in an address, which ends in logs and \
                          process lists: the environment is the place for credentials";
            return Err(Error::invalid("store", reason));
        }
        Ok(Self { scheme: Some(scheme), rest, query })
    }

    /// The options, each known and given once.
    pub(super) fn options(&self, known: &[KnownOption]) -> Result<Vec<(&'static str, &'a str)>> {
        let mut options: Vec<(&'static str, &'a str)> = Vec::new();
        for option in self.query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let Some((name, _)) = known.iter().find(|(known, _)| *known == name) else {
                return Err(self.unknown(name, known));
            };
            if options.iter().any(|(given, _)| given == name) {
                return Err(Error::invalid(
                    "store",
                    format!("the option `{name}` is given twice; give it once"),
                ));
            }
            options.push((*name, value));
        }
        Ok(options)
    }

    fn unknown(&self, name: &str, known: &[KnownOption]) -> Error {
        let scheme = self.scheme.unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        let secrets = ["key", "secret", "token", "pass", "credential", "sas", "sig"];
        if secrets.iter().any(|word| lower.contains(word)) {
            let reason = "an option looks like a credential, and none belongs in an address, which \
                          ends in logs and process lists: the environment is the place for it";
            return Error::invalid("store", reason);
        }
        let all: Vec<String> =
            known.iter().map(|(name, values)| format!("`{name}={values}`")).collect();
        let possible = match all.as_slice() {
            [] => format!("`{scheme}:` has none"),
            _ => format!("`{scheme}:` has {}", all.join(", ")),
        };
        Error::invalid("store", format!("there is no such option: {possible}"))
    }
}

/// What to say of a value that an option does not take.
#[cfg(any(
    feature = "disk",
    feature = "object_store",
    feature = "postgres",
    feature = "redb",
    feature = "sqlite"
))]
pub(super) fn not_a_value(name: &str, known: &[KnownOption]) -> Error {
    let values = known.iter().find(|(known, _)| *known == name).map_or("", |(_, values)| values);
    Error::invalid(
        "store",
        format!("the option `{name}` takes {values}, and something else was given"),
    )
}

/// `true` or `false`.
#[cfg(any(feature = "disk", feature = "redb"))]
pub(super) fn flag(name: &str, value: &str, known: &[KnownOption]) -> Result<bool> {
    value.parse().map_err(|_| not_a_value(name, known))
}

/// 1 to 65,536.
#[cfg(any(feature = "disk", feature = "object_store", feature = "postgres", feature = "redb"))]
pub(super) fn number(name: &str, value: &str, known: &[KnownOption]) -> Result<usize> {
    let number = value.parse().ok().filter(|number| (1..=65_536).contains(number));
    number.ok_or_else(|| not_a_value(name, known))
}
