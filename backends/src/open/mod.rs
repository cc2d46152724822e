//! Stores by their address.

mod address;
mod archives;
#[cfg(feature = "object_store")]
mod objects;

use std::sync::Arc;

use sessile_core::{
    error::{Error, Result},
    journal::Journal,
    store::Store,
};

pub use self::archives::open_archive;

use self::address::Address;
use crate::options;

/// The addresses there are.
const ADDRESSES: &[&str] = &[
    "memory:",
    "disk:PATH",
    "sqlite:PATH",
    "redb:PATH",
    "postgres://USER@HOST:PORT/DATABASE",
    "file://PATH",
    "s3://BUCKET/PREFIX",
    "gs://BUCKET/PREFIX",
    "az://CONTAINER/PREFIX",
];

/// Opens a store by its address, with the usual [`options`](crate::options).
///
/// | address | journal |
/// | --- | --- |
/// | `sqlite:PATH`, or a plain path | an SQLite file, created if it is not there |
/// | `disk:PATH` | a folder of files that a person can read, created if it is not there |
/// | `redb:PATH` | a redb file, created if it is not there |
/// | `postgres://USER@HOST:PORT/DATABASE`, or `postgresql:` | a schema of a PostgreSQL database, created if it is not there |
/// | `file://PATH` | objects in a folder, laid out as in a cloud's bucket |
/// | `s3://BUCKET/PREFIX` | objects in S3, or in what speaks like it |
/// | `gs://BUCKET/PREFIX` | objects in Google Cloud Storage |
/// | `az://CONTAINER/PREFIX` | objects in Azure Blob Storage |
/// | `memory:` | a new journal in memory, which ends with its last owner |
///
/// | option | what it does |
/// | --- | --- |
/// | `sqlite:PATH?synchronous=normal` | flushes at checkpoints only: loss of power may take the newest commits back |
/// | `disk:PATH?read_only=true` | reads beside a process that writes, or what nobody writes |
/// | `disk:PATH?files=256`, `flushes=64`, `memory_mib=64` | bounds, as at `disk::Options` |
/// | `redb:PATH?quick_repair=true` | opens fast after a crash; commits cost a second flush |
/// | `redb:PATH?cache_mib=128` | MiB of pages kept in memory, at most |
/// | `postgres://...?schema=sessile` | the name of the schema |
/// | `postgres://...?sslmode=prefer`, `sslrootcert=FILE` | `disable`, `prefer`, `require` or `verify-full`, and whom to trust, as at `postgres::Tls` |
/// | `postgres://...?connections=8` | connections of the handle, at most |
/// | `s3://...?grace_seconds=600`, `fold_after=64` | as at `object_store::Options`; the same for `gs`, `az`, `file` |
///
/// Endpoint, region and credentials of a cloud are what the provider's own tools read: `AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT`, `AWS_ALLOW_HTTP`; `GOOGLE_APPLICATION_CREDENTIALS`;
/// `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`, `AZURE_ENDPOINT`, `AZURE_ALLOW_HTTP`; or the identity of the
/// machine it runs on.
///
/// A plain path is taken as it is, `?` included; one that begins like an address (`notes:1.db`) is written `./notes:1.db`.
/// Nothing in an address is decoded, and none may hold a credential: it is refused, and not repeated in the error. Only `postgres:`
/// is as PostgreSQL's own clients write it: it names a user, its parts are percent-encoded, and a password is taken. It is never
/// repeated either, but addresses end in logs and process lists: `PGPASSWORD` is a better place.
///
/// # Where it blocks
///
/// A commit to a folder, an SQLite or redb file occupies its thread for one commit of the engine: in place on a multi-threaded tokio
/// runtime, on another thread elsewhere, where the hand-over costs a single writer about a third of its throughput. More at
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
    let address = Address::parse(url)?;
    match address.scheme {
        Some("memory") => memory(address),
        Some("sqlite") | None => sqlite(address).await,
        Some("disk") => disk(address).await,
        Some("redb") => redb(address).await,
        Some("postgres" | "postgresql") => postgres(address).await,
        Some("file") => file(address).await,
        Some("s3") => s3(address).await,
        Some("gs") => gs(address).await,
        Some("az") => az(address).await,
        Some(scheme) => Err(unknown(scheme)),
    }
}

fn unknown(scheme: &str) -> Error {
    let forms: Vec<String> = ADDRESSES.iter().map(|form| format!("`{form}`")).collect();
    let reason = format!(
        "there is no `{scheme}:`; possible are {} and a plain path (which begins with `./` \
         if it has a colon)",
        forms.join(", ")
    );
    Error::invalid("store", reason)
}

