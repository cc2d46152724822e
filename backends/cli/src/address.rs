//! Where a store is, and how it is opened.

use std::path::Path;

use sessile::{
    handle::Handle,
    id::TenantId,
    model::Actor,
    store::{Store, StoreOptions},
};

use crate::fail::{Fail, Result};

/// Whose data a command is about.
pub(crate) struct Scope {
    pub(crate) tenant: TenantId,
    pub(crate) project: Option<String>,
}

impl Scope {
    /// A handle for the system, in the role of this command.
    pub(crate) fn caller(&self, store: &Store, role: &str) -> Result<Handle> {
        Ok(store.caller(&self.tenant, Actor::system(role))?)
    }
}

/// Opens a store for writing; creates it if it does not exist.
pub(crate) async fn create(address: &str) -> Result<Store> {
    Ok(sessile::open(address).await?)
}

/// Opens a store for reading; does not create it.
pub(crate) async fn open(address: &str) -> Result<Store> {
    open_with(address, |options| options).await
}

/// The same with other options.
pub(crate) async fn open_with(
    address: &str,
    with: impl FnOnce(StoreOptions) -> StoreOptions,
) -> Result<Store> {
    if let Some(path) = file(address)
        && !Path::new(path).try_exists().map_err(Fail::io(format!("cannot look at {path}")))?
    {
        return Err(Fail::input(format!("there is no store at {path}")));
    }
    let journal = sessile::open_journal(address).await?;
    Ok(Store::new(journal, with(sessile::options())))
}

/// The file or folder that an address names, if it names one.
fn file(address: &str) -> Option<&str> {
    let (scheme, rest) = address.split_once(':').unwrap_or(("", address));
    match scheme {
        "sqlite" | "redb" | "disk" => Some(rest.split_once('?').map_or(rest, |(path, _)| path)),
        "" if address.is_empty() => None,
        "" => Some(address),
        // A drive, or a path that says so.
        _ if scheme.len() == 1 || scheme.contains(['/', '.']) => Some(address),
        _ => None,
    }
}
