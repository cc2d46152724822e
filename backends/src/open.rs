//! Stores by their address.

use std::sync::Arc;

use sessile_core::{
    error::{Error, Result},
    journal::Journal,
    store::Store,
};

use crate::options;

/// Opens a store by its address, with the usual [`options`](crate::options).
///
/// | address | journal |
/// | --- | --- |
/// | `sqlite:PATH`, or a plain path | an SQLite file, created if it is not there |
/// | `sqlite:PATH?synchronous=normal` | the same, flushed at checkpoints only: loss of power may take the newest commits back |
/// | `memory:` | a new journal in memory, which ends with its last owner |
///
/// A plain path is taken as it is, `?` included; one that begins like an address (`notes:1.db`) is written `./notes:1.db`.
///
/// # Where it blocks
///
/// A commit to an SQLite file occupies its thread for one commit of the engine: in place on a multi-threaded tokio runtime,
/// on another thread elsewhere, where the hand-over costs a single writer about a third of its throughput. More at
/// `sqlite::Sqlite`.
///
/// # Errors
///
/// `Invalid` for an address or option that is unknown, which names what is possible; `Unsupported` for a backend that was
/// not compiled in, which names the feature; otherwise what the backend's own `open` answers.
pub async fn open(url: &str) -> Result<Store> {
    Ok(Store::new(open_journal(url).await?, options()))
}

/// Opens a journal by its address, as [`open`] does, for a store with other options.
pub async fn open_journal(url: &str) -> Result<Arc<dyn Journal>> {
    match scheme(url) {
        Some(("memory", rest)) => memory(rest),
        Some(("sqlite", rest)) => {
            let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
            sqlite(path, query).await
        }
        Some((scheme, _)) => Err(Error::invalid(
            "store",
            format!(
                "there is no `{scheme}:`; possible are `memory:`, `sqlite:PATH` and a plain path \
                 (`./{url}` if this is one)"
            ),
        )),
        None => sqlite(url, "").await,
    }
}

/// `scheme:rest`; a single letter before the colon is a drive.
fn scheme(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-_".contains(&b));
    is_scheme.then_some((scheme, rest))
}

#[cfg(feature = "memory")]
fn memory(rest: &str) -> Result<Arc<dyn Journal>> {
    if !rest.is_empty() {
        let reason = format!("`memory:` has neither a name nor options, {rest:?} was given");
        return Err(Error::invalid("store", reason));
    }
    Ok(Arc::new(crate::Memory::new(rand::random())))
}

#[cfg(not(feature = "memory"))]
fn memory(_rest: &str) -> Result<Arc<dyn Journal>> {
    Err(missing("memory"))
}

#[cfg(feature = "sqlite")]
async fn sqlite(path: &str, query: &str) -> Result<Arc<dyn Journal>> {
    use crate::sqlite::{Options, Sqlite, Synchronous};
    if path.is_empty() {
        return Err(Error::invalid("store", "the path of an SQLite file is missing"));
    }
    let mut options = Options::default();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        options = match option {
            "synchronous=full" => options.with_synchronous(Synchronous::Full),
            "synchronous=normal" => options.with_synchronous(Synchronous::Normal),
            _ => {
                let reason = format!(
                    "there is no option {option:?}; possible are `synchronous=full` and \
                     `synchronous=normal`"
                );
                return Err(Error::invalid("store", reason));
            }
        };
    }
    Ok(Arc::new(Sqlite::open(path, options).await?))
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(_path: &str, _query: &str) -> Result<Arc<dyn Journal>> {
    Err(missing("sqlite"))
}

#[cfg(not(all(feature = "memory", feature = "sqlite")))]
fn missing(feature: &str) -> Error {
    let what = format!("`{feature}:` without the feature `{feature}` of the crate `sessile`");
    Error::Unsupported { what }
}

#[cfg(all(test, feature = "memory", feature = "sqlite"))]
mod tests {
    use sessile_core::{error::ErrorKind, journal::Durability};

    use super::*;
    use crate::testing::block_on;

    #[test]
    fn addresses_open_what_they_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db").display().to_string();
        block_on(async {
            for (url, backend, durability) in [
                ("memory:".to_owned(), "memory", Durability::None),
                (path.clone(), "sqlite", Durability::PowerLoss),
                (format!("sqlite:{path}"), "sqlite", Durability::PowerLoss),
                (format!("sqlite:{path}?synchronous=normal"), "sqlite", Durability::ProcessKill),
            ] {
                let journal = open_journal(&url).await.unwrap();
                assert_eq!(journal.info().backend, backend, "{url}");
                assert_eq!(journal.info().durability, durability, "{url}");
            }
            let store = open(&path).await.unwrap();
            store.close().await.unwrap();
        });
    }

    #[test]
    fn unknown_addresses_say_what_is_possible() {
        block_on(async {
            for (url, says) in [
                ("redis://x", "`sqlite:PATH`"),
                ("memory:x", "neither a name"),
                ("sqlite:", "missing"),
                ("", "missing"),
                ("sqlite:a.db?mode=ro", "`synchronous=normal`"),
            ] {
                let error = open_journal(url).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
                assert!(error.to_string().contains(says), "{url}: {error}");
            }
        });
    }
}