/// The path of an address.
#[cfg(any(feature = "disk", feature = "redb", feature = "sqlite"))]
fn path(address: Address<'_>) -> Result<&str> {
    if address.rest.is_empty() {
        return Err(Error::invalid(
            "store",
            "the path is missing; give one, as in `sqlite:agents.db`",
        ));
    }
    Ok(address.rest)
}

#[cfg(feature = "memory")]
fn memory(address: Address<'_>) -> Result<Arc<dyn Journal>> {
    address.options(&[])?;
    if !address.rest.is_empty() {
        return Err(Error::invalid(
            "store",
            "`memory:` has no name, and one was given; write `memory:` alone",
        ));
    }
    Ok(Arc::new(crate::Memory::new(rand::random())))
}

#[cfg(feature = "sqlite")]
async fn sqlite(address: Address<'_>) -> Result<Arc<dyn Journal>> {
    use crate::sqlite::{Options, Sqlite, Synchronous};
    const KNOWN: &[address::KnownOption] = &[("synchronous", "full|normal")];
    let mut options = Options::default();
    for (name, value) in address.options(KNOWN)? {
        options = options.with_synchronous(match value {
            "full" => Synchronous::Full,
            "normal" => Synchronous::Normal,
            _ => return Err(address::not_a_value(name, KNOWN)),
        });
    }
    Ok(Arc::new(Sqlite::open(path(address)?, options).await?))
}

#[cfg(feature = "disk")]
async fn disk(address: Address<'_>) -> Result<Arc<dyn Journal>> {
    use crate::disk::{Disk, Options};
    const KNOWN: &[address::KnownOption] = &[
        ("read_only", "true|false"),
        ("files", "1..65536"),
        ("memory_mib", "1..65536"),
        ("flushes", "1..65536"),
    ];
    let mut options = Options::default();
    for (name, value) in address.options(KNOWN)? {
        options = match name {
            "read_only" if address::flag(name, value, KNOWN)? => options.read_only(),
            "read_only" => options,
            "files" => options.with_files(address::number(name, value, KNOWN)?),
            "flushes" => options.with_flushes(address::number(name, value, KNOWN)?),
            _ => options.with_memory(address::number(name, value, KNOWN)? << 20),
        };
    }
    Ok(Arc::new(Disk::open(path(address)?, options).await?))
}

#[cfg(feature = "redb")]
async fn redb(address: Address<'_>) -> Result<Arc<dyn Journal>> {
    use crate::redb::{self, Options};
    const KNOWN: &[address::KnownOption] =
        &[("quick_repair", "true|false"), ("cache_mib", "1..65536")];
    let mut options = Options::default();
    for (name, value) in address.options(KNOWN)? {
        options = match name {
            "quick_repair" => options.with_quick_repair(address::flag(name, value, KNOWN)?),
            _ => options.with_cache_bytes(address::number(name, value, KNOWN)? << 20),
        };
    }
    Ok(Arc::new(redb::open(path(address)?, options).await?))
}

#[cfg(feature = "postgres")]
async fn postgres(address: Address<'_>) -> Result<Arc<dyn Journal>> {
    use crate::postgres::{Options, Postgres, Tls};
    const KNOWN: &[address::KnownOption] = &[
        ("schema", "NAME"),
        ("sslmode", "disable|prefer|require|verify-full"),
        ("sslrootcert", "FILE"),
        ("connections", "1..65536"),
    ];
    let mut options = Options::new(&format!("postgres:{}", address.rest))?;
    for (name, value) in address.options(KNOWN)? {
        options = match (name, value) {
            ("schema", schema) => options.with_schema(schema)?,
            ("sslmode", "disable") => options.with_tls(Tls::Disable),
            ("sslmode", "prefer") => options.with_tls(Tls::Prefer),
            ("sslmode", "require") => options.with_tls(Tls::Require),
            ("sslmode", "verify-full") => options.with_tls(Tls::VerifyFull),
            ("sslmode", _) => return Err(address::not_a_value(name, KNOWN)),
            ("sslrootcert", file) => options.with_roots(file),
            _ => options.with_connections(address::number(name, value, KNOWN)?),
        };
    }
    Ok(Arc::new(Postgres::open(options).await?))
}

#[cfg(feature = "object_store")]
async fn file(address: Address<'_>) -> Result<Arc<dyn Journal>> {
    objects::folder(address).await
}

#[cfg(feature = "s3")]
async fn s3(address: Address<'_>) -> Result<Arc<dyn Journal>> {
    objects::cloud(crate::object_store::Cloud::S3, address).await
}

#[cfg(feature = "gcs")]
async fn gs(address: Address<'_>) -> Result<Arc<dyn Journal>> {
    objects::cloud(crate::object_store::Cloud::Gcs, address).await
}

#[cfg(feature = "azure")]
async fn az(address: Address<'_>) -> Result<Arc<dyn Journal>> {
    objects::cloud(crate::object_store::Cloud::Azure, address).await
}

#[cfg(not(feature = "object_store"))]
async fn file(_: Address<'_>) -> Result<Arc<dyn Journal>> {
    Err(missing("object_store"))
}

#[cfg(not(feature = "s3"))]
async fn s3(_: Address<'_>) -> Result<Arc<dyn Journal>> {
    Err(missing("s3"))
}

#[cfg(not(feature = "gcs"))]
async fn gs(_: Address<'_>) -> Result<Arc<dyn Journal>> {
    Err(missing("gcs"))
}

#[cfg(not(feature = "azure"))]
async fn az(_: Address<'_>) -> Result<Arc<dyn Journal>> {
    Err(missing("azure"))
}

#[cfg(not(feature = "memory"))]
fn memory(_: Address<'_>) -> Result<Arc<dyn Journal>> {
    Err(missing("memory"))
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(_: Address<'_>) -> Result<Arc<dyn Journal>> {
    Err(missing("sqlite"))
}

#[cfg(not(feature = "disk"))]
async fn disk(_: Address<'_>) -> Result<Arc<dyn Journal>> {
    Err(missing("disk"))
}

#[cfg(not(feature = "redb"))]
async fn redb(_: Address<'_>) -> Result<Arc<dyn Journal>> {
    Err(missing("redb"))
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: Address<'_>) -> Result<Arc<dyn Journal>> {
    Err(missing("postgres"))
}

#[allow(dead_code, reason = "where everything is built in, nothing is missing")]
fn missing(feature: &str) -> Error {
    let what = format!(
        "this address needs the feature `{feature}` of the crate `sessile`, which is not built in; \
         build with it"
    );
    Error::Unsupported { what }
}

#[cfg(all(
    test,
    feature = "memory",
    feature = "disk",
    feature = "object_store",
    feature = "redb",
    feature = "sqlite"
))]
mod tests {
    use sessile_core::{error::ErrorKind, journal::Durability};

    use super::*;
    use sessile_testkit::journals::block_on;

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
                (format!("redb:{path}.r?quick_repair=true"), "redb", Durability::PowerLoss),
                (
                    format!("disk:{path}.d?files=9&flushes=9&memory_mib=9"),
                    "disk",
                    Durability::PowerLoss,
                ),
                (format!("disk:{path}.d?read_only=true"), "disk", Durability::PowerLoss),
                (format!("redb:{path}.r?cache_mib=1"), "redb", Durability::PowerLoss),
                (
                    format!("file://{path}.o?grace_seconds=9&fold_after=9"),
                    "object_store",
                    Durability::PowerLoss,
                ),
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
                ("memory:x", "has no name"),
                ("sqlite:", "missing"),
                ("", "missing"),
                ("sqlit:a.db", "`sqlite:PATH`"),
                ("rebd:a.db", "`redb:PATH`"),
                ("Disc:a", "`disk:PATH`"),
                ("disk:a?files=0", "1..65536"),
                ("disk:", "missing"),
                ("sqlite:a.db?mode=ro", "`synchronous=full|normal`"),
                ("sqlite:a.db?sinchronous=full", "`synchronous=full|normal`"),
                ("sqlite:a.db?synchronous=full&synchronous=full", "twice"),
                ("redb:a.db?quick_repair=1", "true|false"),
                ("redb:a.db?cache_mib=0", "1..65536"),
                ("memory:?a=b", "has none"),
                #[cfg(feature = "postgres")]
                ("postgres:db", "begins with `postgres://`"),
                #[cfg(feature = "postgres")]
                ("postgres://h/d?schema=A", "lower-case"),
                #[cfg(feature = "postgres")]
                ("postgresql://h/d?sslmode=allow", "disable|prefer|require|verify-full"),
            ] {
                let error = open_journal(url).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
                assert!(error.to_string().contains(says), "{url}: {error}");
            }
        });
    }

    #[test]
    fn a_secret_is_refused_and_not_repeated() {
        block_on(async {
            for url in [
                "s3://ada:hunter2@bucket/prefix",
                "mysql://hunter2@host/db",
                "postgres://ada:hunter2@host:hunter2/db",
                "postgres://ada:hunter2@host/db?sslmode=hunter2",
                "postgres://ada@host/db?password=hunter2",
                "redb:a.db?password=hunter2",
                "sqlite:a.db?AccessKeyId=hunter2",
                "sqlite:a.db?hunter2",
                "redis:hunter2",
                "memory:hunter2",
                "redb:a.db?quick_repair=hunter2",
            ] {
                let error = open_journal(url).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
                assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}: {error}");
            }
            let error = open_journal("redb:a.db?token=x").await.unwrap_err();
            assert!(error.to_string().contains("environment"), "{error}");
        });
    }
}
